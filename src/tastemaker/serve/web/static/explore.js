import { html, render } from "./vendor/lit-html/lit-html.js";
import { words } from "./words.js";

export async function open(root) {
  render(html`<h1>${words.app.views.explore}</h1>`, root);
  return {};
}
