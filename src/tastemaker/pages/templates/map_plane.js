"use strict";
// The plane: points on one canvas, names, lines and rings on another above it. Knows places and colours, no titles
// but those it is asked to write.
//
// Points are written into the pixels by hand: where no graphics card helps, 20,000 calls of drawImage or arc take
// ten times as long (docs/decisions/0016-map.md).

const CELLS = 128, REACH = 12, CLOSEST = 400, OUTLYING = 0.006;
// Of the 33 ms that a frame may take for 30 of them a second, what drawing points may; and when the map rests.
const FRAME_MS = 20, RESTS_MS = 180, FEWEST = 2000;

class Plane {
  /** xy: Uint16Array of 2 n places; sizes: Uint8Array of n, 0 the largest. */
  constructor(points, over, xy, sizes) {
    this.points = points;
    this.over = over;
    this.count = sizes.length;
    this.sizes = sizes;
    this.x = new Float32Array(this.count);
    this.y = new Float32Array(this.count);
    let top = 0;
    for (let i = 0; i < this.count; i++) {
      this.x[i] = xy[2 * i] / 65535;
      top = Math.max(top, this.y[i] = xy[2 * i + 1] / 65535);
    }
    for (let i = 0; i < this.count; i++) this.y[i] = top - this.y[i]; // a screen counts downwards
    this.box = [this.middling(this.x), this.middling(this.y)];
    this.codes = new Uint8Array(this.count);
    this.colours = [[128, 128, 128]];
    this.hidden = new Uint8Array(256);
    this.paper = [255, 255, 255];
    this.alone = -1; // the only group that isn't pale
    this.pale = false;
    this.taken = null; // 1 of each item that isn't pale, where several are chosen
    this.view = { x: 0.5, y: 0.5, zoom: 500 };
    this.masks = new Map();
    this.asked = false;
    this.frames = 0;
    this.onDraw = () => {};
    this.frameMs = FRAME_MS;
    this.restsMs = RESTS_MS;
    this.took = 0;
    this.shown = this.count; // the best known so many; fewer while it moves, where all take too long
    this.onThinned = () => {};
    this.sort();
    this.resize();
  }

  /** Rows by cell of a coarse grid, so that looking for what is under a finger looks at a few. */
  sort() {
    const starts = new Uint32Array(CELLS * CELLS + 1), cell = new Uint32Array(this.count);
    for (let i = 0; i < this.count; i++) {
      cell[i] = this.cell(this.y[i]) * CELLS + this.cell(this.x[i]);
      starts[cell[i] + 1]++;
    }
    for (let c = 0; c < CELLS * CELLS; c++) starts[c + 1] += starts[c];
    this.starts = starts;
    this.sorted = new Uint32Array(this.count);
    const next = starts.slice();
    for (let i = 0; i < this.count; i++) this.sorted[next[cell[i]]++] = i;
  }

  /** Between what values nearly all lie: a few islands far out must not make the land small. */
  middling(values) {
    const sorted = Float32Array.from(values).sort(), last = sorted.length - 1, cut = Math.floor(last * OUTLYING);
    return [sorted[cut], Math.max(sorted[last - cut], sorted[cut] + 0.01)];
  }

  cell(at) { return Math.max(0, Math.min(CELLS - 1, Math.floor(at * CELLS))); }

  resize() {
    this.dpr = Math.min(window.devicePixelRatio || 1, 2);
    this.w = window.innerWidth;
    this.h = window.innerHeight;
    for (const canvas of [this.points, this.over]) {
      canvas.width = Math.round(this.w * this.dpr);
      canvas.height = Math.round(this.h * this.dpr);
    }
    this.ink = this.points.getContext("2d", { alpha: false });
    this.pen = this.over.getContext("2d");
    this.image = this.ink.createImageData(this.points.width, this.points.height);
    this.pixels = new Int32Array(this.image.data.buffer); // of numbers above 2³¹ a browser would make floats
    this.masks.clear();
    this.draw();
  }

  /** The whole map in the window less its edges, {left, right, top, bottom} in pixels. */
  whole(edges) {
    const w = Math.max(80, this.w - edges.left - edges.right), h = Math.max(80, this.h - edges.top - edges.bottom);
    const [[left, right], [top, bottom]] = this.box;
    const zoom = 0.9 * Math.min(w / (right - left), h / (bottom - top));
    return this.seeing((left + right) / 2, (top + bottom) / 2, zoom, edges);
  }

