"use strict";
// The page: data into a plane, a search, a legend and a panel. Text goes in as text only.

const data = JSON.parse(document.getElementById("data").textContent);
const by = (id) => document.getElementById(id);

/** Little-endian integers, as every machine with a browser has them. */
function unpacked(text, kind) {
  const raw = atob(text), bytes = new Uint8Array(raw.length);
  for (let i = 0; i < raw.length; i++) bytes[i] = raw.charCodeAt(i);
  return new kind(bytes.buffer);
}

const { titles, listed, count } = data, ids = data.ids ?? titles;
const neighbours = unpacked(data.neighbours, Int32Array), steps = unpacked(data.scores, Uint16Array);
const [lowest, highest] = data.scale;
const details = data.details.map((each) => ({ ...each, codes: unpacked(each.codes, Int32Array) }));
const colours = data.colours.map((each) => ({ ...each, codes: unpacked(each.codes, Uint8Array), hidden: new Set() }));
const plane = new Plane(by("points"), by("over"), unpacked(data.xy, Uint16Array), unpacked(data.sizes, Uint8Array));
const names = new Names(plane), dark = matchMedia("(prefers-color-scheme: dark)");
let colour = colours[data.colour], chosen = -1, pointed = -1;

const element = (name, text = "") => Object.assign(document.createElement(name), { textContent: text });
const rgb = (hex) => [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));
const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const english = (title) => title.split(/\s+\/\/\s+/)[0] || title;
const brief = (title) => english(title).length > 38 ? `${english(title).slice(0, 37).trimEnd()}…` : english(title);
const likes = (row) => Array.from(neighbours.subarray(row * listed, (row + 1) * listed)).filter((each) => each >= 0);
const score = (row, n) => lowest + (highest - lowest) * steps[row * listed + n] / 65535;

// --- colours ---------------------------------------------------------------------------------

function hues(of) {
  const mode = dark.matches ? "dark" : "light", grey = dark.matches ? ["#5b636c", "#454c54"] : ["#b3b9c0", "#d3d7db"];
  const steps = data.ramp[mode];
  return of.labels.map((_, group) => {
    if (group >= of.plain) return grey[group - of.plain];
    if (!of.ordered) return data.palette[mode][group % data.palette[mode].length];
    return steps[Math.round(group * (steps.length - 1) / Math.max(1, of.plain - 1))];
  });
}

let shades = hues(colour), ink = {};

function paintWith(next) {
  colour = next;
  shades = hues(colour);
  ink = { paper: css("--paper"), text: css("--ink"), dim: css("--dim") };
  plane.codes = colour.codes;
  plane.colours = shades.map(rgb);
  plane.paper = rgb(ink.paper);
  plane.hidden.fill(0);
  for (const group of colour.hidden) plane.hidden[group] = 1;
  plane.draw();
}

function legend() {
  by("entries").replaceChildren(...colour.labels.map((label, group) => {
    const button = element("button"), dot = element("i");
    button.type = "button";
    button.setAttribute("aria-pressed", String(!colour.hidden.has(group)));
    button.setAttribute("aria-keyshortcuts", "Shift+Enter");
    button.title = "Press to hide or show them, with Shift to choose them";
    dot.style.background = shades[group];
    button.append(dot, element("span", label), element("b", colour.counts[group].toLocaleString("en")));
    button.addEventListener("click", (event) => {
      if (lasso.on || event.shiftKey) { takeGroup(group); return; }
      colour.hidden.has(group) ? colour.hidden.delete(group) : colour.hidden.add(group);
      button.setAttribute("aria-pressed", String(!colour.hidden.has(group)));
      paintWith(colour);
    });
    const alone = (on) => () => { plane.alone = on && !colour.hidden.has(group) ? group : -1; plane.draw(); };
    button.addEventListener("pointerenter", (event) => { if (event.pointerType === "mouse") alone(true)(); });
    button.addEventListener("pointerleave", alone(false));
    const entry = element("li");
    entry.append(button);
    return entry;
  }));
  by("note").textContent = colour.note;
}

by("colour").replaceChildren(...colours.map((each, n) => Object.assign(element("option", each.name), { value: n })));
by("colour").value = data.colour;
by("colour").addEventListener("change", () => { paintWith(colours[by("colour").value]); legend(); panel(); });
dark.addEventListener("change", () => { paintWith(colour); legend(); panel(); });
function fold(open) { by("fold").setAttribute("aria-expanded", String(open)); by("groups").hidden = !open; }
by("fold").addEventListener("click", () => fold(by("groups").hidden));

// --- several items ---------------------------------------------------------------------------

