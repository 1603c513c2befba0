// @ts-check
import { html } from "./html.js";

/**
 * Row of buttons that choose one of a few options, such as `table | split | charts`.
 * @param {{label: string, options: [value: string, text: string][], value: string, choose: (value: string) => void, class?: string}} properties
 */
export function Segmented({ label, options, value, choose, class: extra = "" }) {
  return html`<div class=${`segmented ${extra}`} role="group" aria-label=${label}>
    ${options.map(
      ([option, text]) =>
        html`<button type="button" aria-pressed=${option === value} onClick=${() => choose(option)} key=${option}>${text}</button>`,
    )}
  </div>`;
}
