// A file of titles is dropped, read, corrected, trained and explored. All of it stands on the server: one may leave
// and come back to #/try/<id>.

import { html, nothing, render } from "./vendor/lit-html/lit-html.js";
import { ask, key } from "./api.js";
import { confirmed, loading, notice, progressBar, tell, to } from "./parts.js";
import { number, words } from "./words.js";

const told = words.try, EVERY_MS = 500;
const RUNS = ["reading", "waiting", "training"];

/** Sends a file; `progress(share)` is told how much of it has gone. Throws an Error with what was refused. */
function sent(file, progress) {
  return new Promise((done, failed) => {
    const request = new XMLHttpRequest(); // fetch can't tell how much has gone
    request.open("POST", new URL(`page/api/tries?${new URLSearchParams({ name: file.name.slice(-200) })}`, document.baseURI));
    request.setRequestHeader("Content-Type", "application/octet-stream");
    if (key.get()) request.setRequestHeader("X-API-Key", key.get());
    request.responseType = "json";
    request.upload.addEventListener("progress", (event) => progress(event.loaded / event.total));
    request.addEventListener("load", () => {
      if (request.status < 300) done(request.response);
      else failed(Object.assign(new Error(request.response?.error?.message ?? words.app.failed), { status: request.status }));
    });
    request.addEventListener("error", () => failed(Object.assign(new Error(words.app.unreachable), { status: 0 })));
    request.send(file);
  });
}

