// How the service does, while one looks: every two seconds what it counts is read, and what came in between is drawn.
// Nothing is asked while nobody looks.

import { html, nothing, render } from "./vendor/lit-html/lit-html.js";
import { ask } from "./api.js";
import { lineChart } from "./chart.js";
import { drift } from "./drift.js";
import { notice } from "./parts.js";
import { buckets, by, parsed, quantile, since, total } from "./prometheus.js";
import { number, words } from "./words.js";

const EVERY_MS = 2000, KEPT = 150, FEWEST = 30;
const OWN = /^(GET \/v1\/models|\w+ (\/page\/.*|\/|\/metrics|\/health\/.*))$/;
/** Routes that only look, this page's own among them: they aren't traffic. */
const isTraffic = (labels) => !OWN.test(labels.route);
const STAGES = ["store", "retrieve", "rank", "rerank", "explain"];

const told = words.operate;
const ms = (seconds) => (seconds > 0 && seconds < 0.01 ? `${number(1000 * seconds, seconds < 0.001 ? 2 : 1)} ms` : `${number(1000 * seconds)} ms`);
const clock = (at) => new Date(at).toLocaleTimeString("en", { hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false });

/** What one look at the counts says. */
function look(samples) {
  return {
    at: Date.now(),
    samples,
    statuses: by(samples.filter((each) => each.labels.route && isTraffic(each.labels)), "tastemaker_requests_total", "status"),
    requests: buckets(samples, "tastemaker_request_seconds", isTraffic),
    stages: Object.fromEntries(STAGES.map((stage) => [stage, buckets(samples, "tastemaker_stage_seconds", (labels) => labels.stage === stage)])),
  };
}

/** What came between two looks, a second. */
function between(now, before) {
  const seconds = Math.max((now.at - before.at) / 1000, 0.001);
  const statuses = since([...now.statuses], [...before.statuses]);
  const rate = (digit) => statuses.reduce((sum, [status, count]) => (String(status).startsWith(digit) ? sum + count : sum), 0) / seconds;
  const requests = since(now.requests, before.requests);
  return {
    at: now.at,
    good: rate("2"), refused: rate("4"), failed: rate("5"),
    half: quantile(requests, 0.5), most: quantile(requests, 0.95),
    stages: Object.fromEntries(STAGES.map((stage) => [stage, quantile(since(now.stages[stage], before.stages[stage]), 0.5)])),
  };
}

