// One model: what it was made of, how good it was found, what happened to it, and the whole report of it.

import { html, nothing, render } from "./vendor/lit-html/lit-html.js";
import { ask, follow } from "./api.js";
import { markdown } from "./markdown.js";
import { chips, history } from "./model_parts.js";
import { loading, notice, progressBar, to } from "./parts.js";
import { reportParts } from "./report_parts.js";
import { changed, promote } from "./standing.js";
import { figure, isNumber, markOf, scaleOf, whisker } from "./whisker.js";
import { number, words } from "./words.js";

const told = words.models;
const SHOWN = ["ndcg", "hit_rate", "recall", "precision", "map", "mrr"], COLUMNS = 4;

const pairs = (rows) => html`<dl>${rows.filter(([, value]) => value !== undefined && value !== "").map(([name, value]) => html`<div><dt>${name}</dt><dd>${value}</dd></div>`)}</dl>`;
const plain = (value) => (isNumber(value) ? number(value, Number.isInteger(value) ? 0 : 3) : typeof value === "object" ? JSON.stringify(value) : String(value));

function exam(found) {
  if (!found) return notice(told.noExam);
  const first = SHOWN.find((metric) => found.lines[0]?.marks[metric]);
  const lines = [...found.lines].sort((one, other) => (other.marks[first]?.mean ?? -1) - (one.marks[first]?.mean ?? -1));
  // With one answer to be found each, recall is the hit rate: the notes say so, and once is enough.
  const same = (one, other) => lines.every((line) => line.marks[one]?.mean === line.marks[other]?.mean);
  const columns = SHOWN.filter((metric, n) => lines.some((line) => line.marks[metric]) && !SHOWN.slice(0, n).some((other) => same(metric, other))).slice(0, COLUMNS);
  const scales = Object.fromEntries(columns.map((metric) => [metric, scaleOf(lines.map((line) => line.marks[metric]))]));
  const rest = Object.keys(told.metrics).filter((metric) => !columns.includes(metric) && lines.some((line) => markOf(line, metric)));
  const name = (line) => html`<th scope="row">${line.is_baseline ? line.name : html`<b>${line.name}</b>`}</th>`;
  return html`
    <div class="scroll" role="region" tabindex="0" aria-label=${told.exam}><table class="exam">
      <thead><tr><td></td>${columns.map((metric) => html`<th scope="col">${told.metrics[metric]}@${found.k}</th>`)}</tr></thead>
      <tbody>${lines.map((line) => html`<tr class=${line.is_baseline ? "" : "live"}>${name(line)}
        ${columns.map((metric) => html`<td><span class="value">${figure(line.marks[metric]?.mean)}
          ${isNumber(line.marks[metric]?.low) ? html`<small>${told.ends(figure(line.marks[metric].low), figure(line.marks[metric].high))}</small>` : nothing}</span>
          ${whisker(line.marks[metric], scales[metric], { strong: !line.is_baseline })}</td>`)}</tr>`)}</tbody></table></div>
    <details><summary>${told.otherMetrics}</summary><div class="scroll" role="region" tabindex="0" aria-label=${told.otherMetrics}><table>
      <thead><tr><td></td>${rest.map((metric) => html`<th scope="col" class="figure">${told.metrics[metric]}</th>`)}</tr></thead>
      <tbody>${lines.map((line) => html`<tr>${name(line)}${rest.map((metric) => {
        const mark = markOf(line, metric);
        return html`<td class="figure">${figure(mark?.mean)}${isNumber(mark?.low) ? html`<br><small>${told.ends(figure(mark.low), figure(mark.high))}</small>` : nothing}</td>`;
      })}</tr>`)}</tbody></table></div></details>
    <ul class="notes">${found.notes.map((note) => html`<li>${note}</li>`)}</ul>`;
}

function rejected(found) {
  if (!found) return html`<p>${told.allUsed}</p>`;
  return html`<p>${told.rejected(found.count)}</p>
    <table><tbody>${found.reasons.map(({ reason, count }) => html`<tr><th scope="row">${reason}</th><td class="figure">${number(count)}</td></tr>`)}</tbody></table>
    ${found.rows.length ? html`<details><summary>${told.firstRows}</summary><div class="scroll" role="region" tabindex="0" aria-label=${told.firstRows}><table>
      <thead><tr>${Object.keys(found.rows[0]).map((name) => html`<th scope="col">${name}</th>`)}</tr></thead>
      <tbody>${found.rows.map((row) => html`<tr>${Object.values(row).map((value) => html`<td>${value}</td>`)}</tr>`)}</tbody></table></div></details>` : nothing}`;
}

const findings = (files) => (files ?? []).map((file) => html`<h3>${told.files[file.kind] ?? file.kind}</h3><p>${told.rows(file.rows)}</p>
  ${["repaired", "suspicious"].map((kind) => (file[kind]?.length ? html`<p class="dim">${told.found[kind]}</p>
    <ul>${file[kind].map(({ what, count }) => html`<li>${number(count)} × ${what}</li>`)}</ul>` : nothing))}`);

