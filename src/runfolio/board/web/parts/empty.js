// @ts-check
import { Copy } from "./copy.js";
import { html } from "./html.js";

/**
 * Message for an empty part of a page. The message says what would fill the part, with code or commands to
 * copy.
 * @param {{title: string, children?: any, code?: {text: string, label: string}[]}} properties
 */
export function Empty({ title, children, code = [] }) {
  return html`<div class="empty">
    <h2>${title}</h2>
    <div class="text soft">${children}</div>
    ${code.map(({ text, label }) => html`<${Copy} text=${text} label=${label} key=${label} />`)}
  </div>`;
}
