// A list for a person, and the knobs that steer it. Every change asks for the list anew; of several changes while one
// question runs, the newest is asked next. Nothing that is looked at here is kept by the service.

import { html, nothing, render } from "./vendor/lit-html/lit-html.js";
import { live } from "./vendor/lit-html/directives/live.js";
import { repeat } from "./vendor/lit-html/directives/repeat.js";
import { ask } from "./api.js";
import { confirmed, halves, notice, tell, titled } from "./parts.js";
import { panel, settings, table } from "./steer.js";
import { tradeoff } from "./tradeoff.js";
import { words } from "./words.js";

const say = words.person;
const SHOWN = matchMedia("(min-width: 761px)").matches ? 12 : 5;  // titles of a history that stand there at once
const first = (title) => halves(title)[0];

export async function open(root, route, app) {
  const state = {
    user: "", history: [], isEdited: true, count: 0, whole: false,
    placement: "home", controls: null, settings: {}, touched: "", explain: false,
    slate: null, base: null, last: "", changes: null, wrong: "", saved: "", isAdmin: app.may("admin"),
  };
  let isAsking = false, wanted = null, isClosed = false;

  // --- who --------------------------------------------------------------------------------

  function address() {
    const query = new URLSearchParams();
    if (state.user && !state.isEdited) query.set("user", state.user);
    else for (const item of state.history) query.append("history", item.item_id);
    if (app.model) query.set("model", app.model);
    return `#/person${[...query].length ? `?${query}` : ""}`;
  }

  function changed(cause) {
    state.saved = "";
    window.history.replaceState(null, "", address());
    draw();
    look(cause);
  }

  /** The newest stands last in `state.history`, as the service takes it. */
  function add(item) {
    if (state.history.some((each) => each.item_id === item.item_id)) return;
    state.history = [...state.history, { item_id: item.item_id, title: item.title }];
    state.isEdited = true;
    changed({ kind: "added", name: first(item.title) });
  }

  function remove(item) {
    state.history = state.history.filter((each) => each.item_id !== item.item_id);
    state.isEdited = true;
    changed({ kind: "removed", name: first(item.title) });
  }

  function clear() {
    Object.assign(state, { user: "", history: [], isEdited: true, count: 0, slate: null, changes: null });
    changed(null);
  }

  async function person(id) {
    try {
      const found = await ask("/page/api/person", { query: { id, model: app.model } });
      const history = [...new Map(found.events.map((each) => [each.item_id, each])).values()].reverse();
      Object.assign(state, { user: id, history, isEdited: false, count: found.count, whole: false, slate: null });
      changed({ kind: "person", name: id });
    } catch (error) { app.fail(error); }
  }

  // --- the list ---------------------------------------------------------------------------

  function look(cause) {
    wanted = cause ?? {};
    if (!isAsking) next();
  }

  async function next() {
    isAsking = true;
    while (wanted && !isClosed) {
      const cause = wanted;
      wanted = null;
      const whose = state.user && !state.isEdited ? { user_id: state.user } : { history: state.history.map((each) => each.item_id) };
      const body = { model: app.model, placement: state.placement, explain: state.explain, ...whose };
      if (state.controls) body.settings = settings(state);
      try {
        const answer = await ask("/page/api/recommend", { method: "POST", body });
        if (isClosed) break;
        heard(answer, cause);
      } catch (error) {
        if (isClosed) break;
        if (error.status === 422) state.wrong = error.message;
        else app.fail(error);
      }
      draw();
    }
    isAsking = false;
  }

  function heard(answer, cause) {
    // A slider passes through many settings: what it changed is told from where it began to move.
    if (cause.kind !== "steered" || cause.name !== state.last) state.base = state.slate;
    state.last = cause.kind === "steered" ? cause.name : "";
    const before = new Map((state.base?.items ?? []).map((item) => [item.item_id, item]));
    state.wrong = "";
    if (state.history.some((item) => !item.title)) {
      const titles = new Map(answer.history.map((item) => [item.item_id, item.title]));
      state.history = state.history.map((item) => ({ ...item, title: item.title ?? titles.get(item.item_id) ?? item.item_id }));
    }
    let changes = null;
    if (state.base && cause.kind) {
      const now = new Set(answer.items.map((item) => item.item_id));
      changes = { cause, by: new Map(), gone: [...before.values()].filter((item) => !now.has(item.item_id)) };
      for (const item of answer.items) {
        const old = before.get(item.item_id);
        if (!old) changes.by.set(item.item_id, "new");
        else if (old.rank !== item.rank) changes.by.set(item.item_id, old.rank - item.rank);
      }
    }
    state.changes = changes ?? (cause.kind ? null : state.changes);
    state.slate = answer;
    tell(say.ready(answer.items.length, state.changes ? told(state.changes) : ""));
  }

  function told({ cause, by }) {
    const fresh = [...by.values()].filter((each) => each === "new").length;
    return `${say.causes[cause.kind](cause.name)}: ${by.size ? say.changed(fresh, by.size - fresh) : say.same}`;
  }

  // --- steering ---------------------------------------------------------------------------

  async function controls() {
    try {
      const found = await ask("/page/api/controls", { query: { placement: state.placement, model: app.model } });
      if (isClosed) return;
      state.controls = found;
      draw();
    } catch (error) { app.fail(error); }
  }

  function change(name, parts, rule = "") {
    state.settings = { ...state.settings, ...parts };
    if (["freshness", "diversity", "popularity", "calibration"].includes(rule)) state.touched = rule;
    changed({ kind: "steered", name });
  }

  const on = {
    async placement(name) {
      Object.assign(state, { placement: name, settings: {}, controls: null });
      await controls();
      changed({ kind: "steered", name: words.steer.placement });
    },
    reset() {
      state.settings = {};
      changed({ kind: "steered", name: words.steer.asItIs });
    },
    async save(name, isKnown = false) {
      const body = { placement: state.placement, settings: settings(state), is_known: isKnown };
      try {
        await ask(`/page/api/placements/${encodeURIComponent(name)}`, { method: "PUT", body });
        state.saved = name;
        tell(words.steer.saved(name));
        await controls();
      } catch (error) {
        if (error.status === 409 && !isKnown) {
          if (await confirmed(words.steer.replace, words.steer.replaceText(error.message), words.steer.replaceGo)) await on.save(name, true);
        } else if (error.status === 422) { state.wrong = error.message; draw(); } else app.fail(error);
      }
    },
    async drop(name) {
      if (!(await confirmed(words.steer.dropTitle(name), words.steer.dropText(name), words.steer.drop))) return;
      try {
        await ask(`/page/api/placements/${encodeURIComponent(name)}`, { method: "DELETE" });
        state.saved = "";
        if (state.placement === name) await on.placement("home");
        else await controls();
      } catch (error) { app.fail(error); }
    },
  };

  // --- drawing ----------------------------------------------------------------------------

  function who() {
    const newest = [...state.history].reverse(), shown = state.whole ? newest : newest.slice(0, SHOWN);
    const findTitles = async (typed) => (await ask("/page/api/search", { query: { q: typed, model: app.model } })).items;
    const findPeople = async (typed) => (await ask("/page/api/people", { query: { q: typed, model: app.model } })).people
      .map((each) => ({ item_id: each.id, title: each.id, about: say.events(each.count) }));
    return html`<section class="who" aria-labelledby="who-title"><h2 id="who-title">${say.who}</h2>
      ${state.isAdmin && app.facts.model.people ? html`<title-search id="people" label=${say.findPerson} nothing=${say.noPerson} .ask=${findPeople}
        @chosen=${({ detail }) => person(detail.item_id)} @failed=${({ detail }) => app.fail(detail)}></title-search>` : nothing}
      <title-search id="adding" label=${say.add} .ask=${findTitles} @chosen=${({ detail }) => add(detail)} @failed=${({ detail }) => app.fail(detail)}></title-search>
      ${state.user ? html`<p class="somebody"><b>${state.isEdited ? say.edited(state.user) : say.known(state.user, state.count)}</b>
        ${state.isEdited ? html`<button type="button" class="plain" @click=${() => person(state.user)}>${say.again(state.user)}</button>` : nothing}</p>` : nothing}
      ${state.history.length ? html`<div class="row spread"><h3>${say.history}</h3><button type="button" class="plain" @click=${clear}>${say.clear}</button></div>
        <ul class="history">${repeat(shown, (item) => item.item_id, (item) => html`<li><span>${titled(item.title ?? item.item_id)}</span>
          <button type="button" class="plain" aria-label=${say.remove(first(item.title ?? item.item_id))} @click=${() => remove(item)}>×</button></li>`)}</ul>
        ${newest.length > shown.length ? html`<button type="button" class="plain" @click=${() => { state.whole = true; draw(); }}>${say.more(newest.length - shown.length)}</button>` : nothing}`
        : html`${state.user ? html`<button type="button" class="plain" @click=${clear}>${say.clear}</button>` : nothing}<p class="dim">${say.nobody}</p>${tastes()}`}
    </section>`;
  }

  function tastes() {
    const found = state.controls?.tastes ?? [];
    if (!found.length || state.user) return nothing;
    const begin = (items) => { state.history = items; state.isEdited = true; changed({ kind: "added", name: first(items[0].title) }); };
    return html`<h3>${say.begin}</h3><div class="tastes">${found.map((items) => html`<button type="button" @click=${() => begin([...items])}>
      ${items.map((item) => html`<span>${first(item.title)}</span>`)}</button>`)}</div>`;
  }

  function place(item) {
    const change = state.changes?.by.get(item.item_id);
    const mark = change === "new" ? html`<b class="mark new">${say.fresh}</b>`
      : change > 0 ? html`<b class="mark up" role="img" aria-label=${say.upLabel(change)}>${say.up(change)}</b>`
        : change < 0 ? html`<b class="mark down" role="img" aria-label=${say.downLabel(-change)}>${say.down(-change)}</b>` : nothing;
    const isIn = state.history.some((each) => each.item_id === item.item_id);
    return html`<li data-id=${item.item_id}><span class="rank">${item.rank}</span>
      <div class="what"><p>${titled(item.title)} ${mark}</p>
        <p class="dim">${item.about}</p>
        <p class="why">${item.reasons.map((reason) => html`<span class="reason">${reason}</span>`)}
          ${(item.moves ?? []).map((move) => html`<span class="move">${say.move(move)} <i>${say.moveBy(move.rule)}</i></span>`)}
          ${item.propensity === undefined ? nothing : html`<span class="move">${say.chance(item.propensity)}</span>`}
          <span class="source">${item.source}</span></p></div>
      ${isIn ? nothing : html`<button type="button" aria-label=${say.addLabel(first(item.title))} @click=${() => add(item)}>${say.addTo}</button>`}</li>`;
  }

  function list() {
    const { slate, changes } = state;
    const stages = Object.entries(slate?.stages_ms ?? {}).map(([stage, ms]) => `${say.stages[stage] ?? stage} ${say.took(ms)}`).join(" · ");
    return html`<section class="slate" aria-labelledby="slate-title"><div class="row spread"><h2 id="slate-title">${say.slate}</h2>
        <label class="check" title=${say.explainHint}><input type="checkbox" .checked=${live(state.explain)}
          @change=${(event) => { state.explain = event.target.checked; changed(null); }}>${say.explain}</label></div>
      ${changes ? html`<p class="changed">${told(changes)}. ${changes.gone.length ? html`<span class="gone">${say.gone} ${changes.gone.map((item) => html`<s>${first(item.title)}</s> `)}</span>` : nothing}</p>` : nothing}
      ${(slate?.notes ?? []).map((note) => notice(note))}
      ${!slate ? html`<p aria-busy="true" class="dim">${words.app.loading}</p>` : slate.items.length
        ? html`<ol class="places" data-took=${slate.took_ms}>${repeat(slate.items, (item) => item.item_id, place)}</ol>` : notice(say.empty)}
      ${slate ? html`<p class="dim took" title=${stages}>${say.took(slate.took_ms)}${stages ? ` · ${stages}` : ""}</p>` : nothing}
    </section>`;
  }

  function draw() {
    if (isClosed) return;
    const knobs = state.controls && state.touched ? table(state, state.touched) : {};
    const chart = state.controls ? tradeoff(state.controls.curves, state.touched, knobs) : nothing;
    render(html`<header><h1>${say.title}</h1><p class="dim lead">${say.lead}</p></header>
      <div class="parts">${who()}${list()}
        <details class="steer" ?open=${isWide}><summary><h2>${words.steer.title}</h2></summary>${panel(state, change, on, chart)}</details></div>`, root);
  }

  const isWide = matchMedia("(min-width: 761px)").matches;

  function read(next) {
    const user = next.query.get("user") ?? "", ids = next.query.getAll("history").filter(Boolean);
    if (user) return person(user);
    Object.assign(state, { user: "", history: [...new Set(ids)].map((item_id) => ({ item_id })), isEdited: true, slate: null, changes: null });
    return look(null);
  }

  draw();
  read(route);
  controls();
  return {
    update(next) { if (`#/person${next.query.size ? `?${next.query}` : ""}` !== address()) read(next); },
    close() { isClosed = true; },
  };
}