const several = new Several(plane, titles, ids, {
  choose: (row) => { choose(row, true); by("title").focus({ preventScroll: true }); },
  letGo: () => { take([]); over.focus(); },
  told: (text) => { by("told").textContent = text; },
  shade: (row) => shades[colour.codes[row]],
  table: (rows) => [["item_id", "title", ...details.map((each) => each.name)],
    ...rows.map((row) => [ids[row], titles[row], ...details.map((each) => each.values[each.codes[row]])])],
});
const lasso = new Lasso(plane, by("over"), by("lasso"), (rows) => {
  take(rows);
  if (rows.length) { lasso.turn(false); by("several-title").focus({ preventScroll: true }); }
  else by("told").textContent = "Nothing lies inside.";
});

/** Chooses these, none to let go. */
function take(rows) {
  if (chosen >= 0) choose(-1);
  several.take(rows);
  panel();
  if (rows.length) uncover(...rows.slice(0, 10000)); // a call takes no more than so many
}

function takeGroup(group) {
  colour.hidden.delete(group);
  paintWith(colour);
  legend();
  lasso.turn(false);
  take(Array.from({ length: count }, (_, row) => row).filter((row) => colour.codes[row] === group));
  by("several-title").focus({ preventScroll: true });
}

// --- what is chosen --------------------------------------------------------------------------

const narrow = () => window.innerWidth <= 760, taking = () => chosen >= 0 || several.rows.length > 0;

function edges() {
  if (narrow()) return { left: 0, right: 0, top: 60, bottom: taking() ? 0.48 * window.innerHeight : 50 };
  return { left: window.innerWidth > 1000 ? 320 : 0, right: taking() ? 370 : 0, top: 8, bottom: 8 };
}

/** Chooses an item, -1 for none; `move` brings it and its neighbours into view. */
function choose(row, move = false) {
  chosen = row;
  plane.pale = row >= 0;
  panel();
  const hash = row >= 0 ? `#item=${encodeURIComponent(ids[row])}` : "";
  if (location.hash !== hash) history.replaceState(null, "", hash || location.pathname + location.search);
  if (row >= 0) {
    by("told").textContent = `${titles[row]} is chosen`;
    if (move) plane.fly(around(row));
    else uncover(row);
  }
  plane.draw();
}

/** A view of an item and of those it is like; those too far off are left out. */
function around(row) {
  const near = likes(row).filter((each) => each < count), free = edges();
  const apart = near.map((each) => Math.hypot(plane.x[each] - plane.x[row], plane.y[each] - plane.y[row])).sort((a, b) => a - b);
  const reach = Math.max(apart[Math.floor(apart.length * 0.6)] ?? 0.05, 0.001);
  const room = Math.min(plane.w - free.left - free.right, plane.h - free.top - free.bottom) / 2;
  const zoom = Math.max(1.5 * plane.base, Math.min(60 * plane.base, 0.75 * room / reach));
  return plane.seeing(plane.x[row], plane.y[row], zoom, free);
}

/** Moves as little as is needed for items not to lie under the panel. */
function uncover(...rows) {
  const xs = rows.map((row) => plane.screenX(row)), ys = rows.map((row) => plane.screenY(row)), free = edges();
  const view = { ...plane.view }, right = plane.w - (narrow() ? 0 : free.right) - 30, low = plane.h - (narrow() ? free.bottom : 0) - 30;
  // Of so many that they don't fit, the first ones stay in sight.
  const x = Math.min(Math.max(...xs) - right, Math.min(...xs) - free.left - 10);
  const y = Math.min(Math.max(...ys) - low, Math.min(...ys) - free.top - 10);
  if (x > 0) view.x += x / view.zoom;
  if (y > 0) view.y += y / view.zoom;
  if (view.x !== plane.view.x || view.y !== plane.view.y) plane.fly(view);
}

function panel() {
  by("panel").hidden = chosen < 0;
  by("several").hidden = chosen >= 0 || !several.rows.length;
  document.body.classList.toggle("chosen", chosen >= 0 || several.rows.length > 0);
  if (chosen < 0) return;
  if (by("more")) { // of a service, which tells more of each item
    const { page, query } = document.body.dataset;
    by("more").firstElementChild.href = `${page}${encodeURIComponent(ids[chosen])}${query}`;
  }
  const [first, ...rest] = titles[chosen].split(/\s+\/\/\s+/);
  by("title").textContent = first || titles[chosen];
  by("native").textContent = rest.join(" // ");
  by("native").hidden = !rest.length;
  const told = details.map((each) => [each.name, each.values[each.codes[chosen]]]).filter((pair) => pair[1]);
  if (data.ids) told.unshift(["id", ids[chosen]]);
  by("details").replaceChildren(...told.flatMap(([name, value]) => [element("dt", name), element("dd", value)]));
  by("neighbours").replaceChildren(...likes(chosen).map((row, n) => {
    const entry = element("li"), button = element("button"), dot = element("i");
    button.type = "button";
    dot.style.background = row < count ? shades[colour.codes[row]] : "transparent";
    button.append(dot, element("span", english(titles[row])), element("b", score(chosen, n).toFixed(2)));
    button.disabled = row >= count;
    button.title = button.disabled ? "not drawn on this map" : titles[row];
    button.addEventListener("click", () => { choose(row, true); by("title").focus({ preventScroll: true }); });
    const point = (at) => () => { pointed = at; plane.draw(); };
    button.addEventListener("pointerenter", point(row));
    button.addEventListener("pointerleave", point(-1));
    entry.append(button);
    return entry;
  }));
  by("panel").scrollTop = 0;
}