/** `load()` asks for all of it, `draw(state, act)` draws it; `close()` ends what it follows. */
export function modelPage(root, version, app) {
  const ending = new AbortController(), trial = { kind: "canary", share: 5, placement: "" };
  let found = null, deep = { job: null, report: null }, pictures = new Map(), drawn = () => {}, isFollowed = false;

  function redraw() { if (!ending.signal.aborted) drawn(); }

  async function load() {
    try {
      [found, deep] = await Promise.all([ask(`/page/api/models/${version}`), ask(`/page/api/models/${version}/report`)]);
    } catch (error) {
      if (error.status === 401 || error.status === undefined) throw error;
      found = { error: error.message };
      return;
    }
    watch();
  }

  function watch() {
    if (isFollowed || !deep.job || !["waiting", "running"].includes(deep.job.state)) return;
    isFollowed = true;
    follow(async () => { deep = await ask(`/page/api/models/${version}/report`); return deep.job; }, redraw, ending.signal)
      .catch(app.fail).finally(() => { isFollowed = false; });
  }

  async function examine() {
    try {
      const { job } = await ask(`/page/api/models/${version}/report`, { method: "POST" });
      deep = { ...deep, job };
      redraw();
      watch();
    } catch (error) { app.fail(error); }
  }

  function examination() {
    const runs = deep.job && ["waiting", "running"].includes(deep.job.state);
    return html`<section class="card wide"><h2>${told.examination}</h2>
      ${deep.report ? nothing : html`<p>${told.examineLead}</p>`}
      ${runs ? progressBar(deep.job) : !app.may("admin") ? html`<p class="dim">${words.app.needsAdmin}</p>`
        : !app.facts.can_make ? html`<p class="dim">${words.app.needsWorkshop}</p>`
          : html`<p><button type="button" @click=${examine}>${deep.report ? told.again : told.examine}</button></p>`}
      ${deep.job?.message && !runs ? notice(deep.job.message, "alarm") : nothing}
      ${deep.report ? reportParts(deep.report, pictures) : nothing}</section>`;
  }

  function trials(state, act) {
    const own = state.held.trials.filter((each) => each.version === version);
    const start = (event) => {
      event.preventDefault();
      act(() => changed.startTrial({ version, kind: trial.kind, placement: trial.placement.trim(), share: trial.share / 100, because: "" }));
    };
    return html`<section class="card"><h2>${told.trials}</h2><p class="dim">${told.trialsLead}</p>
      ${own.length ? html`<ul class="plain">${own.map((each) => html`<li>${told.trialWhole(each)} <button type="button" @click=${() => act(() => changed.endTrial(each))}>${told.end}</button></li>`)}</ul>` : nothing}
      <form class="row" @submit=${start}>
        <label>${told.trialKind}<select name="kind" @change=${(event) => { trial.kind = event.target.value; }}>
          <option value="canary">${told.canary}</option><option value="shadow">${told.shadow}</option></select></label>
        <label>${told.share}<input type="number" name="share" min="0.1" max="100" step="0.1" required .value=${String(trial.share)} @input=${(event) => { trial.share = Number(event.target.value); }}></label>
        <label>${told.placement}<input name="placement" maxlength="64" placeholder=${told.everywhere} autocomplete="off" @input=${(event) => { trial.placement = event.target.value; }}></label>
        <button type="submit">${told.start}</button></form></section>`;
  }

  function draw(state, act) {
    drawn = () => draw(state, act);
    if (!found) { render(loading(), root); return; }
    const back = html`<p class="back"><a href=${to("models", { model: app.model })}>${told.all}</a></p>`;
    const each = state.held.versions.find((one) => one.version === version);
    if (found.error) { render(html`${back}<h1><code>${version}</code></h1>${notice(found.error, "alarm")}`, root); return; }
    const may = app.may("admin") && state.held.has_registry;
    render(html`${back}
      <header class="top"><div><h1><code>${version}</code> ${chips(found, each?.trials ?? [])}</h1>
        <p class="dim">${told.kinds[found.kind] ?? found.kind} · ${told.day(found.created)} · ${told.size(found.data)}</p></div>
        <p class="row">${found.is_live ? nothing : html`<a class="button" href=${to("explore", { model: version })}>${told.look}</a>`}
          ${may && each && !found.is_live ? html`<button type="button" class="strong" @click=${() => act(() => promote(state.held, each, ["ndcg", "hit_rate", "coverage", "diversity"]))}>${told.promote}</button>` : nothing}</p></header>
      ${state.error ? notice(state.error, "alarm") : nothing}${state.done ? notice(state.done, "good") : nothing}
      ${found.refused ? notice(`${told.refused} ${found.refused}`, "alarm") : nothing}
      <section class="card wide"><h2>${told.exam}</h2>${exam(found.exam)}</section>
      ${examination()}
      <div class="columns">
        <section class="card"><h2>${told.data}</h2>
          ${pairs([[told.items, plain(found.data.items ?? 0)], [told.people, plain(found.data.users ?? 0)], [told.events, plain(found.data.interactions ?? 0)], [told.fingerprint, html`<code>${String(found.data.fingerprint ?? "").slice(0, 12)}</code>`]])}
          <h3>${told.columns}</h3>
          <table><tbody>${Object.values(found.columns).flat().map(({ name, role }) => html`<tr><th scope="row">${name}</th><td>${role}</td></tr>`)}</tbody></table>
          <h3>${told.reading}</h3>${findings(found.data.read)}${rejected(found.rejected)}</section>
        <section class="card"><h2>${told.training}</h2>
          ${pairs(Object.entries(found.training).map(([name, value]) => [name, plain(value)]))}
          ${found.index ? html`<h3>${told.index}</h3><p>${told.indexLine(found.index)}</p>` : nothing}
          <h3>${told.madeWith}</h3>${pairs(Object.entries(found.versions))}</section>
        ${may && !found.is_live ? trials(state, act) : nothing}
        ${found.history.length ? html`<section class="card"><h2>${told.history}</h2>${history(found.history)}</section>` : nothing}
      </div>
      <section class="card wide"><details><summary><h2>${told.card}</h2></summary>${markdown(found.card, told.card)}</details></section>`, root);
  }

  return {
    version, load, draw,
    close() { ending.abort(); for (const address of pictures.values()) URL.revokeObjectURL(address); },
  };
}