export async function open(root, route, app) {
  const state = { id: "", one: null, every: [], share: null, error: null, over: false, roles: {} };
  let timer = 0, closed = false;

  if (!app.may("admin")) {
    render(html`<h1>${told.title}</h1>${notice(words.app.needsAdmin)}`, root);
    return {};
  }
  if (!app.facts.can_make) {
    render(html`<h1>${told.title}</h1>${notice(words.app.needsWorkshop)}`, root);
    return {};
  }

  /** Asks how it stands, and again while something runs. */
  async function look() {
    clearTimeout(timer);
    try {
      if (state.id) {
        const before = state.one?.state;
        state.one = await ask(`/page/api/tries/${state.id}`);
        if (before && before !== state.one.state) tell(told.states[state.one.state]);
        state.error = null;
      } else state.every = (await ask("/page/api/tries")).tries;
    } catch (error) {
      if (error.status === 401) { app.fail(error); return; }
      state.error = error;
    }
    if (closed) return;
    draw();
    const runs = state.id ? RUNS.includes(state.one?.state) : state.every.some((each) => RUNS.includes(each.state));
    if (runs) timer = setTimeout(look, EVERY_MS);
  }

  async function doing(work) {
    try {
      await work();
      state.error = null;
    } catch (error) {
      if (error.status === 401) { app.fail(error); return; }
      state.error = error;
    }
    await look();
  }

  async function take(file) {
    if (!file || state.share !== null) return;
    state.share = 0;
    state.error = null;
    draw();
    try {
      const found = await sent(file, (share) => { state.share = share; draw(); });
      app.go(to("try", found.id));
    } catch (error) {
      if (error.status === 401) { app.fail(error); return; }
      state.error = error;
    } finally {
      state.share = null;
    }
    if (!closed) draw();
  }

  const post = (what, body) => doing(() => ask(`/page/api/tries/${state.id}/${what}`, { method: "POST", body }));

  async function drop(one) {
    if (!(await confirmed(told.dropTitle(one.name), told.dropText, told.drop_))) return;
    await doing(() => ask(`/page/api/tries/${one.id}`, { method: "DELETE" }));
    if (state.id) app.go(to("try"));
  }

  // --- all of them ----------------------------------------------------------------------------

  const dropZone = () => html`<div class="drop ${state.over ? "over" : ""}"
    @dragover=${(event) => { event.preventDefault(); if (!state.over) { state.over = true; draw(); } }}
    @dragleave=${(event) => { if (!event.currentTarget.contains(event.relatedTarget)) { state.over = false; draw(); } }}
    @drop=${(event) => { event.preventDefault(); state.over = false; take(event.dataTransfer.files[0]); }}>
    <label><b>${told.drop}</b>
      <input type="file" aria-label=${told.choose} accept=".csv,.tsv,.txt,.jsonl" ?disabled=${state.share !== null}
        @change=${(event) => { take(event.target.files[0]); event.target.value = ""; }}></label>
    <p class="dim">${told.limits}</p>
    ${state.share === null ? nothing : html`<progress max="1" .value=${state.share} aria-label=${told.sending(state.share)}></progress><p>${told.sending(state.share)}</p>`}
  </div>`;

  const earlier = () => html`<section><h2>${told.earlier}</h2>
    ${state.every.length ? html`<ul class="tries">${state.every.map((each) => html`<li>
      <a class="title" href=${to("try", each.id)}>${each.name}</a> <span class="chip ${each.state}">${told.states[each.state]}</span>
      <small>${told.size(each.size)} · ${new Date(1000 * each.at).toLocaleString("en")}</small>
      <button type="button" class="plain" aria-label=${told.dropLabel(each.name)} @click=${() => drop(each)}>${told.drop_}</button>
    </li>`)}</ul>` : html`<p class="dim">${told.none}</p>`}</section>`;

  // --- one of them ----------------------------------------------------------------------------

  function findings(report) {
    return Object.entries(told.findings).map(([kind, title]) => report[kind].length ? html`<h3>${title}</h3><ul class="findings">
      ${report[kind].map((each) => html`<li>${told.finding(each)} <small>${each.lines.length ? told.lines(each.lines, each.count > each.lines.length) : ""}
        ${each.examples.length ? each.examples.map((text) => html`<code>${text.length > 80 ? `${text.slice(0, 79)}…` : text}</code> `) : nothing}</small></li>`)}
    </ul>` : nothing);
  }

  function roles(one) {
    const { report } = one, isChanged = Object.keys(state.roles).length > 0;
    const chosen = (column) => state.roles[column.name] ?? column.role;
    const change = (column, role) => {
      if (role === column.role) delete state.roles[column.name];
      else state.roles[column.name] = role;
      draw();
    };
    return html`<section class="card">
      <h2>${told.found}</h2>
      <p>${told.rows(report.rows)}</p>
      <div class="scroll" tabindex="0" role="group" aria-label=${told.found}><table>
        <tr><th scope="col">${told.column}</th><th scope="col">${told.role}</th><th scope="col">${told.as}</th><th scope="col">${told.example}</th></tr>
        ${report.columns.map((column) => html`<tr><th scope="row">${column.name}</th>
          <td><select aria-label="${told.role}: ${column.name}" ?disabled=${RUNS.includes(one.state)} .value=${chosen(column)} @change=${(event) => change(column, event.target.value)}>
            ${one.roles.map((role) => html`<option value=${role} ?selected=${role === chosen(column)}>${told.roles[role]}</option>`)}</select></td>
          <td class="dim">${told.how(column)}</td><td class="example">${report.samples[column.name] ?? ""}</td></tr>`)}
      </table></div>
      ${findings(report)}
      ${report.notes.map((note) => html`<p class="dim">${note}</p>`)}
      ${isChanged ? html`${notice(told.changed)}<p><button type="button" class="strong" @click=${() => {
        const columns = { ...one.columns, ...state.roles };
        state.roles = {};
        post("read", columns);
      }}>${told.readAgain}</button></p>` : nothing}
    </section>`;
  }

  function exam(result) {
    const { evaluation } = result;
    if (!evaluation) return html`<p class="dim">${told.noExam}</p>`;
    const lines = evaluation.lines.filter((line) => line.marks.ndcg);
    return html`<p class="dim">${evaluation.split}</p><table><caption class="unseen">${told.metric}</caption>
      <tr><th scope="col"></th><th scope="col" class="figure">${told.metric}</th></tr>
      ${lines.map(({ name, is_baseline, marks: { ndcg } }) => html`<tr class=${is_baseline ? "" : "ours"}><th scope="row">${is_baseline ? name : told.model}</th>
        <td class="figure">${number(ndcg.mean, 4)} <small>${number(ndcg.low, 3)}–${number(ndcg.high, 3)}</small></td></tr>`)}</table>`;
  }

  function training(one) {
    const { job } = one, isChanged = Object.keys(state.roles).length > 0;
    if (!app.facts.can_train) return notice(told.noTraining, "unclear");
    if (one.state === "ready") return html`<section class="card ready"><h2>${told.ready}</h2>
      <p>${told.readyIn(one.result.data.items, job.ended - job.began)}</p>
      <p class="row"><a class="button strong" href=${to("explore", { model: one.model })}>${told.explore}</a>
        <a class="button" href=${to("person", { model: one.model })}>${told.list}</a></p>
      ${exam(one.result)}
      <p><button type="button" ?disabled=${isChanged} @click=${() => post("train")}>${told.again}</button></p></section>`;
    if (one.state === "waiting" || one.state === "training") return html`<section class="card"><h2>${told.training}</h2>
      ${progressBar(job)}
      <p class="row">${job.began ? html`<small>${told.took(Date.now() / 1000 - job.began)}</small>` : nothing}
        <button type="button" @click=${() => post("stop")}>${told.stop}</button></p></section>`;
    return html`<section class="card">${one.state === "failed" ? notice(job.message, "alarm") : nothing}
      <p class="row"><button type="button" class="strong" ?disabled=${isChanged} @click=${() => post("train")}>${told.train}</button> <small>${told.trainNote}</small></p></section>`;
  }

  function one() {
    const { one } = state;
    if (!one) return state.error ? nothing : loading();
    return html`<p class="row head"><b class="title">${one.name}</b> <span class="chip ${one.state}">${told.states[one.state]}</span> <small>${told.size(one.size)}</small>
        <button type="button" class="plain" @click=${() => drop(one)}>${told.drop_}</button></p>
      ${one.state === "reading" ? html`<p class="notice" aria-live="polite">${told.reading}</p>` : nothing}
      ${one.state === "unreadable" ? notice(one.job.message, "alarm") : nothing}
      ${one.report ? html`${training(one)}${roles(one)}` : nothing}`;
  }

  function draw() {
    render(html`<h1>${told.title}</h1>
      ${state.id ? html`<p><a href=${to("try")}>${told.other}</a></p>` : html`<p class="dim">${told.lead}</p>`}
      ${state.error ? notice(state.error.message, "alarm") : nothing}
      ${state.id ? one() : html`${app.facts.can_train ? nothing : notice(told.noTraining, "unclear")}${dropZone()}${earlier()}`}`, root);
  }

  async function update(next) {
    Object.assign(state, { id: next.rest[0] ?? "", one: null, error: null, roles: {} });
    draw();
    await look();
  }

  // A file that misses the field would be opened by the browser in place of the page.
  const missed = (event) => event.preventDefault();
  for (const kind of ["dragover", "drop"]) window.addEventListener(kind, missed);
  await update(route);
  return {
    update,
    close() {
      closed = true;
      clearTimeout(timer);
      for (const kind of ["dragover", "drop"]) window.removeEventListener(kind, missed);
    },
  };
}
