// What a rule costs in NDCG and what it brings, as it was measured while the model was trained; and where one is now.

import { html, nothing, svg } from "./vendor/lit-html/lit-html.js";
import { number, words } from "./words.js";

const say = words.tradeoff;
const GAIN = { freshness: "age_days", popularity: "coverage", "against popularity": "coverage" };
const W = 300, H = 170, LEFT = 44, RIGHT = 12, TOP = 12, BOTTOM = 34;
const WORST = 30;  // per cent of NDCG: what costs more, nobody wants

/** The curve that a knob moves on. */
export function curveOf(name, knobs) {
  if (name === "diversity") return knobs.method;
  if (name === "popularity") return knobs.strength < 0 ? "against popularity" : "popularity";
  return name;
}

const told = (gain, value) => number(value, gain === "age_days" ? 0 : 3);

/** Points {strength, lost, low, high, gained}, weakest first. */
function pointsOf(points, gain) {
  const whole = points[0].ndcg.mean || 1, share = (value) => (100 * (value ?? 0)) / whole;
  return points.filter((point) => point[gain] !== null).map((point) => ({
    strength: Math.abs(point.strength), lost: share(point.loss.mean), low: share(point.loss.low), high: share(point.loss.high), gained: point[gain],
  }));
}

/** Between the two measured points that a strength lies between. */
export function between(points, strength) {
  const after = points.findIndex((point) => point.strength >= strength);
  if (after <= 0) return points[after === 0 ? 0 : points.length - 1];
  const [a, b] = [points[after - 1], points[after]], at = (strength - a.strength) / (b.strength - a.strength);
  return { strength, lost: a.lost + at * (b.lost - a.lost), gained: a.gained + at * (b.gained - a.gained) };
}

/** The chart of the knob `name`, which stands at `knobs`. */
export function tradeoff(curves, name, knobs) {
  if (!curves) return html`<p class="dim tradeoff">${say.none}</p>`;
  if (!name) return html`<p class="dim tradeoff">${say.untouched}</p>`;
  const rule = curveOf(name, knobs), called = say.rules[rule] ?? rule, gain = GAIN[rule] ?? "diversity";
  const found = curves.curves[rule] && pointsOf(curves.curves[rule], gain);
  if (!found?.length) return html`<p class="dim tradeoff">${say.without(called)}</p>`;
  const now = between(found, Math.abs(knobs.strength));
  const inside = found.filter((point, n) => n < 2 || point.lost <= WORST);
  const drawn = [...inside, now];
  const span = (values) => { const low = Math.min(...values), high = Math.max(...values), pad = (high - low || Math.abs(high) || 1) * 0.08; return [low - pad, high + pad]; };
  const [x0, x1] = span(drawn.flatMap((point) => [point.lost, Math.max(point.low ?? point.lost, -WORST / 3), Math.min(point.high ?? point.lost, WORST * 1.3)]));
  const [y0, y1] = span(drawn.map((point) => point.gained));
  const x = (value) => LEFT + ((Math.min(Math.max(value, x0), x1) - x0) / (x1 - x0)) * (W - LEFT - RIGHT);
  const y = (value) => H - BOTTOM - ((value - y0) / (y1 - y0)) * (H - BOTTOM - TOP);
  const text = say.now(number(knobs.strength, 2), number(now.lost, 1), `${say.names[gain]} ${told(gain, now.gained)}`);
  const ticks = (low, high) => [0.1, 0.5, 0.9].map((at) => low + at * (high - low));
  return html`<figure class="tradeoff">
    <figcaption><b>${say.title}</b>: ${called}</figcaption>
    <svg viewBox="0 0 ${W} ${H}" role="img" aria-label="${say.label(called, say.names[gain])}. ${text}">
      <g class="axis">
        ${ticks(x0, x1).map((value) => svg`<text x=${x(value)} y=${H - BOTTOM + 13} text-anchor="middle">${number(value, 1)}</text>`)}
        ${ticks(y0, y1).map((value) => svg`<text x=${LEFT - 5} y=${y(value) + 3} text-anchor="end">${number(value, gain === "age_days" ? 0 : 2)}</text><line x1=${LEFT} x2=${W - RIGHT} y1=${y(value)} y2=${y(value)}></line>`)}
        <text x=${(LEFT + W - RIGHT) / 2} y=${H - 5} text-anchor="middle">${say.lost(curves.k)}</text>
      </g>
      ${inside.map((point) => svg`<line class="interval" x1=${x(point.low)} x2=${x(point.high)} y1=${y(point.gained)} y2=${y(point.gained)}></line>`)}
      <polyline points=${inside.map((point) => `${x(point.lost)},${y(point.gained)}`).join(" ")}></polyline>
      ${inside.map((point) => svg`<circle class="point" cx=${x(point.lost)} cy=${y(point.gained)} r="2.6"></circle>`)}
      <circle class="now" cx=${x(now.lost)} cy=${y(now.gained)} r="6"></circle>
      <text class="now" x=${x(now.lost) + (x(now.lost) > W / 2 ? -10 : 10)} y=${y(now.gained) - 8} text-anchor=${x(now.lost) > W / 2 ? "end" : "start"}>${say.today}</text>
    </svg>
    <p class="now">${text}</p>
    <details><summary>${say.table}</summary>
      <p class="dim">${say.measured(curves)}</p>
      <div class="scroll" tabindex="0" role="region" aria-label=${say.table}><table><thead><tr><th>${say.columns.strength}</th><th class="figure">${say.columns.lost}</th><th class="figure">${say.columns.interval}</th><th class="figure">${say.names[gain]}</th></tr></thead>
        <tbody>${found.map((point) => html`<tr><td>${number(point.strength, 1)}</td><td class="figure">${number(point.lost, 1)}</td>
          <td class="figure">${point.low === null ? nothing : `${number(point.low, 1)} – ${number(point.high, 1)}`}</td><td class="figure">${told(gain, point.gained)}</td></tr>`)}</tbody></table></div>
    </details>
  </figure>`;
}
