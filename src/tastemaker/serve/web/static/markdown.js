// The few forms of Markdown that a model card has, as templates: nothing in the text can become an element.

import { html, nothing } from "./vendor/lit-html/lit-html.js";

/** `code` and **strong** within a line. */
function inline(text) {
  return text.split(/(`[^`]*`|\*\*[^*]+\*\*)/).map((part) =>
    part.length > 2 && part.startsWith("`") && part.endsWith("`") ? html`<code>${part.slice(1, -1)}</code>`
      : part.length > 4 && part.startsWith("**") && part.endsWith("**") ? html`<b>${part.slice(2, -2)}</b>` : part);
}

const cells = (line) => line.replace(/^\||\|$/g, "").split("|").map((cell) => cell.trim());

/** Headings below the title (which is left out), lists, tables, paragraphs. */
export function markdown(text, label) {
  const blocks = [];
  for (const line of text.split("\n")) {
    const kind = /^#{1,6} /.test(line) ? "heading" : /^[-*] /.test(line) ? "list" : line.startsWith("|") ? "table" : line.trim() ? "text" : "";
    const last = blocks.at(-1);
    if (kind && kind !== "heading" && last?.kind === kind) last.lines.push(line);
    else blocks.push({ kind, lines: [line] });
  }
  return blocks.filter(({ kind, lines }) => kind && !lines[0].startsWith("# ")).map(({ kind, lines }) => {
    if (kind === "heading") return html`<h3>${inline(lines[0].replace(/^#+ /, ""))}</h3>`;
    if (kind === "list") return html`<ul>${lines.map((line) => html`<li>${inline(line.slice(2))}</li>`)}</ul>`;
    if (kind === "text") return html`<p>${inline(lines.join(" "))}</p>`;
    const [head, ...body] = lines.filter((line) => !/^[|\s:-]+$/.test(line));
    return html`<div class="scroll" role="region" tabindex="0" aria-label=${label}><table>
      <thead><tr>${cells(head).map((cell) => (cell ? html`<th scope="col">${inline(cell)}</th>` : html`<td></td>`))}</tr></thead>
      <tbody>${body.map((line) => html`<tr>${cells(line).map((cell, n) => (n ? html`<td class="figure">${inline(cell)}</td>` : html`<th scope="row">${inline(cell)}</th>`))}</tr>`)}</tbody>
    </table></div>`;
  }).concat(nothing);
}