  /** A view that has a place in the middle of what the edges leave. */
  seeing(x, y, zoom, edges) {
    return { x: x - (edges.left - edges.right) / 2 / zoom, y: y - (edges.top - edges.bottom) / 2 / zoom, zoom };
  }

  screenX(i) { return (this.x[i] - this.view.x) * this.view.zoom + this.w / 2; }
  screenY(i) { return (this.y[i] - this.view.y) * this.view.zoom + this.h / 2; }

  pan(dx, dy) {
    this.view.x -= dx / this.view.zoom;
    this.view.y -= dy / this.view.zoom;
    this.view.x = Math.max(-0.3, Math.min(1.3, this.view.x));
    this.view.y = Math.max(-0.3, Math.min(1.3, this.view.y));
    this.moves();
    this.draw();
  }

  zoomBy(factor, sx, sy) {
    const zoom = Math.max(Math.min(this.w, this.h) / 3, Math.min(this.base * CLOSEST, this.view.zoom * factor));
    const dx = (sx - this.w / 2), dy = (sy - this.h / 2);
    this.view.x += dx / this.view.zoom - dx / zoom;
    this.view.y += dy / this.view.zoom - dy / zoom;
    this.view.zoom = zoom;
    this.moves();
    this.draw();
  }

  /** How much closer than the whole map. */
  get near() { return this.view.zoom / this.base; }

  /** Moves there, at once where people asked for little motion. */
  fly(view, then) {
    cancelAnimationFrame(this.flight);
    const from = { ...this.view }, began = performance.now();
    const quick = matchMedia("(prefers-reduced-motion: reduce)").matches;
    const step = (now) => {
      const t = quick ? 1 : Math.min(1, (now - began) / 450), e = 1 - (1 - t) ** 3;
      this.view.zoom = from.zoom * (view.zoom / from.zoom) ** e;
      this.view.x = from.x + (view.x - from.x) * e;
      this.view.y = from.y + (view.y - from.y) * e;
      this.moves();
      this.draw();
      if (t < 1) this.flight = requestAnimationFrame(step);
      else if (then) then();
    };
    step(began);
  }

  /** The item drawn nearest to a place on the screen, -1 where none is within reach. */
  at(sx, sy, reach = REACH) {
    const zoom = this.view.zoom, r = reach / zoom;
    const x = (sx - this.w / 2) / zoom + this.view.x, y = (sy - this.h / 2) / zoom + this.view.y;
    let found = -1, best = r * r;
    for (let row = this.cell(y - r); row <= this.cell(y + r); row++)
      for (let c = row * CELLS + this.cell(x - r), end = row * CELLS + this.cell(x + r); c <= end; c++)
        for (let p = this.starts[c]; p < this.starts[c + 1]; p++) {
          const i = this.sorted[p], dx = this.x[i] - x, dy = this.y[i] - y, d = dx * dx + dy * dy;
          // Of two in one place the better known, which is drawn above the other.
          if (!this.hidden[this.codes[i]] && (d < best || (d === best && i < found))) { best = d; found = i; }
        }
    return found;
  }

  /** The next frames belong to a movement: they come in time, if need be with fewer points. */
  moves() {
    clearTimeout(this.rest);
    this.isMoving = true;
    this.rest = setTimeout(() => {
      this.isMoving = false;
      if (this.shown === this.count) return;
      this.shown = this.count;
      this.onThinned(this.count);
      this.draw();
    }, this.restsMs);
  }

  /** Fewer points where the last frames of a movement took too long; one that was late for another reason is let pass. */
  thin(last) {
    const took = this.took += 0.25 * (last - this.took);
    if (!this.isMoving || took <= this.frameMs || this.shown <= FEWEST) return;
    this.shown = Math.max(FEWEST, Math.floor(this.shown * Math.max(0.5, 0.9 * this.frameMs / took)));
    this.took = 0;
    this.onThinned(this.shown);
  }

  draw() {
    if (this.asked) return;
    this.asked = true;
    requestAnimationFrame(() => { this.asked = false; this.paint(); });
  }

  paint() {
    this.frames++;
    const began = performance.now();
    this.splat();
    this.thin(performance.now() - began);
    this.pen.setTransform(this.dpr, 0, 0, this.dpr, 0, 0);
    this.pen.clearRect(0, 0, this.w, this.h);
    this.onDraw(this.pen);
  }