// --- what is written upon the points ---------------------------------------------------------

const REGION = "600 13px system-ui, sans-serif", TITLE = "12px system-ui, sans-serif", OWN = "700 14px system-ui, sans-serif";

function ring(pen, row, radius, stroke, width) {
  const x = plane.screenX(row), y = plane.screenY(row);
  pen.beginPath();
  pen.arc(x, y, radius, 0, 7);
  pen.fillStyle = shades[colour.codes[row]];
  pen.fill();
  pen.lineWidth = width;
  pen.strokeStyle = stroke;
  pen.stroke();
}

plane.onDraw = (pen) => {
  names.begin();
  lasso.paint(pen, ink);
  const paper = ink.paper, near = plane.near;
  if (chosen >= 0) {
    const like = likes(chosen).filter((row) => row < count), r = plane.radius(0);
    like.forEach((row, n) => {
      pen.globalAlpha = row === pointed ? 1 : 0.75 - 0.05 * n;
      pen.lineWidth = row === pointed ? 3 : 1.6;
      pen.strokeStyle = row === pointed ? ink.text : ink.dim;
      pen.beginPath();
      pen.moveTo(plane.screenX(chosen), plane.screenY(chosen));
      pen.lineTo(plane.screenX(row), plane.screenY(row));
      pen.stroke();
    });
    pen.globalAlpha = 1;
    for (const row of like) ring(pen, row, r * (row === pointed ? 1.7 : 1.25), paper, 1.5);
    ring(pen, chosen, r * 1.7, ink.text, 2.5);
    const style = (font, must) => ({ font, colour: ink.text, paper, must });
    const shift = r * 1.7 + 6;
    names.write(pen, brief(titles[chosen]), plane.screenX(chosen) + shift, plane.screenY(chosen), style(OWN, true));
    if (pointed >= 0 && pointed < count)
      names.write(pen, brief(titles[pointed]), plane.screenX(pointed) + shift, plane.screenY(pointed), style(OWN, true));
    for (const row of like)
      if (row !== pointed) names.write(pen, brief(titles[row]), plane.screenX(row) + shift, plane.screenY(row), style(TITLE, false));
    return;
  }
  if (near < 6)
    for (const region of data.regions)
      names.write(pen, region.name, plane.screenX(region.centre), plane.screenY(region.centre),
        { font: REGION, colour: ink.text, paper, middle: true });
  if (near < 1.8 && count > 400) return;
  let written = 0, most = Math.min(60, 8 * near);
  for (let row = 0; row < count && written < most; row++) {
    const x = plane.screenX(row), y = plane.screenY(row);
    if (x < 0 || y < 0 || x > plane.w || y > plane.h || plane.hidden[plane.codes[row]]) continue;
    if (plane.taken && !plane.taken[row]) continue;
    const place = { font: TITLE, colour: ink.text, paper };
    written += names.write(pen, brief(titles[row]), x + plane.radius(plane.sizes[row]) + 4, y, place);
  }
};

plane.onThinned = (shown) => {
  by("thinned").hidden = shown === count;
  by("thinned").textContent = `While it moves: the ${shown.toLocaleString("en")} best known of ${count.toLocaleString("en")}`;
};

// --- mouse, fingers, keys --------------------------------------------------------------------

const over = by("over"), fingers = new Map();
let moved = 0, apart = 0;

function hover(x, y) {
  const row = x < 0 ? -1 : plane.at(x, y), label = by("hover");
  over.classList.toggle("pointing", row >= 0);
  label.hidden = row < 0;
  if (row < 0) return;
  label.textContent = titles[row];
  label.style.left = `${Math.min(x + 14, plane.w - label.offsetWidth - 8)}px`;
  label.style.top = `${Math.min(y + 16, plane.h - label.offsetHeight - 8)}px`;
}

