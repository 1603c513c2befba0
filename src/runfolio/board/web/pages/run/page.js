// @ts-check
import { html } from "../../parts/html.js";
import { view } from "../../url.js";

/** Page of one run. */
export function Page() {
  return html`<h1>${view.run.value}</h1>`;
}