export async function open(root, route, app) {
  const state = { looks: [], steps: [], health: null, models: null, error: null };
  const alarms = drift(app, draw);
  let timer = 0, closed = false;

  async function read() {
    if (document.hidden || closed) return;
    try {
      const [text, health, models] = await Promise.all([ask("/metrics", { raw: true }), ask("/health/ready"), ask("/v1/models")]);
      const now = look(parsed(text)), before = state.looks.at(-1);
      if (before) state.steps.push(between(now, before));
      state.looks.push(now);
      state.looks.splice(0, state.looks.length - 2);
      state.steps.splice(0, state.steps.length - KEPT);
      Object.assign(state, { health, models, error: null });
    } catch (error) {
      if (error.status === 401) { app.fail(error); return; }
      state.error = error;
    }
    if (!closed) draw();
  }

  const tile = (name, value, note = "", kind = "") => html`<div class="tile ${kind}"><span>${name}</span><b>${value}</b><small>${note}</small></div>`;

  function tiles(samples) {
    const newest = state.steps.at(-1), answers = by(samples, "tastemaker_answers_total", "who");
    const known = answers.get("known") ?? 0, cold = answers.get("cold") ?? 0;
    const versions = [...by(samples, "tastemaker_model_workers", "version")].filter(([, workers]) => workers > 0);
    const waiting = total(samples, "tastemaker_store_waiting"), lag = total(samples, "tastemaker_store_lag_seconds");
    const dropped = total(samples, "tastemaker_store_dropped_total"), memory = total(samples, "process_resident_memory_bytes");
    const store = state.health?.store;
    return html`
      ${tile(told.rate, newest ? number(newest.good + newest.refused + newest.failed, 1) : "–", told.aSecond)}
      ${tile(told.latency, newest?.half != null ? ms(newest.half) : "–", newest?.most != null ? told.ofTwenty(ms(newest.most)) : told.quiet)}
      ${tile(told.model, versions.map(([version]) => version).join(", ") || state.models.live, versions.length > 1 ? told.two : told.workers(versions[0]?.[1] ?? 1), versions.length > 1 ? "alarm" : "")}
      ${tile(told.store, store === "up" ? told.up : told.down, told.waits(waiting, ms(lag), dropped), store === "up" && !dropped ? "good" : "alarm")}
      ${tile(told.cold, known + cold ? `${number(100 * cold / (known + cold), 1)} %` : "–", told.answers(known + cold))}
      ${memory ? tile(told.memory, `${number(memory / 2 ** 20)} MB`) : nothing}`;
  }

  const counted = (title, rows, none) => html`<section class="card"><h2>${title}</h2>${rows.length ? html`<table>${rows.map(([name, value]) => html`<tr>
    <th scope="row">${name}</th><td class="figure">${number(value)}</td></tr>`)}</table>` : html`<p class="dim">${none}</p>`}</section>`;

  function counts(samples) {
    const rows = (metric, label, names = {}) => [...by(samples, metric, label)].filter(([, value]) => value).sort((a, b) => b[1] - a[1])
      .map(([name, value]) => [names[name] ?? name, value]);
    const swaps = by(samples, "tastemaker_swaps_total", "result"), refused = Object.entries(state.models?.refused ?? {});
    return html`
      ${counted(told.routes, rows("tastemaker_requests_total", "route").filter(([name]) => isTraffic({ route: name })).slice(0, 8), told.noRequests)}
      ${counted(told.sources, rows("tastemaker_items_total", "source"), told.noItems)}
      ${counted(told.fallbacks, [...rows("tastemaker_fallbacks_total", "why", told.why), ...rows("tastemaker_degraded_total", "stage", told.leftOut)], told.noFallbacks)}
      ${counted(told.refusals, rows("tastemaker_refused_total", "reason", told.reasons), told.noRefusals)}
      ${counted(told.events, rows("tastemaker_events_total", "kind", told.kinds), told.noEvents)}
      <section class="card"><h2>${told.swaps}</h2><p>${told.swapped(swaps.get("ok") ?? 0, swaps.get("refused") ?? 0)}</p>
        ${refused.map(([version, reason]) => notice(`${version}: ${reason}`, "alarm"))}</section>`;
  }

  function charts() {
    const { steps } = state, until = steps.at(-1).at, xs = [Math.min(steps[0].at, until - EVERY_MS * FEWEST), until];
    const line = (name, value) => ({ name, points: steps.map((step) => [step.at, value(step)]) });
    return html`
      ${lineChart({ title: told.rateChart, xs, when: clock, shown: (value) => number(value, value < 10 ? 1 : 0),
        lines: [line(told.good, (step) => step.good), line(told.refused, (step) => step.refused), line(told.failed, (step) => step.failed)] })}
      ${lineChart({ title: told.latencyChart, xs, when: clock, shown: ms, lines: [line(told.half, (step) => step.half), line(told.most, (step) => step.most)] })}
      ${lineChart({ title: told.stageChart, xs, when: clock, shown: ms,
        lines: STAGES.filter((stage) => steps.some((step) => step.stages[stage] !== null)).map((stage) => line(told.stages[stage], (step) => step.stages[stage])) })}`;
  }

  function draw() {
    const samples = state.looks.at(-1)?.samples;
    render(html`<h1>${words.app.views.operate}</h1>
      ${state.error ? notice(state.error.message, "alarm") : nothing}
      ${samples ? html`<div class="tiles">${tiles(samples)}</div>
        <div class="card charts">${state.steps.length ? charts() : html`<p aria-busy="true">${told.begins}</p>`}<p class="dim">${told.estimated}</p></div>
        <div class="columns">${counts(samples)}</div>` : html`<p class="notice" aria-busy="true">${words.app.loading}</p>`}
      ${alarms.shown()}`, root);
  }

  const again = () => { if (!document.hidden) read(); };
  document.addEventListener("visibilitychange", again);
  await read();
  timer = setInterval(read, EVERY_MS);
  alarms.read();
  return { close() { closed = true; clearInterval(timer); alarms.close(); document.removeEventListener("visibilitychange", again); } };
}
