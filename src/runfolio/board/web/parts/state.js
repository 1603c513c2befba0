// @ts-check
import { html } from "./html.js";

const KINDS = { running: "good", failed: "bad", crashed: "bad" };

/**
 * State of a run: a word, with a dot for states that need attention.
 * @param {{state: string}} properties
 */
export function State({ state }) {
  const kind = /** @type {Record<string, string>} */ (KINDS)[state] ?? "soft";
  return html`<span class=${`state ${kind}`}>${kind !== "soft" && html`<span class="dot" aria-hidden="true"></span>`}${state}</span>`;
}
