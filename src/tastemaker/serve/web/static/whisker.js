// A figure as a dot with its 95 % interval, on a scale that several of them share.

import { html, nothing, svg } from "./vendor/lit-html/lit-html.js";
import { number, words } from "./words.js";

const WIDTH = 132, HEIGHT = 18, EDGE = 6;

export const isNumber = (value) => typeof value === "number" && Number.isFinite(value);
/** A figure for people, of which the sizes of metrics differ: 0.0987, 0.213, 7,594. */
export const figure = (value) => (!isNumber(value) ? words.models.none : number(value, Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 0.1 ? 3 : 4));

/** What a model scored: {mean, low, high}; of what has no interval, the mean alone. */
export function markOf(line, metric) {
  if (!line) return null;
  return line.marks[metric] ?? (isNumber(line.overall[metric]) ? { mean: line.overall[metric], low: null, high: null } : null);
}

/** The scale of marks {mean, low, high}, from 0 where none is below it: [least, most]. */
export function scaleOf(marks) {
  const values = marks.filter(Boolean).flatMap(({ mean, low, high }) => [mean, low, high]).filter(isNumber);
  if (!values.length) return [0, 1];
  const least = Math.min(0, ...values), most = Math.max(...values);
  return most > least ? [least, most] : [least, least + 1];
}

/** `mark` on `scale`; `beside`, another's mean, is a thin line. */
export function whisker(mark, scale, { beside = null, besideName = "", strong = true } = {}) {
  if (!isNumber(mark?.mean)) return html`<span class="dim">${words.models.none}</span>`;
  const at = (value) => EDGE + (WIDTH - 2 * EDGE) * (value - scale[0]) / (scale[1] - scale[0]);
  const hasEnds = isNumber(mark.low) && isNumber(mark.high);
  return html`<svg class="whisker ${strong ? "" : "quiet"}" viewBox="0 0 ${WIDTH} ${HEIGHT}" width=${WIDTH} height=${HEIGHT} role="img"
    aria-label=${words.models.mark(mark, hasEnds, isNumber(beside) ? besideName : "", beside)}>
    ${svg`<line class="axis" x1=${EDGE} x2=${WIDTH - EDGE} y1=${HEIGHT / 2} y2=${HEIGHT / 2}></line>`}
    ${isNumber(beside) ? svg`<line class="beside" x1=${at(beside)} x2=${at(beside)} y1="2" y2=${HEIGHT - 2}></line>` : nothing}
    ${hasEnds ? svg`<line class="ends" x1=${at(mark.low)} x2=${at(mark.high)} y1=${HEIGHT / 2} y2=${HEIGHT / 2}></line>` : nothing}
    ${svg`<circle cx=${at(mark.mean)} cy=${HEIGHT / 2} r="4"></circle>`}
  </svg>`;
}
