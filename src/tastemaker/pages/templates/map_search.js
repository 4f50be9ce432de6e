"use strict";
// Titles as people type them: without capitals, accents and signs, in any script, with a slip of the finger.

const SHOWN = 12;

/** `Pokémon: The Movie` → `pokemon the movie`, as `tastemaker.data.titles.normalised` has it. */
function normalised(text) {
  const plain = text.normalize("NFKC").toLowerCase().normalize("NFD").replace(/[\u0300-\u036f]/g, "").normalize("NFC");
  const words = plain.replace(/['’‘`´"]/g, "").replace(/&/g, " and ").replace(/[^\p{L}\p{M}\p{N}]+/gu, " ").trim();
  return words || plain.trim();
}

/** Fewest slips, up to `most`, that lead from `typed` to the beginning of a word of `title` or of what follows it. */
function slips(typed, title, most) {
  let best = most + 1;
  for (let start = 0; start >= 0 && start < title.length;) {
    const length = Math.min(title.length - start, typed.length + most);
    let row = new Uint16Array(length + 1), before = new Uint16Array(length + 1), earlier;
    for (let j = 0; j <= length; j++) row[j] = j;
    for (let i = 1; i <= typed.length; i++) {
      earlier = before; before = row; row = new Uint16Array(length + 1);
      row[0] = i;
      let least = i;
      for (let j = 1; j <= length; j++) {
        const same = typed[i - 1] === title[start + j - 1];
        let d = Math.min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (same ? 0 : 1));
        if (i > 1 && j > 1 && typed[i - 1] === title[start + j - 2] && typed[i - 2] === title[start + j - 1])
          d = Math.min(d, earlier[j - 2] + 1); // two letters that changed places
        row[j] = d;
        least = Math.min(least, d);
      }
      if (least >= best) break;
    }
    for (let j = Math.max(0, typed.length - most); j <= length; j++) if (row[j] < best) best = row[j];
    const next = title.indexOf(" ", start);
    start = next < 0 ? -1 : next + 1;
  }
  return best;
}

class Search {
  /** titles: the best known first; of equally good ones that comes first. */
  constructor(titles) { this.titles = titles; }

  get keys() { return this.made ??= this.titles.map(normalised); }

  find(typed) {
    const key = normalised(typed), found = [[], [], [], []];
    if (!key) return [];
    this.keys.forEach((title, i) => {
      const at = title.indexOf(key);
      if (at < 0) return;
      if (at === 0) found[title.length === key.length ? 0 : 1].push(i);
      else found[title[at - 1] === " " ? 2 : 3].push(i);
    });
    const some = found.flat().slice(0, SHOWN);
    if (some.length || key.length < 4) return some;
    const most = key.length < 8 ? 1 : 2, near = [];
    this.keys.forEach((title, i) => {
      const away = slips(key, title, most);
      if (away <= most) near.push([away, i]);
    });
    return near.sort((a, b) => a[0] - b[0] || a[1] - b[1]).slice(0, SHOWN).map((pair) => pair[1]);
  }
}

/** The field and the list below it: a combobox, as WAI-ARIA describes it. */
class SearchBox {
  constructor(field, list, search, titles, choose, tell) {
    Object.assign(this, { field, list, search, titles, choose, tell });
    this.rows = [];
    this.active = -1;
    field.addEventListener("input", () => this.look());
    field.addEventListener("focus", () => { if (field.value) this.look(); });
    field.addEventListener("blur", () => setTimeout(() => this.shut(), 150));
    field.addEventListener("keydown", (event) => this.pressed(event));
  }

  look() {
    this.rows = this.search.find(this.field.value);
    this.list.replaceChildren(...this.rows.map((row, n) => {
      const entry = document.createElement("li");
      entry.id = `result-${n}`;
      entry.setAttribute("role", "option");
      entry.textContent = this.titles[row];
      entry.addEventListener("pointerdown", (event) => { event.preventDefault(); this.take(n); });
      return entry;
    }));
    if (!this.rows.length && this.field.value.trim()) {
      const entry = document.createElement("li");
      entry.className = "nothing";
      entry.setAttribute("role", "option");
      entry.setAttribute("aria-disabled", "true");
      entry.textContent = "No title is like that.";
      this.list.append(entry);
    }
    this.list.hidden = !this.list.children.length;
    this.field.setAttribute("aria-expanded", String(!this.list.hidden));
    this.tell(this.list.hidden ? "" : `${this.rows.length} titles`);
    this.point(this.rows.length ? 0 : -1);
  }

  point(n) {
    this.active = n;
    [...this.list.children].forEach((entry, place) => entry.setAttribute("aria-selected", String(place === n)));
    if (n >= 0) {
      this.field.setAttribute("aria-activedescendant", `result-${n}`);
      this.list.children[n].scrollIntoView({ block: "nearest" });
    } else this.field.removeAttribute("aria-activedescendant");
  }

  pressed(event) {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step && this.rows.length) {
      event.preventDefault();
      this.point((this.active + step + this.rows.length) % this.rows.length);
    } else if (event.key === "Enter" && this.active >= 0) {
      event.preventDefault();
      this.take(this.active);
    } else if (event.key === "Escape") {
      this.shut();
    }
  }

  take(n) {
    const row = this.rows[n];
    this.field.value = this.titles[row];
    this.shut();
    this.choose(row);
  }

  shut() {
    this.list.hidden = true;
    this.field.setAttribute("aria-expanded", "false");
    this.point(-1);
  }
}
