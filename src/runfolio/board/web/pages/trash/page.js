// @ts-check
import { html } from "../../parts/html.js";

/** Page of the trash. */
export function Page() {
  return html`<h1>Trash</h1>`;
}