over.addEventListener("pointerdown", (event) => {
  cancelAnimationFrame(plane.flight);
  over.setPointerCapture(event.pointerId);
  fingers.set(event.pointerId, [event.clientX, event.clientY]);
  if (fingers.size === 1) moved = 0;
  hover(-1, -1);
});
over.addEventListener("pointermove", (event) => {
  const x = event.clientX, y = event.clientY, last = fingers.get(event.pointerId);
  if (!last) { if (event.pointerType === "mouse") hover(x, y); return; }
  fingers.set(event.pointerId, [x, y]);
  moved += Math.abs(x - last[0]) + Math.abs(y - last[1]);
  if (moved < 5) return;
  over.classList.add("dragged");
  if (fingers.size === 1) { plane.pan(x - last[0], y - last[1]); return; }
  const [a, b] = [...fingers.values()], distance = Math.hypot(a[0] - b[0], a[1] - b[1]);
  plane.pan((x - last[0]) / 2, (y - last[1]) / 2);
  if (apart > 0) plane.zoomBy(distance / apart, (a[0] + b[0]) / 2, (a[1] + b[1]) / 2);
  apart = distance;
});
for (const kind of ["pointerup", "pointercancel"])
  over.addEventListener(kind, (event) => {
    const was = fingers.delete(event.pointerId);
    apart = 0;
    if (fingers.size) return;
    over.classList.remove("dragged");
    if (was && kind === "pointerup" && moved < 5)
      choose(plane.at(event.clientX, event.clientY, event.pointerType === "mouse" ? REACH : 2 * REACH));
  });
over.addEventListener("pointerleave", () => hover(-1, -1));
over.addEventListener("wheel", (event) => {
  event.preventDefault();
  plane.zoomBy(Math.exp(-event.deltaY * (event.deltaMode ? 0.05 : 0.0016)), event.clientX, event.clientY);
}, { passive: false });
over.addEventListener("dblclick", (event) => plane.zoomBy(2, event.clientX, event.clientY));
const middle = () => { const free = edges(); return [(plane.w + free.left - free.right) / 2, (plane.h + free.top - free.bottom) / 2]; };
const KEYS = {
  ArrowLeft: () => plane.pan(80, 0), ArrowRight: () => plane.pan(-80, 0),
  ArrowUp: () => plane.pan(0, 80), ArrowDown: () => plane.pan(0, -80),
  "+": () => plane.zoomBy(1.4, ...middle()), "=": () => plane.zoomBy(1.4, ...middle()),
  "-": () => plane.zoomBy(1 / 1.4, ...middle()), 0: () => plane.fly(plane.whole(edges())),
  Home: () => plane.fly(plane.whole(edges())), Enter: () => choose(plane.at(...middle(), 200)),
};
over.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || !KEYS[event.key]) return;
  event.preventDefault();
  KEYS[event.key]();
});
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && event.target !== by("query")) {
    if (lasso.on) lasso.turn(false);
    else if (chosen >= 0) choose(-1);
    else take([]);
  } else if (event.key.toLowerCase() === "l" && !event.target.closest("input, select") && !event.ctrlKey && !event.metaKey && !event.altKey) {
    lasso.turn(!lasso.on);
  } else if (event.key === "/" && event.target !== by("query")) { event.preventDefault(); by("query").focus(); }
});
by("close").addEventListener("click", () => { choose(-1); (several.rows.length ? by("several-title") : over).focus(); });
by("closer").addEventListener("click", () => plane.zoomBy(1.5, ...middle()));
by("farther").addEventListener("click", () => plane.zoomBy(1 / 1.5, ...middle()));
by("whole").addEventListener("click", () => plane.fly(plane.whole(edges())));

const drawn = titles.slice(0, count);
new SearchBox(by("query"), by("results"), new Search(drawn), drawn, (row) => choose(row, true), (text) => { by("told").textContent = text; });

// --- the beginning ---------------------------------------------------------------------------

function frame() { plane.base = plane.whole(edges()).zoom; }

/** The item that the address names, `#item=…`. */
function linked(move) {
  const name = /^#item=(.*)$/.exec(location.hash);
  if (!name) return -1;
  let id;
  try { id = decodeURIComponent(name[1]); } catch { return -1; }
  const row = ids.indexOf(id);
  if (row >= 0 && row < count && row !== chosen) choose(row, move);
  return row;
}

window.addEventListener("resize", () => { plane.resize(); const was = chosen; chosen = -1; frame(); chosen = was; });
window.addEventListener("hashchange", () => linked(true));
frame();
plane.view = plane.whole(edges());
fold(!narrow());
paintWith(colour);
legend();
linked(true);
