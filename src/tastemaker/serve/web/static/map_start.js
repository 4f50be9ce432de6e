// The map of a service: has it made where it isn't there yet, fetches its data with the key of this tab, and then
// runs the same script that a map in a file runs.

import { html, nothing, render } from "./vendor/lit-html/lit-html.js";
import { ask, follow, key } from "./api.js";
import { progressBar } from "./parts.js";
import { words } from "./words.js";

const model = new URLSearchParams(location.search).get("model") ?? "";
const query = { model }, start = document.getElementById("start");
const page = (hash) => `../${hash}${model ? `?${new URLSearchParams(query)}` : ""}`;

function say(text, ...more) {
  render(html`<h2>${words.map.title}</h2><p role=${more.length ? "alert" : nothing} class=${more.length ? "alarm" : ""}>${text}</p>${more}`, start);
}

/** Tells of an error in place, with what may be done about it. */
function fail(error) {
  if (error.status === undefined) console.error(error);
  if (error.status === 401 || error.status === 403) {
    key.set("");
    say(words.map.signedOut, html`<p><a href="../">${words.signIn.title}</a></p>`);
  } else say(error.message, html`<p><button type="button" @click=${() => run()}>${words.app.again}</button></p>`);
}

async function made() {
  let { job } = await ask("/page/api/map", { query });
  if (job.state !== "done")
    job = await follow(async () => (await ask("/page/api/map", { query })).job, (found) =>
      render(html`<h2>${words.map.title}</h2><p>${words.map.making}</p>${progressBar(found)}`, start));
  if (job.state === "done") return;
  say(`${words.map.failed} ${job.message}`, html`<p><button type="button" @click=${again}>${words.app.again}</button></p>`);
  throw null;
}

async function again() {
  try {
    await ask("/page/api/map", { method: "POST", query });
    await run();
  } catch (error) { if (error) fail(error); }
}

function about(data) {
  const part = document.getElementById("about");
  for (const text of [data.lead, ...data.notes, words.map.version(data.version)]) {
    const paragraph = document.createElement("p");
    paragraph.textContent = text;
    part.append(paragraph);
  }
}

async function run() {
  say(words.app.loading);
  try {
    await made();
    say(words.map.fetching);
    const text = await ask("/page/api/map/data", { query, raw: true });
    const data = Object.assign(document.createElement("div"), { id: "data", hidden: true });
    data.textContent = text;
    document.body.append(data);
    Object.assign(document.body.dataset, { page: "../#/explore/", query: model ? `?${new URLSearchParams(query)}` : "" });
    about(JSON.parse(text));
    const script = document.createElement("script");
    script.src = "shared/map.js";
    script.addEventListener("load", () => { document.body.classList.remove("waits"); start.remove(); data.remove(); });
    document.body.append(script);
  } catch (error) { if (error) fail(error); }
}

document.body.classList.add("waits");
document.getElementById("back").href = page("#/explore");
run();
