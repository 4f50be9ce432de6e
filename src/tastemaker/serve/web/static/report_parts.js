// The parts of a model's report: what could be wrong first, then the rest in its order.

import { html, nothing } from "./vendor/lit-html/lit-html.js";
import { notice } from "./parts.js";
import { words } from "./words.js";

const told = words.models;
const ORDER = { alarm: 0, unclear: 1, good: 2, "": 3 };
const SAID_ELSEWHERE = ["card", "standing"];

/** A drawing as a picture that can run nothing; its address is kept in `pictures`, to be let go of at the end. */
function address(svg, pictures) {
  if (!pictures.has(svg)) {
    const whole = svg.includes("xmlns=") ? svg : svg.replace("<svg", '<svg xmlns="http://www.w3.org/2000/svg"');
    pictures.set(svg, URL.createObjectURL(new Blob([whole], { type: "image/svg+xml" })));
  }
  return pictures.get(svg);
}

function table(part, { title, note, head, rows, strong, words: texts }) {
  const isText = (column) => column === 0 || texts.includes(column);
  return html`<div class="scroll" role="region" tabindex="0" aria-label=${title || part.title}><table>
    ${title || note ? html`<caption>${title}${note ? html`<small>${note}</small>` : nothing}</caption>` : nothing}
    ${head.some(Boolean) ? html`<thead><tr>${head.map((cell, n) => (cell ? html`<th scope="col" class=${isText(n) ? "" : "figure"}>${cell}</th>` : html`<td></td>`))}</tr></thead>` : nothing}
    <tbody>${rows.map((row, n) => html`<tr class=${strong.includes(n) ? "live" : ""}>${row.map((cell, column) => (column
      ? html`<td class=${isText(column) ? "" : "figure"}>${cell}</td>` : html`<th scope="row">${cell}</th>`))}</tr>`)}</tbody></table></div>`;
}

export function reportParts(report, pictures) {
  const parts = report.parts.filter(({ key }) => !SAID_ELSEWHERE.includes(key))
    .map((part, n) => [part, n]).sort(([one, a], [other, b]) => one.is_missing - other.is_missing || ORDER[one.verdict] - ORDER[other.verdict] || a - b).map(([part]) => part);
  return html`<p class="verdict">${report.verdict}</p>
    ${report.alarms.length ? nothing : notice(told.calm, "good")}
    <p class="dim">${told.examined(report.made)}</p>
    ${parts.map((part) => html`<details class="part ${part.verdict}" ?open=${part.verdict === "alarm"}>
      <summary><b>${part.title}</b> ${part.verdict ? html`<span class="chip ${part.verdict}">${told.verdicts[part.verdict]}</span>` : nothing}
        <span class="lead ${part.is_missing ? "dim" : ""}">${part.lead}</span></summary>
      ${part.pictures.map(({ svg, alt, caption }) => html`<figure><img src=${address(svg, pictures)} alt=${alt} loading="lazy">${caption ? html`<figcaption>${caption}</figcaption>` : nothing}</figure>`)}
      ${part.tables.map((each) => table(part, each))}
      ${part.notes.length ? html`<ul>${part.notes.map((note) => html`<li>${note}</li>`)}</ul>` : nothing}
    </details>`)}`;
}
