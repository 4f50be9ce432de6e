// What several views are made of.

import { html, nothing, render } from "./vendor/lit-html/lit-html.js";
import { repeat } from "./vendor/lit-html/directives/repeat.js";
import { words } from "./words.js";

/** A title's English half, and the rest; of `The Glory // 더 글로리`. */
export function halves(title) {
  const [first, ...rest] = title.split(/\s+\/\/\s+/);
  return [first || title, rest.join(" // ")];
}

export const titled = (title) => {
  const [first, rest] = halves(title);
  return html`<span class="title">${first}</span>${rest ? html` <span class="native">${rest}</span>` : nothing}`;
};

/** The address of a part of the page; values that are empty are left out. */
export function to(view, ...rest) {
  const query = typeof rest.at(-1) === "object" ? rest.pop() : {};
  const given = Object.entries(query).filter(([, value]) => value);
  const path = [view, ...rest.map(encodeURIComponent)].join("/");
  return `#/${path}${given.length ? `?${new URLSearchParams(given)}` : ""}`;
}

export const notice = (text, kind = "") => html`<p class="notice ${kind}" role=${kind === "alarm" ? "alert" : nothing}>${text}</p>`;
export const loading = () => html`<p class="notice" aria-busy="true">${words.app.loading}</p>`;

/** A bar for a job that runs. */
export const progressBar = (job) => html`<div class="job">
  <progress max=${job.progress?.steps || 1} .value=${job.progress ? job.progress.step : 0} aria-label=${words.parts.progress(job)}></progress>
  <span>${words.parts.progress(job)}${job.progress?.note ? html` · ${job.progress.note}` : nothing}</span>
</div>`;

/** Asks before something is done that others will see; true where it was said. */
export function confirmed(title, text, yes) {
  return new Promise((answer) => {
    const dialog = document.createElement("dialog");
    const end = (said) => { dialog.close(); dialog.remove(); answer(said); };
    render(html`<form method="dialog" @submit=${(event) => { event.preventDefault(); end(true); }}>
      <h2>${title}</h2>
      <p>${text}</p>
      <p class="row">
        <button type="submit" class="strong">${yes}</button>
        <button type="button" @click=${() => end(false)}>${words.app.cancel}</button>
      </p>
    </form>`, dialog);
    dialog.setAttribute("aria-label", title);
    dialog.addEventListener("cancel", () => end(false));
    document.body.append(dialog);
    dialog.showModal();
  });
}

/**
 * <title-search .ask=${async (typed) => items} label="…" @chosen=${({ detail: item }) => …}>: a field with a list
 * below it, a combobox as WAI-ARIA describes it. Items are {item_id, title, about}.
 */
class TitleSearch extends HTMLElement {
  items = [];
  active = -1;
  open = false;
  typed = "";

  connectedCallback() { this.draw(); }

  get field() { return this.querySelector("input"); }

  draw() {
    const id = this.id || "titles", label = this.getAttribute("label") ?? words.parts.find;
    const isOpen = this.open && Boolean(this.typed.trim());
    render(html`<div class="search">
      <input id="${id}-field" type="search" placeholder=${label} aria-label=${label} autocomplete="off" spellcheck="false"
        role="combobox" aria-autocomplete="list" aria-expanded=${String(isOpen)} aria-controls="${id}-list"
        aria-activedescendant=${isOpen && this.active >= 0 ? `${id}-${this.active}` : nothing}
        @input=${() => this.look()} @focus=${() => { this.open = true; this.draw(); }}
        @blur=${() => { this.open = false; this.draw(); }} @keydown=${(event) => this.pressed(event)}>
      <ul id="${id}-list" role="listbox" aria-label=${label} ?hidden=${!isOpen}>
        ${repeat(this.items, (item) => item.item_id, (item, n) => html`<li id="${id}-${n}" role="option" aria-selected=${String(n === this.active)}
          @pointerdown=${(event) => { event.preventDefault(); this.take(n); }}>${titled(item.title)} <small>${item.about}</small></li>`)}
        ${this.items.length || !this.answered ? nothing : html`<li role="option" aria-disabled="true" aria-selected="false" class="nothing">${this.getAttribute("nothing") ?? words.parts.nothing}</li>`}
      </ul>
    </div>`, this);
  }

  async look() {
    this.typed = this.field.value;
    this.open = true;
    if (!this.typed.trim()) { this.items = []; this.answered = false; this.draw(); return; }
    const typed = this.typed;
    try {
      const items = await this.ask(typed);
      if (typed !== this.typed) return;
      this.items = items;
      this.answered = true;
      this.active = items.length ? 0 : -1;
      tell(words.parts.found(items.length));
    } catch (error) {
      if (error.name !== "AbortError") this.dispatchEvent(new CustomEvent("failed", { detail: error, bubbles: true }));
      return;
    }
    this.draw();
    this.show();
  }

  show() { this.querySelector("[aria-selected=true]")?.scrollIntoView({ block: "nearest" }); }

  pressed(event) {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step && this.items.length) {
      event.preventDefault();
      this.active = (this.active + step + this.items.length) % this.items.length;
      this.draw();
      this.show();
    } else if (event.key === "Enter" && this.active >= 0) {
      event.preventDefault();
      this.take(this.active);
    } else if (event.key === "Escape") {
      this.open = false;
      this.draw();
    }
  }

  take(n) {
    const item = this.items[n];
    this.typed = this.field.value = "";
    this.items = [];
    this.answered = false;
    this.active = -1;
    this.draw();
    this.dispatchEvent(new CustomEvent("chosen", { detail: item, bubbles: true }));
  }
}
customElements.define("title-search", TitleSearch);

/** Says something to who can't see what has changed. */
export function tell(text) { document.getElementById("told").textContent = text; }
