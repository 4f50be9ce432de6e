// Which models there are, side by side; which answers, and how another takes its place.

import { html, nothing, render } from "./vendor/lit-html/lit-html.js";
import { repeat } from "./vendor/lit-html/directives/repeat.js";
import { ask } from "./api.js";
import { chips, history } from "./model_parts.js";
import { modelPage } from "./model_page.js";
import { notice, tell, to } from "./parts.js";
import { figure, markOf, scaleOf, whisker } from "./whisker.js";
import { changed, promote, rollBack } from "./standing.js";
import { words } from "./words.js";

const told = words.models;
const FIRST_SHOWN = ["ndcg", "hit_rate", "coverage"];

/** What an exam asked of whom. */
const questionOf = ({ exam }) => JSON.stringify([exam.split, exam.users_asked, exam.k, exam.data]);

export async function open(root, route, app) {
  const state = { held: null, shown: FIRST_SHOWN, by: "created", down: true, error: null, done: "" };
  let page = null, closed = false;

  async function load() {
    state.held = await ask("/page/api/models");
  }

  /** Does what others will see, and shows what came of it or why it was refused. */
  async function act(doing) {
    state.error = null;
    state.done = "";
    try {
      const said = await doing();
      if (!said) return;
      state.done = said;
      tell(said);
      await app.refresh();
    } catch (error) {
      if (error.status === 401) { app.fail(error); return; }
      if (error.status === undefined) console.error(error);
      state.error = error.message;
    }
    try { await load(); } catch (error) { app.fail(error); }
    if (closed) return;
    if (page) await page.load();
    draw();
  }

  const can = () => app.may("admin") && state.held.has_registry;
  const exams = () => state.held.versions.filter((each) => each.exam?.ours);

  function metrics() {
    const found = new Set(exams().flatMap(({ exam }) => [...Object.keys(exam.ours.marks), ...Object.keys(exam.ours.overall)]));
    return Object.keys(told.metrics).filter((metric) => found.has(metric));
  }

  function sorted() {
    const { by, down } = state;
    const value = (each) => (by === "created" ? each.created : markOf(each.exam?.ours, by)?.mean ?? null);
    return [...state.held.versions].sort((one, other) => {
      const [a, b] = [value(one), value(other)];
      if (a === b) return 0;
      if (a === null || a === "") return 1;
      if (b === null || b === "") return -1;
      return (a < b ? -1 : 1) * (down ? -1 : 1);
    });
  }

  const order = (by) => { state.down = state.by === by ? !state.down : true; state.by = by; draw(); };
  const head = (by, title) => html`<th scope="col" aria-sort=${state.by === by ? (state.down ? "descending" : "ascending") : nothing}>
    <button type="button" class="plain" @click=${() => order(by)}>${title}<span aria-hidden="true">${state.by === by ? (state.down ? " ↓" : " ↑") : ""}</span></button></th>`;

  function row(each, shown, scales, letters) {
    const why = each.damage || state.held.refused[each.version] || "", trials = each.trials;
    const question = each.exam?.ours ? questionOf(each) : "";
    return html`<tr class=${each.is_live ? "live" : ""}>
      <th scope="row"><a href=${to("models", each.version, { model: app.model })}><code>${each.version}</code></a> ${chips(each, trials)}
        <small>${each.damage ? nothing : told.kinds[each.kind] ?? each.kind}${each.created ? ` · ${told.day(each.created)}` : ""}${letters[question] ? ` · ${told.examOf(letters[question])}` : ""}</small>
        ${why ? html`<p class="why">${told.refused} ${why}</p>` : nothing}</th>
      <td data-label=${told.knows}>${each.damage ? nothing : told.size(each)}</td>
      ${shown.map((metric) => {
        const mark = markOf(each.exam?.ours, metric), rival = markOf(each.exam?.rival, metric);
        return html`<td data-label=${told.metrics[metric]}>${mark ? html`<span class="value">${figure(mark.mean)}</span>
          ${whisker(mark, scales[question][metric], { beside: rival?.mean, besideName: each.exam.rival?.name, strong: each.is_live })}` : html`<span class="dim">${told.none}</span>`}</td>`;
      })}
      <td class="act">${each.is_live || each.damage ? nothing : html`<a href=${to("explore", { model: each.version })}>${told.look}</a>`}
        ${can() && !each.is_live && !each.damage ? html`<button type="button" @click=${() => act(() => promote(state.held, each, state.shown))}
          aria-label=${told.promoteOne(each.version)}>${told.promote}</button>` : nothing}</td>
    </tr>`;
  }

  function listed() {
    const { held } = state, shown = metrics().filter((metric) => state.shown.includes(metric));
    // What was asked of different people can't be held against each other: a scale for each exam, and a letter.
    const asked = Object.groupBy(exams(), questionOf), questions = Object.keys(asked);
    const letters = Object.fromEntries(questions.map((question, n) => [question, String.fromCharCode(65 + n % 26)]));
    const scales = Object.fromEntries(questions.map((question) => [question, Object.fromEntries(shown.map((metric) => [metric,
      scaleOf(asked[question].flatMap(({ exam }) => [markOf(exam.ours, metric), exam.rival && { mean: markOf(exam.rival, metric)?.mean }]))]))]));
    return html`
      <header class="top"><div><h1>${words.app.views.models}</h1><p class="dim">${told.lead}</p></div>
        ${can() && held.back_to ? html`<button type="button" @click=${() => act(() => rollBack(held, state.shown))}>${told.rollBack}</button>` : nothing}</header>
      ${state.error ? notice(state.error, "alarm") : nothing}
      ${state.done ? notice(state.done, "good") : nothing}
      ${!held.has_registry ? html`<section class="card registry"><h2>${told.noRegistry}</h2>
        <p>${told.registryBrings}</p><pre tabindex="0">${told.registryHow}</pre></section>`
        : !app.may("admin") ? notice(`${told.onlyAdmins} ${words.app.needsAdmin}`) : nothing}
      <section class="card">
        ${metrics().length ? html`<details class="choose"><summary>${told.choose}</summary><div class="row">${metrics().map((metric) => html`<label class="check">
          <input type="checkbox" .checked=${state.shown.includes(metric)} @change=${(event) => {
            state.shown = event.target.checked ? [...state.shown, metric] : state.shown.filter((each) => each !== metric); draw(); }}>${told.metrics[metric]}</label>`)}</div></details>` : nothing}
        <div class="scroll" role="region" tabindex="0" aria-label=${told.table}>
        <table class="versions"><thead><tr>${head("created", told.version)}<th scope="col">${told.knows}</th>
          ${shown.map((metric) => head(metric, told.metrics[metric]))}<td></td></tr></thead>
          <tbody>${repeat(sorted(), (each) => each.version, (each) => row(each, shown, scales, questions.length > 1 ? letters : {}))}</tbody></table></div>
        ${exams().length ? html`<p class="dim key">${told.key}</p>` : nothing}
        ${questions.length > 1 ? notice(told.differ, "unclear") : nothing}
      </section>
      ${held.trials.length ? html`<section class="card"><h2>${told.trials}</h2><ul class="plain">${held.trials.map((trial) => html`<li><code>${trial.version}</code> ${told.trialWhole(trial)}
        ${can() ? html` <button type="button" @click=${() => act(() => changed.endTrial(trial))}>${told.end}</button>` : nothing}</li>`)}</ul></section>` : nothing}
      ${held.history.length ? html`<section class="card"><h2>${told.history}</h2>${history(held.history)}</section>` : nothing}`;
  }

  function draw() {
    if (closed) return;
    if (page) page.draw(state, act);
    else render(listed(), root);
  }

  async function show(next) {
    const version = next.rest[0] ?? "";
    if (version !== (page?.version ?? "")) { state.error = null; state.done = ""; }
    page?.close();
    page = null;
    if (version) {
      const made = modelPage(root, version, app);
      page = made;
      await made.load();
      if (page !== made) return;
    }
    draw();
  }

  await load();
  await show(route);
  return {
    update: (next) => load().then(() => show(next)).catch(app.fail),
    close() { closed = true; page?.close(); },
  };
}
