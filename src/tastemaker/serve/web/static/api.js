// Everything that the page asks the service. The key lives in this tab alone and goes out as a header, never as a
// cookie: another site can't make this browser use it.

import { words } from "./words.js";

const KEY = "tastemaker.key";

/** What the service refused, or that it can't be reached (status 0). */
export class Refused extends Error {
  constructor(status, code, message) {
    super(message);
    Object.assign(this, { status, code });
  }
}

export const key = {
  get: () => sessionStorage.getItem(KEY) ?? "",
  set: (value) => (value ? sessionStorage.setItem(KEY, value) : sessionStorage.removeItem(KEY)),
};

/**
 * The answer as JSON, or as text where `raw` is true. `body` goes as JSON; a Blob goes as it is.
 * Throws Refused; an AbortError where `signal` was told so.
 */
export async function ask(path, { method = "GET", body, query = {}, signal, raw = false } = {}) {
  const given = Object.entries(query).filter(([, value]) => value !== undefined && value !== null && value !== "");
  const url = path.replace(/^\//, "") + (given.length ? `?${new URLSearchParams(given)}` : "");
  const headers = {};
  if (key.get()) headers["X-API-Key"] = key.get();
  const isFile = body instanceof Blob;
  if (body !== undefined) headers["Content-Type"] = isFile ? "application/octet-stream" : "application/json";
  let answer;
  try {
    answer = await fetch(new URL(`../${url}`, import.meta.url), { // the service, whichever of its pages asks
      method, headers, signal, body: body === undefined || isFile ? body : JSON.stringify(body), credentials: "omit",
    });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Refused(0, "unreachable", words.app.unreachable);
  }
  if (answer.ok) return raw ? answer.text() : answer.json();
  const told = await answer.json().catch(() => ({}));
  throw new Refused(answer.status, told.error?.code ?? "", told.error?.message ?? `${answer.status}`);
}

/** Only the newest of several questions counts: a function like `ask` that calls off what it was asked before. */
export function newest() {
  let running = new AbortController();
  return (path, options = {}) => {
    running.abort();
    running = new AbortController();
    return ask(path, { ...options, signal: running.signal });
  };
}

/** `tell(job)` every half second until a job is over; gives it. `job()` asks for it. */
export async function follow(job, tell, signal) {
  for (;;) {
    const found = await job();
    if (signal?.aborted) throw new DOMException("", "AbortError");
    tell(found);
    if (!["waiting", "running"].includes(found.state)) return found;
    await new Promise((done) => setTimeout(done, 500));
  }
}
