// The frame around the views: who looks, at which model, at what. Each view is a module of its own, fetched when it
// is first opened: `open(root, route, app)` draws into `root` and gives {update(route), close()}, both optional.

import { html, nothing, render } from "./vendor/lit-html/lit-html.js";
import { ask, key } from "./api.js";
import { loading, notice, tell, to } from "./parts.js";
import { words } from "./words.js";

const VIEWS = {
  explore: () => import("./explore.js"),
  person: () => import("./person.js"),
  models: () => import("./models.js"),
  operate: () => import("./operate.js"),
  try: () => import("./try.js"),
};
const FIRST = "explore";

const app = {
  facts: null,
  /** The model that is looked at, as every question names it; empty for the live one. */
  model: "",
  may: (role) => app.facts.role === "admin" || app.facts.role === role,
  go: (address) => { location.hash = address; },
  /** Tells of an error, and asks for a key again where that was it. */
  fail(error) {
    if (error.name === "AbortError") return;
    if (error.status === 401) { signIn(words.signIn.wrong); return; }
    if (error.status === undefined) console.error(error);
    const box = document.createElement("div");
    box.className = "toast";
    render(html`${notice(error.message || words.app.failed, "alarm")}
      <button type="button" aria-label=${words.app.close} @click=${() => box.remove()}>×</button>`, box);
    document.body.append(box);
    setTimeout(() => box.remove(), 12000);
  },
  /** Asks anew who looks and at what, after something has changed. */
  async refresh() {
    app.facts = await ask("/page/api/facts", { query: { model: app.model } });
    bar();
  },
};

let opened = { name: "", root: null, view: null };

/** `#/item/42?model=…` as {name, rest, query}. */
function route() {
  const [path, query = ""] = location.hash.replace(/^#\/?/, "").split("?");
  const [name, ...rest] = path.split("/").map((part) => { try { return decodeURIComponent(part); } catch { return part; } });
  return { name: name || FIRST, rest: rest.filter(Boolean), query: new URLSearchParams(query) };
}

function bar() {
  const { name } = route(), facts = app.facts;
  const link = (view) => html`<a href=${view === "map" ? `page/map.html${app.model ? `?model=${app.model}` : ""}` : to(view, { model: app.model })}
    aria-current=${view === name ? "page" : nothing}>${words.app.views[view]}</a>`;
  render(html`
    <a class="brand" href=${to(FIRST)}><img src="page/icon.svg" alt="" width="22" height="22">${words.app.name}</a>
    ${facts ? html`<nav aria-label=${words.app.nav}>${Object.keys(words.app.views).map(link)}</nav>
      <span class="model">${app.model ? html`<b class="chip">${words.app.looked}</b> <a href=${to(name)}>${words.app.back}</a>` : nothing}
        <code>${facts.model.name}</code> <small>${words.app.facts(facts.model)}</small></span>
      ${facts.has_keys ? html`<button type="button" class="plain" @click=${signOut}>${words.app.signOut}</button>` : nothing}` : nothing}`,
  document.getElementById("bar"));
}

function close() {
  opened.view?.close?.();
  opened = { name: "", root: null, view: null };
  document.getElementById("main").replaceChildren();
}

async function show() {
  const next = route(), model = next.query.get("model") ?? "";
  if (!app.facts || model !== app.model) {
    close();
    app.model = model;
    try { await app.refresh(); } catch (error) {
      if (error.status === 401 || error.status === 403) signIn(error.status === 403 && key.get() ? words.signIn.tooSmall : key.get() ? words.signIn.wrong : "");
      else fatal(error);
      return;
    }
  }
  bar();
  document.title = `${words.app.views[next.name] ?? words.app.name} · ${words.app.name}`;
  if (opened.name === next.name && opened.view?.update) { opened.view.update(next); return; }
  close();
  const root = document.createElement("div");
  root.className = `view ${next.name}`;
  document.getElementById("main").append(root);
  opened = { name: next.name, root, view: null };
  if (!VIEWS[next.name]) { render(notice(words.app.notFound, "alarm"), root); return; }
  render(loading(), root);
  try {
    const view = await (await VIEWS[next.name]()).open(root, next, app);
    if (opened.root === root) opened.view = view;
    else view?.close?.();
  } catch (error) {
    if (error.status === 401) app.fail(error);
    else if (opened.root === root) fatal(error);
  }
}

function fatal(error) {
  if (error.status === undefined) console.error(error);
  const main = document.getElementById("main");
  close();
  const root = document.createElement("div");
  root.className = "view";
  main.append(root);
  render(html`${notice(`${words.app.failed}: ${error.message}`, "alarm")}
    <p><button type="button" @click=${() => show()}>${words.app.again}</button></p>`, root);
}

function signIn(why = "") {
  key.set("");
  close();
  app.facts = null;
  bar();
  const root = document.createElement("div");
  root.className = "view sign-in";
  document.getElementById("main").append(root);
  const go = (event) => { event.preventDefault(); key.set(root.querySelector("input").value.trim()); show(); };
  render(html`<form class="card" @submit=${go}>
    <h1>${words.signIn.title}</h1>
    <p>${words.signIn.lead}</p>
    ${why ? notice(why, "alarm") : nothing}
    <label>${words.signIn.label}<input type="password" name="key" autocomplete="off" required></label>
    <p><button type="submit" class="strong">${words.signIn.go}</button></p>
    <p class="dim">${words.signIn.how} <code>tastemaker keys add --role admin --name you</code></p>
  </form>`, root);
  root.querySelector("input").focus();
  if (why) tell(why);
}

function signOut() { signIn(); }

document.querySelector(".skip").addEventListener("click", (event) => {
  event.preventDefault();
  document.getElementById("main").focus();
});
window.addEventListener("hashchange", show);
show();
