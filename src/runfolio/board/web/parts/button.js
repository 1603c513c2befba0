// @ts-check
import { html } from "./html.js";

/**
 * Button with a text. `acts` marks the main action of a page or dialog.
 * @param {{children?: any, acts?: boolean, danger?: boolean, quiet?: boolean, class?: string} & Record<string, any>} properties
 */
export function Button({ children, acts = false, danger = false, quiet = false, class: extra = "", ...rest }) {
  const kind = acts ? "acts" : danger ? "danger" : quiet ? "quiet" : "";
  return html`<button type="button" class=${`button ${kind} ${extra}`} ...${rest}>${children}</button>`;
}
