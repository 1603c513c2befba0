// @ts-check
import { html } from "./html.js";

/**
 * Tag of a run, with a button to remove it if `remove` is given.
 * @param {{name: string, remove?: () => void}} properties
 */
export function Tag({ name, remove }) {
  return html`<span class="tag"
    ><span class="one-line" title=${name}>${name}</span>${remove &&
    html`<button type="button" class="tag-remove" aria-label=${`Remove tag ${name}`} onClick=${remove}>×</button>`}</span
  >`;
}
