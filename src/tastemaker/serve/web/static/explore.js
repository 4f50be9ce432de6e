// Find an item, see what is known of it and what is like it, and walk on from there.

import { html, nothing, render, svg } from "./vendor/lit-html/lit-html.js";
import { repeat } from "./vendor/lit-html/directives/repeat.js";
import { newest } from "./api.js";
import { halves, loading, notice, tell, titled, to } from "./parts.js";
import { number, words } from "./words.js";

const told = words.explore, FIRST = 12, STEP = 12, MOST = 60;

const bars = (x, height, width, isOwn) => svg`<rect x=${x} y=${54 - Math.max(1.5, height)} width=${width} height=${Math.max(1.5, height)} class=${isOwn ? "own" : ""}/>`;
const arrow = (x) => svg`<path class="own" d="M${x} 56l4.5 7h-9z"/>`;
const track = (width, name = "") => svg`<rect width=${width} height="6" rx="3" class=${name}/>`;

export async function open(root, route, app) {
  const seek = newest(), look = newest();
  let beginning = null, item = null, like = null, wanted = "", k = FIRST, allSeasons = false;
  const query = (more = {}) => ({ model: app.model, ...more });
  const at = (id) => to("explore", id, query());
  const map = (id) => `page/map.html${app.model ? `?${new URLSearchParams(query())}` : ""}${id ? `#item=${encodeURIComponent(id)}` : ""}`;

  const search = () => html`<title-search id="find" label=${told.find}
    .ask=${async (q) => (await seek("/page/api/search", { query: query({ q, k: 12 }) })).items}
    @chosen=${({ detail }) => app.go(at(detail.item_id))} @failed=${({ detail }) => app.fail(detail)}></title-search>`;

  function draw() {
    if (wanted) render(html`<div class="seek">${search()}</div>${item ? itemView() : loading()}`, root);
    else render(beginning ? beginningView() : loading(), root);
  }

  // --- where one begins ----------------------------------------------------------------------

  const beginningView = () => html`
    <div class="hero">
      <h1>${told.title}</h1>
      <p class="dim">${told.lead(app.facts.model)}</p>
      ${search()}
      <p class="dim hint">${told.hint(beginning.items.some((each) => halves(each.title)[1]))}</p>
    </div>
    <section aria-labelledby="known">
      <h2 id="known">${beginning.is_ranked ? told.best(beginning.counted) : told.some}</h2>
      <ul class="cards">${beginning.items.map((each) => html`<li><a class="card" href=${at(each.item_id)}>
        ${titled(each.title)}<small>${each.about}</small></a></li>`)}</ul>
    </section>
    ${beginning.columns.length ? html`<section aria-labelledby="columns">
      <h2 id="columns">${told.columns}</h2>
      <dl class="spread">${beginning.columns.map((each) => html`<div><dt>${each.name}</dt><dd>${each.values
        ? html`${each.values.map(({ value, items }) => html`<span class="chip">${value} <b>${number(items)}</b></span> `)}
          ${each.different > each.values.length ? html`<small>${told.more(each.different - each.values.length)}</small>` : nothing}`
        : told.range(each)}</dd></div>`)}</dl>
    </section>` : nothing}`;

  // --- one item ------------------------------------------------------------------------------

  function itemView() {
    const [first, native] = halves(item.title);
    return html`<div class="columns">
      <article class="card" aria-labelledby="item">
        <h1 id="item" tabindex="-1">${first}</h1>
        ${native ? html`<p class="native">${native}</p>` : nothing}
        <p class="row links">
          <a class="button" href=${map(item.item_id)}>${told.onMap}</a>
          <a class="button" href=${to("person", query({ history: item.item_id }))}>${told.start}</a>
        </p>
        ${item.popularity ? popularity(item.popularity) : nothing}
        <dl class="known">${item.columns.map((each) => html`<dt>${each.name}</dt><dd>${value(each)}</dd>`)}</dl>
      </article>
      <section class="near" aria-labelledby="near">
        <div class="row head">
          <h2 id="near">${told.like}</h2>
          <label class="check"><input type="checkbox" .checked=${allSeasons} @change=${(event) => { allSeasons = event.target.checked; neighbours(); }}>${told.allSeasons}</label>
        </div>
        ${like ? neighbourList() : loading()}
      </section>
    </div>`;
  }

  function value({ role, value }) {
    if (value === null || value === "" || value.length === 0) return html`<span class="dim">${told.unknown}</span>`;
    if (Array.isArray(value)) return value.map((each) => html`<span class="chip">${each}</span> `);
    if (typeof value === "number") return number(value, Number.isInteger(value) ? 0 : 2);
    return role === "date" ? told.date(value) : value;
  }

  function popularity(found) {
    const most = Math.max(...found.bars.map((bar) => bar.items)), wide = 260 / found.bars.length, own = found.bars[found.bar];
    return html`<figure class="popularity">
      <figcaption>${told.rank(found)}</figcaption>
      <svg viewBox="0 0 260 64" role="img" aria-label=${told.spread(found, own)}>
        ${found.bars.map((bar, n) => bar.items ? bars(n * wide + 0.75, 52 * bar.items / most, wide - 1.5, n === found.bar) : nothing)}
        ${own ? arrow((found.bar + 0.5) * wide) : nothing}
      </svg>
      <p class="ends"><small>${told.short(found.bars[0].low)}</small><small>${told.short(found.bars.at(-1).high)}</small></p>
      <p class="dim">${told.spread(found, own)}</p>
    </figure>`;
  }

  function neighbourList() {
    if (!like.items.length) return notice(told.alone);
    const best = Math.max(...like.items.map((each) => each.score), 1e-9);
    return html`<ol class="items">${repeat(like.items, (each) => each.item_id, (each) => html`<li>
        <span class="rank">${each.rank}</span>
        <span><a href=${at(each.item_id)}>${titled(each.title)}</a> <small>${each.about}</small></span>
        <span class="score"><svg viewBox="0 0 60 6" aria-hidden="true">${track(60)}${track(60 * Math.max(0, each.score) / best, "full")}</svg>
          <span><span class="unseen">${told.score} </span>${number(each.score, 2)}</span></span>
        <span class="why">${told.why(each.shared)}</span>
      </li>`)}</ol>
      ${like.items.length >= k && k < MOST ? html`<p><button type="button" @click=${() => { k += STEP; neighbours(); }}>${told.further}</button></p>` : nothing}
      ${like.notes.map((each) => notice(each))}
      <p class="dim hint">${told.whyNote}</p>`;
  }

  // --- asking --------------------------------------------------------------------------------

  async function neighbours(isNew = false) {
    const id = wanted;
    try {
      const found = await look("/page/api/similar", { query: query({ id, k, all_seasons: allSeasons || "" }) });
      if (id !== wanted) return;
      like = found;
      draw();
      if (isNew) tell(told.found(halves(item.title)[0], like.items.length));
    } catch (error) { app.fail(error); }
  }

  async function update({ rest }) {
    const id = rest[0] ?? "", isMove = Boolean(wanted) || Boolean(beginning);
    wanted = id;
    item = like = null;
    k = FIRST;
    draw();
    try {
      if (!id) {
        beginning ??= await newest()("/page/api/catalogue", { query: query() });
        if (wanted) return;
        draw();
        if (matchMedia("(pointer: fine)").matches) root.querySelector("#find-field")?.focus({ preventScroll: true });
        return;
      }
      const found = await newest()("/page/api/item", { query: query({ id }) });
      if (wanted !== id) return;
      item = found;
      document.title = `${halves(item.title)[0]} · ${words.app.name}`;
      draw();
      if (isMove) { scrollTo(0, 0); root.querySelector("#item").focus({ preventScroll: true }); }
      await neighbours(true);
    } catch (error) {
      if (wanted !== id) return;
      if (error.status !== 404) { app.fail(error); return; }
      render(html`<div class="seek">${search()}</div>${notice(told.gone(id), "alarm")}`, root);
    }
  }

  function pressed(event) {
    if (event.key !== "/" || event.target.closest("input, textarea, select")) return;
    event.preventDefault();
    root.querySelector("#find-field")?.focus();
  }

  document.addEventListener("keydown", pressed);
  await update(route);
  return { update, close: () => document.removeEventListener("keydown", pressed) };
}
