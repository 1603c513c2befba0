// @ts-check
import { html } from "./html.js";

const TAIL = 8;

/**
 * Name on one line. If it does not fit, its middle is cut, since names of runs often differ only at the end.
 * @param {{text: string, title?: string}} properties
 */
export function Middle({ text, title = text }) {
  const characters = [...text];
  const cut = Math.max(0, characters.length - TAIL);
  if (cut < TAIL) return html`<span class="middle" title=${title}><span class="one-line">${text}</span></span>`;
  // Screen readers get the whole name, since they would read the two parts as two words.
  return html`<span class="middle" title=${title}
    ><span class="only-read">${text}</span><span class="one-line" aria-hidden="true">${characters.slice(0, cut).join("")}</span
    ><span class="middle-tail" aria-hidden="true">${characters.slice(cut).join("")}</span></span
  >`;
}
