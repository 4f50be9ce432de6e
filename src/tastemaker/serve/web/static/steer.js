// The knobs of a placement. What they say is kept as the parts of `[reranking]` that differ from the placement's own.

import { html, nothing } from "./vendor/lit-html/lit-html.js";
import { live } from "./vendor/lit-html/directives/live.js";
import { number, words } from "./words.js";

const say = words.steer;
const SLIDERS = { freshness: [0, 1], diversity: [0, 1], popularity: [-1, 1], calibration: [0, 1] };
const figure = (value) => number(value, 2);

/** A table of `[reranking]` as it is now. */
export const table = (state, name) => ({ ...state.controls.reranking[name], ...state.settings[name] });

/** What the service is asked with: what differs, and nothing else. */
export function settings(state) {
  const { filter, objective, off, ...tables } = state.settings;
  const reranking = { ...tables };
  if (reranking.fairness && !Object.values(reranking.fairness.shares).some((share) => share > 0)) reranking.fairness = { of: "", shares: {} };
  if (off?.length) reranking.rules = state.controls.rules.filter((_, n) => !off.includes(n)).map((each) => each.rule);
  return { filter: filter ?? null, objective: objective ?? null, reranking };
}

/**
 * The panel. `change(name, tables, rule)` hears that knobs called `name` were set; `on` has the other deeds:
 * placement(name), reset(), save(name), drop(name).
 */
export function panel(state, change, on, chart) {
  const { controls } = state;
  if (!controls) return html`<p aria-busy="true">${words.app.loading}</p>`;
  const set = (name, values) => change(say.names[name], { [name]: { ...state.settings[name], ...values } }, name);
  const slider = (name) => {
    const [low, high] = SLIDERS[name], now = table(state, name).strength, own = controls.reranking[name].strength;
    return html`<div class="knob ${now !== own ? "is-set" : ""}">
      <label for="knob-${name}">${say.names[name]}</label>
      <output for="knob-${name}">${figure(now)}</output>
      <input id="knob-${name}" type="range" min=${low} max=${high} step="0.01" .value=${live(String(now))}
        aria-describedby="hint-${name}" @input=${(event) => set(name, { strength: Number(event.target.value) })}>
      <small id="hint-${name}">${say.hints[name]} · ${say.recipe(figure(own))}</small>
      ${name === "diversity" ? select(say.method, table(state, name).method, say.methods, (method) => set(name, { method })) : nothing}
    </div>`;
  };
  return html`
    <div class="row spread"><label class="wide">${say.placement}
      <select @change=${(event) => on.placement(event.target.value)}>${controls.placements.filter((each) => each.about !== "item").map((each) =>
        html`<option value=${each.name} ?selected=${each.name === controls.placement}>${each.name}</option>`)}</select></label>
      <button type="button" class="plain" ?disabled=${!Object.keys(state.settings).length} @click=${on.reset}>${say.asItIs}</button></div>
    ${state.wrong ? html`<p class="notice alarm" role="alert">${state.wrong}</p>` : nothing}
    ${Object.keys(SLIDERS).map(slider)}
    ${chart}
    ${fairness(state, set)}
    ${exploration(state, set)}
    ${rules(state, change)}
    ${wish(state, change, "filter", controls.filter, say.filterHint)}
    ${controls.heads.length ? wish(state, change, "objective", controls.objective, say.objectiveHint(controls.heads)) : nothing}
    ${saving(state, on)}`;
}

function select(label, value, options, chosen) {
  return html`<select aria-label=${label} @change=${(event) => chosen(event.target.value)}>${Object.entries(options).map(([name, told]) =>
    html`<option value=${name} ?selected=${name === value}>${told}</option>`)}</select>`;
}

const folded = (name, isSet, inside) => html`<details class="knobs" ?open=${isSet}><summary>${say.names[name]}${isSet ? html` <b class="dot" aria-hidden="true"></b>` : nothing}</summary>${inside}</details>`;

