// Whether people do today what the model has learnt from: alarms, and the work that finds them.

import { html, nothing } from "./vendor/lit-html/lit-html.js";
import { ask, follow } from "./api.js";
import { notice, progressBar } from "./parts.js";
import { number, words } from "./words.js";

const told = words.operate.drift;

/** Part of the view: `shown()` draws it, `draw` is called when there is something new to draw. */
export function drift(app, draw) {
  const state = { job: null, report: null, error: null };
  const stopped = new AbortController();

  async function asked(method) {
    const found = await ask("/page/api/drift", { method });
    Object.assign(state, { job: found.job, report: found.report ?? null, error: null });
    return found.job ?? { state: "none" };
  }

  async function read(method = "GET") {
    try {
      await asked(method);
      if (state.job) await follow(() => asked("GET"), draw, stopped.signal);
    } catch (error) {
      if (error.name !== "AbortError") state.error = error;
    }
    if (!stopped.signal.aborted) draw();
  }

  function shown() {
    const { job, report, error } = state, runs = job && ["waiting", "running"].includes(job.state);
    return html`<section class="card drift">
      <h2>${told.title}</h2>
      <p class="dim">${told.lead}</p>
      ${error ? notice(error.message, "alarm") : nothing}
      ${job?.state === "failed" ? notice(job.message, "unclear") : nothing}
      ${runs ? progressBar(job) : nothing}
      ${report ? html`${notice(report.lead, report.verdict)}
        <div class="scroll" tabindex="0" role="group" aria-label=${told.title}><table>
          <tr>${told.head.map((head, n) => html`<th scope="col" class=${n ? "figure" : ""}>${head}</th>`)}</tr>
          ${report.alarms.map((each) => html`<tr class=${each.is_raised ? "alarm" : ""}><th scope="row">${each.name}</th>
            <td class="figure">${each.before}</td><td class="figure">${each.after}</td><td class="figure">${number(each.distance, 3)}</td>
            <td class="figure">${number(each.limit, 2)}</td><td class="figure">${number(each.adjusted, 3)}</td></tr>`)}
        </table></div>
        ${(report.notes ?? []).length ? html`<ul>${report.notes.map((note) => html`<li class="dim">${note}</li>`)}</ul>` : nothing}
        <p class="dim">${told.when(new Date(1000 * job.ended).toLocaleString("en"))}</p>` : nothing}
      ${app.may("admin") ? html`<p><button type="button" ?disabled=${runs || !app.facts.can_make} @click=${() => read("POST")}>${report ? told.again : told.go}</button></p>`
        : html`<p class="dim">${words.app.needsAdmin}</p>`}
      ${app.facts.can_make ? nothing : html`<p class="dim">${words.app.needsWorkshop}</p>`}
    </section>`;
  }

  return { read, shown, close: () => stopped.abort() };
}
