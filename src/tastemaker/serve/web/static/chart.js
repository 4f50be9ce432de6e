// Small line charts: SVG for eyes, a table for who reads otherwise.

import { html, nothing, svg } from "./vendor/lit-html/lit-html.js";
import { words } from "./words.js";

const W = 360, H = 120, LEFT = 52, RIGHT = 8, TOP = 8, LOW = 18;

/** A round number that is no less. */
function above(value) {
  if (!(value > 0)) return 1;
  const ten = 10 ** Math.floor(Math.log10(value));
  return [1, 1.5, 2, 3, 4, 5, 6, 8, 10].map((step) => step * ten).find((step) => step >= value - 1e-12);
}

/**
 * lines: [{name, points: [[x, y or null], …]}] over the same x; `shown(y)` writes a value, `when(x)` a place.
 * The colour of a line is that of its class, line-0 …
 */
export function lineChart({ title, lines, shown, when, xs }) {
  const values = lines.flatMap((line) => line.points.map(([, y]) => y).filter((y) => y !== null));
  const top = above(Math.max(0, ...values)), [from, until] = xs;
  const x = (at) => LEFT + (W - LEFT - RIGHT) * (at - from) / Math.max(until - from, 1e-9);
  const y = (value) => TOP + (H - TOP - LOW) * (1 - value / top);
  const path = (points) => {
    let pen = "M";
    return points.map(([at, value]) => {
      if (value === null) { pen = "M"; return ""; }
      const step = `${pen}${x(at).toFixed(1)} ${y(value).toFixed(1)}`;
      pen = "L";
      return step;
    }).join("");
  };
  const last = (line) => line.points.findLast(([, value]) => value !== null)?.[1];
  const told = lines.map((line) => (last(line) === undefined ? "" : `${line.name} ${shown(last(line))}`)).filter(Boolean).join(", ");
  return html`<figure class="chart">
    <figcaption><b>${title}</b>${lines.map((line, n) => html`<span class="key line-${n % 8}"><i></i>${line.name} <b>${last(line) === undefined ? "–" : shown(last(line))}</b></span>`)}</figcaption>
    <svg viewBox="0 0 ${W} ${H}" role="img" aria-label="${title}: ${told || words.chart.nothing}">
      ${[0, 0.5, 1].map((part) => svg`<line class="grid" x1=${LEFT} x2=${W - RIGHT} y1=${y(part * top)} y2=${y(part * top)}></line>
        <text x=${LEFT - 6} y=${y(part * top) + 3.5} text-anchor="end">${shown(part * top)}</text>`)}
      <text x=${LEFT} y=${H - 4}>${when(from)}</text><text x=${W - RIGHT} y=${H - 4} text-anchor="end">${when(until)}</text>
      ${lines.map((line, n) => svg`<path class="line-${n % 8}" d=${path(line.points)}></path>`)}
    </svg>
    ${values.length ? html`<details><summary>${words.chart.table}</summary><div class="scroll" tabindex="0" role="group" aria-label=${title}><table>
      <tr><th scope="col">${words.chart.when}</th>${lines.map((line) => html`<th scope="col" class="figure">${line.name}</th>`)}</tr>
      ${lines[0].points.slice(-10).map(([at], back, some) => html`<tr><th scope="row">${when(at)}</th>${lines.map((line) => {
        const value = line.points[line.points.length - some.length + back]?.[1] ?? null;
        return html`<td class="figure">${value === null ? "–" : shown(value)}</td>`;
      })}</tr>`)}
    </table></div></details>` : nothing}
  </figure>`;
}