  radius(size) {
    const grown = Math.min(2.2, Math.max(1, (this.near || 1) ** 0.33));
    return [3.6, 2.7, 2.0, 1.55][size] * grown * (this.count > 8000 ? 1 : this.count > 2500 ? 1.3 : 1.9);
  }

  splat() {
    const { pixels, codes, hidden, sizes, x, y, dpr } = this; // read once: 20,000 look-ups are a millisecond
    const w = this.points.width, h = this.points.height, zoom = this.view.zoom * dpr;
    const left = this.view.x * zoom - w / 2, top = this.view.y * zoom - h / 2;
    const [pr, pg, pb] = this.paper;
    pixels.fill(255 << 24 | pb << 16 | pg << 8 | pr);
    const mixed = (c, a) => [0, 1, 2].map((part) => Math.round(this.paper[part] + (c[part] - this.paper[part]) * a));
    const { taken, colours } = this, bright = colours.map((c) => mixed(c, this.pale ? 0.6 : 1));
    const flat = colours.map((c, g) =>
      mixed(c, this.alone >= 0 ? (g === this.alone ? 1 : 0.1) : taken ? 0.16 : this.pale ? 0.3 : 0.88));
    const masks = [0, 1, 2, 3].map((size) => this.mask(this.radius(size) * dpr));
    for (let i = Math.min(this.shown, this.count) - 1; i >= 0; i--) { // the best known last, above the others
      const code = codes[i];
      if (hidden[code]) continue;
      const mask = masks[sizes[i]], half = mask.half;
      const cx = Math.round(x[i] * zoom - left), cy = Math.round(y[i] * zoom - top);
      if (cx < half || cy < half || cx >= w - half || cy >= h - half) continue;
      const colour = (taken !== null && taken[i] === 1 ? bright : flat)[code], r = colour[0], g = colour[1], b = colour[2], solid = 255 << 24 | b << 16 | g << 8 | r;
      const { full, rim, cover } = mask, at = cy * w + cx;
      for (let m = 0; m < full.length; m++) pixels[at + full[m]] = solid;
      for (let m = 0; m < rim.length; m++) {
        const under = pixels[at + rim[m]], a = cover[m], ur = under & 255, ug = under >> 8 & 255, ub = under >> 16 & 255;
        pixels[at + rim[m]] = 255 << 24 | (ub + ((b - ub) * a >> 8)) << 16 | (ug + ((g - ug) * a >> 8)) << 8
          | (ur + ((r - ur) * a >> 8));
      }
    }
    this.ink.putImageData(this.image, 0, 0);
  }

  /** Where a disc lies among the pixels: steps to those it fills, and to those of its rim with how much, 0 to 255. */
  mask(radius) {
    const key = Math.round(radius * 8);
    if (!this.masks.has(key)) {
      const r = key / 8, half = Math.ceil(r), full = [], rim = [], cover = [];
      for (let dy = -half; dy <= half; dy++)
        for (let dx = -half; dx <= half; dx++) {
          const part = Math.round(255 * Math.min(1, r + 0.5 - Math.hypot(dx, dy)));
          if (part > 0) (part === 255 ? full : rim).push(dy * this.points.width + dx);
          if (part > 0 && part < 255) cover.push(part);
        }
      this.masks.set(key, { half, full: Int32Array.from(full), rim: Int32Array.from(rim), cover: Int32Array.from(cover) });
    }
    return this.masks.get(key);
  }
}

/** Names upon the map, none over another. */
class Names {
  constructor(plane) { this.plane = plane; this.begin(); }

  begin() { this.boxes = []; }

  /** Whether there was room. What must be written is, and keeps others away. */
  write(pen, text, x, y, { font, colour, paper, middle = false, must = false }) {
    pen.font = font;
    const w = pen.measureText(text).width, left = middle ? x - w / 2 : x, box = [left - 4, y - 9, left + w + 4, y + 9];
    const taken = this.boxes.some((b) => b[0] < box[2] && box[0] < b[2] && b[1] < box[3] && box[1] < b[3]);
    if (taken && !must) return false;
    this.boxes.push(box);
    pen.textBaseline = "middle";
    pen.lineJoin = "round";
    pen.lineWidth = 4;
    pen.strokeStyle = paper;
    pen.fillStyle = colour;
    pen.strokeText(text, left, y);
    pen.fillText(text, left, y);
    return true;
  }
}
