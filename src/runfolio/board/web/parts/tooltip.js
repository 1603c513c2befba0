// @ts-check
import { useId } from "preact/hooks";
import { html } from "./html.js";

/**
 * Text that appears when its content is hovered or focused. What it says must also be found without it.
 * @param {{text: any, children?: any}} properties
 */
export function Tooltip({ text, children }) {
  const id = useId();
  return html`<span class="tooltip" aria-describedby=${id}>${children}<span role="tooltip" id=${id} class="tooltip-text">${text}</span></span>`;
}
