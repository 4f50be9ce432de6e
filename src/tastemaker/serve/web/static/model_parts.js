// What the table of models and the page of one are made of.

import { html, nothing } from "./vendor/lit-html/lit-html.js";
import { words } from "./words.js";

const told = words.models;

/** Whether it answers, and where it is tried. */
export const chips = (each, trials) => html`
  ${each.is_live ? html`<b class="chip live">${words.app.live}</b>` : nothing}
  ${trials.map((trial) => html`<b class="chip">${told.trial(trial)}</b>`)}`;

/** What happened, newest first. */
export const history = (lines) => html`<ol class="history">${lines.map((line) => html`<li>
  <time datetime=${line.at}>${told.moment(line.at)}</time>
  <span>${told.event(line)}${line.reason ? html` <q>${line.reason}</q>` : nothing}</span></li>`)}</ol>`;
