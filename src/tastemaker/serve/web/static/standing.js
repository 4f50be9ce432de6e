// What changes which model answers: each asks first, saying from which to which and what differs.

import { html, nothing } from "./vendor/lit-html/lit-html.js";
import { ask } from "./api.js";
import { confirmed } from "./parts.js";
import { figure, isNumber, markOf } from "./whisker.js";
import { words } from "./words.js";

const told = words.models;

const cell = (mark) => (!mark ? html`<td class="dim">${told.none}</td>` : html`<td><b>${figure(mark.mean)}</b>
  ${isNumber(mark.low) && isNumber(mark.high) ? html`<small>${told.ends(figure(mark.low), figure(mark.high))}</small>` : nothing}</td>`);

/** Asks with what differs; why it is done, or null where it was called off. */
async function sure(title, from, next, metrics, yes) {
  let because = "";
  const shown = metrics.filter((metric) => markOf(from?.exam?.ours, metric) || markOf(next?.exam?.ours, metric));
  const isSame = from?.exam && next?.exam && JSON.stringify([from.exam.split, from.exam.users_asked, from.exam.data])
    === JSON.stringify([next.exam.split, next.exam.users_asked, next.exam.data]);
  const text = html`<span class="models-change">
    <table><thead><tr><td></td><th scope="col">${told.now} <code>${from?.version ?? ""}</code></th><th scope="col">${told.then} <code>${next.version}</code></th></tr></thead>
      <tbody>
        <tr><th scope="row">${told.made}</th><td>${from?.created ? told.day(from.created) : ""}</td><td>${told.day(next.created)}</td></tr>
        <tr><th scope="row">${told.knows}</th><td>${from ? told.size(from) : ""}</td><td>${told.size(next)}</td></tr>
        ${shown.map((metric) => html`<tr><th scope="row">${told.metrics[metric]}</th>${cell(markOf(from?.exam?.ours, metric))}${cell(markOf(next?.exam?.ours, metric))}</tr>`)}
      </tbody></table>
    <span class="dim">${shown.length && !isSame ? told.differ : ""} ${told.proven}</span>
    <label>${told.because}<input name="because" maxlength="500" autocomplete="off" @input=${(event) => { because = event.target.value; }}></label>
  </span>`;
  return (await confirmed(title, text, yes)) ? because.trim() : null;
}

const named = (held, version) => held.versions.find((each) => each.version === version);

/** Each gives what is true now, for people; nothing where it was called off. Throws what the service refused. */
export async function promote(held, next, metrics) {
  const because = await sure(told.promoteTitle(next.version), named(held, held.live), next, metrics, told.promote);
  if (because === null) return "";
  await ask("/v1/models/promote", { method: "POST", body: { version: next.version, because } });
  return told.answers(next.version);
}

export async function rollBack(held, metrics) {
  const next = named(held, held.back_to) ?? { version: held.back_to, created: "", items: 0, users: 0 };
  const because = await sure(told.rollBackTitle(next.version), named(held, held.live), next, metrics, told.rollBack);
  if (because === null) return "";
  const said = await ask("/v1/models/rollback", { method: "POST", body: { because } });
  return told.answers(said.live);
}

export const changed = {
  async startTrial(trial) {
    if (!(await confirmed(told.trialTitle(trial.version), told.trialText(trial), told.start))) return "";
    await ask("/v1/models/trials", { method: "PUT", body: trial });
    return told.trialBegan(trial);
  },
  async endTrial(trial) {
    if (!(await confirmed(told.endTitle(trial.version), told.endText(trial), told.end))) return "";
    await ask("/v1/models/trials", { method: "DELETE", query: { kind: trial.kind, placement: trial.placement } });
    return told.trialEnded(trial);
  },
};