function fairness(state, set) {
  const now = table(state, "fairness"), { groups } = state.controls;
  const column = groups.find((each) => each.column === now.of);
  const columns = { "": say.noFairness, ...Object.fromEntries(groups.map((each) => [each.column, say.tier[each.column] ?? each.column])) };
  const sum = Object.values(now.shares).reduce((all, share) => all + share, 0);
  return folded("fairness", Boolean(now.of), html`
    <label class="wide">${say.of}${select(say.of, now.of, columns, (of) => set("fairness", { of, shares: {} }))}</label>
    ${(column?.values ?? []).slice(0, 6).map((group) => html`<div class="knob small">
      <label for="share-${group.name}">${group.name}</label><output>${number(100 * (now.shares[group.name] ?? 0))} %</output>
      <input id="share-${group.name}" type="range" min="0" max="1" step="0.05" aria-label=${say.share(group.name)} .value=${live(String(now.shares[group.name] ?? 0))}
        @input=${(event) => set("fairness", { of: now.of, shares: Object.fromEntries(Object.entries({ ...now.shares, [group.name]: Number(event.target.value) }).filter(([, share]) => share > 0)) })}>
      <small>${say.has(group.share)}</small></div>`)}
    ${sum > 1.001 ? html`<p class="notice alarm" role="alert">${say.tooMuch}</p>` : nothing}`);
}

function exploration(state, set) {
  const now = table(state, "exploration"), own = state.controls.reranking.exploration;
  return folded("exploration", now.method !== "none", html`
    ${select(say.how, now.method, say.exploration, (method) => set("exploration", { method }))}
    ${now.method === "epsilon" ? html`<div class="knob"><label for="knob-epsilon">${say.epsilon}</label><output>${figure(now.epsilon)}</output>
      <input id="knob-epsilon" type="range" min="0" max="1" step="0.01" .value=${live(String(now.epsilon))} @input=${(event) => set("exploration", { epsilon: Number(event.target.value) })}>
      <small>${say.recipe(figure(own.epsilon))}</small></div>` : nothing}
    ${now.method === "thompson" ? html`<label class="wide">${say.places}<input type="number" min="1" max="10" .value=${live(String(now.places))}
      @change=${(event) => set("exploration", { places: Math.max(1, Math.round(Number(event.target.value)) || 1) })}></label>` : nothing}`);
}

function rules(state, change) {
  const off = state.settings.off ?? [], { rules: all } = state.controls;
  const turn = (n) => change(say.names.rules, { off: off.includes(n) ? off.filter((each) => each !== n) : [...off, n] });
  return folded("rules", all.length > 0, all.length ? all.map((each, n) => html`<label class="check"><input type="checkbox" .checked=${live(!off.includes(n))} @change=${() => turn(n)}>
    <span>${each.name ? html`${each.name} <small>${each.does}</small>` : each.does}</span></label>`) : html`<small>${say.noRules}</small>`);
}

function wish(state, change, name, own, hint) {
  const now = state.settings[name] ?? own;
  return folded(name, Boolean(now), html`<label class="wide"><span class="unseen">${say.names[name]}</span><input type="text" name=${name} maxlength=${name === "filter" ? 2000 : 500} spellcheck="false"
    placeholder=${hint} .value=${live(now)} @change=${(event) => change(say.names[name], { [name]: event.target.value })}></label>`);
}

function saving(state, on) {
  const { controls } = state;
  if (!controls.can_save) return nothing;
  if (!state.isAdmin) return html`<p class="dim">${say.needsAdmin}</p>`;
  const save = (event) => { event.preventDefault(); on.save(event.target.elements.place.value.trim()); };
  const saved = controls.placements.filter((each) => each.is_saved);
  return html`<form class="save" @submit=${save}><h3>${say.save}</h3>
    <div class="row"><input name="place" aria-label=${say.name} required maxlength="64" pattern="[a-z0-9][a-z0-9_\\-]*" title=${say.nameHint} placeholder=${say.nameHint}>
      <button type="submit" class="strong">${say.go}</button></div>
    ${state.saved ? html`<p class="notice good">${say.saved(state.saved)}</p>` : nothing}
    ${saved.length ? html`<ul class="chips">${saved.map((each) => html`<li class="chip"><code>${each.name}</code>
      <button type="button" class="plain" aria-label=${say.dropLabel(each.name)} @click=${() => on.drop(each.name)}>×</button></li>`)}</ul>` : nothing}
  </form>`;
}
