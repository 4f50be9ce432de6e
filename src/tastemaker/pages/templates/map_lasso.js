"use strict";
// Several items at once: drawn around with a finger or a mouse, or a whole group of the legend; listed, copied, saved.

const LISTED = 300, CORNERS = 400, APART = 4;

/** Which points that are drawn lie inside a line of corners [x, y] of the plane, best known first. */
function inside(plane, corners) {
  const xs = corners.map((corner) => corner[0]), ys = corners.map((corner) => corner[1]);
  const left = Math.min(...xs), right = Math.max(...xs), top = Math.min(...ys), bottom = Math.max(...ys), found = [];
  for (let row = 0; row < plane.count; row++) {
    const x = plane.x[row], y = plane.y[row];
    if (x < left || x > right || y < top || y > bottom || plane.hidden[plane.codes[row]]) continue;
    let within = false;
    for (let i = 0, j = xs.length - 1; i < xs.length; j = i++)
      if ((ys[i] > y) !== (ys[j] > y) && x < (xs[j] - xs[i]) * (y - ys[i]) / (ys[j] - ys[i]) + xs[i]) within = !within;
    if (within) found.push(row);
  }
  return found;
}

/** Draws a line around points while it is on: `onTaken(rows)` hears what lies inside. */
class Lasso {
  constructor(plane, over, button, onTaken) {
    Object.assign(this, { plane, over, button, onTaken, on: false, corners: [], drawing: null });
    button.addEventListener("click", () => this.turn(!this.on));
    const heard = { pointerdown: "begin", pointermove: "draw", pointerup: "end", pointercancel: "drop" };
    for (const [kind, what] of Object.entries(heard))
      over.addEventListener(kind, (event) => {
        if (!this.on && this.drawing === null) return;
        event.stopImmediatePropagation(); // or the map would move along
        this[what](event);
      }, { capture: true });
  }

  turn(on) {
    this.on = on;
    this.drop();
    this.button.setAttribute("aria-pressed", String(on));
    this.over.classList.toggle("drawn-on", on);
    document.getElementById("hint").hidden = !on;
  }

  place(event) {
    const { view, w, h } = this.plane;
    return [(event.clientX - w / 2) / view.zoom + view.x, (event.clientY - h / 2) / view.zoom + view.y];
  }

  begin(event) {
    if (this.drawing !== null) return; // a second finger
    this.drawing = event.pointerId;
    this.over.setPointerCapture(event.pointerId);
    this.corners = [this.place(event)];
  }

  draw(event) {
    if (event.pointerId !== this.drawing) return;
    const [x, y] = this.place(event), last = this.corners.at(-1);
    if (Math.hypot(x - last[0], y - last[1]) * this.plane.view.zoom < APART) return;
    this.corners.push([x, y]);
    this.plane.draw();
  }

  end(event) {
    if (event.pointerId !== this.drawing) return;
    const corners = this.corners, step = Math.ceil(corners.length / CORNERS);
    this.drop();
    if (corners.length > 2) this.onTaken(inside(this.plane, corners.filter((_, n) => n % step === 0)));
  }

  drop() {
    this.drawing = null;
    this.corners = [];
    this.plane.draw();
  }

  /** In the colour of the text, with a rim of paper: it has to stand out from points of any colour. */
  paint(pen, { text, paper }) {
    if (this.corners.length < 2) return;
    const { view, w, h } = this.plane;
    pen.beginPath();
    for (const [x, y] of this.corners) pen.lineTo((x - view.x) * view.zoom + w / 2, (y - view.y) * view.zoom + h / 2);
    pen.closePath();
    pen.globalAlpha = 0.12;
    pen.fillStyle = text;
    pen.fill();
    pen.globalAlpha = 1;
    for (const [width, stroke] of [[5, paper], [2, text]]) {
      pen.lineWidth = width;
      pen.strokeStyle = stroke;
      pen.stroke();
    }
  }
}

/** The list of what is taken, best known first. */
class Several {
  /** choose(row), letGo() and told(text) are the page's; table(rows) gives lines of cells, the head first. */
  constructor(plane, titles, ids, { choose, letGo, told, table, shade }) {
    Object.assign(this, { plane, titles, ids, choose, told, table, shade });
    this.rows = [];
    const by = (id) => document.getElementById(id);
    this.parts = { panel: by("several"), title: by("several-title"), note: by("several-note"), list: by("several-items") };
    by("let-go").addEventListener("click", letGo);
    by("copy").addEventListener("click", () => this.copy());
    by("save").addEventListener("click", () => this.save());
  }

  take(rows) {
    this.rows = rows;
    this.plane.taken = rows.length ? new Uint8Array(this.plane.count) : null;
    for (const row of rows) this.plane.taken[row] = 1;
    const { title, note, list } = this.parts, shown = rows.slice(0, LISTED);
    const count = `${rows.length.toLocaleString("en")} ${rows.length === 1 ? "item" : "items"}`;
    title.textContent = `${count} chosen`;
    note.textContent = rows.length > LISTED
      ? `The ${LISTED} best known of them stand here; copying and saving takes all.` : "Best known first.";
    list.replaceChildren(...shown.map((row) => {
      const entry = document.createElement("li"), button = document.createElement("button");
      const dot = document.createElement("i"), text = document.createElement("span");
      button.type = "button";
      dot.style.background = this.shade(row);
      text.textContent = this.titles[row].split(/\s+\/\/\s+/)[0] || this.titles[row];
      button.title = this.titles[row];
      button.append(dot, text);
      button.addEventListener("click", () => this.choose(row));
      entry.append(button);
      return entry;
    }));
    this.parts.panel.scrollTop = 0;
    this.told(`${count} chosen`);
    this.plane.draw();
  }

  async copy() {
    const text = this.rows.map((row) => this.ids[row]).join("\n");
    try {
      await navigator.clipboard.writeText(text);
    } catch { // where a page isn't trusted with it, as over plain http
      const area = Object.assign(document.createElement("textarea"), { value: text });
      this.parts.panel.append(area);
      area.select();
      document.execCommand("copy");
      area.remove();
    }
    this.say(`${this.rows.length.toLocaleString("en")} ids copied.`);
  }

  save() {
    const lines = this.table(this.rows).map((cells) => cells.map(cell).join(","));
    const file = new Blob([`\ufeff${lines.join("\r\n")}\r\n`], { type: "text/csv;charset=utf-8" });
    const link = Object.assign(document.createElement("a"), { href: URL.createObjectURL(file), download: "items.csv" });
    document.body.append(link);
    link.click();
    link.remove();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
    this.say("Saved as items.csv.");
  }

  say(text) {
    this.parts.note.textContent = text;
    this.told(text);
  }
}

/** One cell of a CSV; what a spreadsheet would run as a formula is text there. */
function cell(value) {
  const text = /^[=+\-@\t\r]/.test(value) ? `'${value}` : String(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
