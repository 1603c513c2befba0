// @ts-check
import { useId } from "preact/hooks";
import { html } from "./html.js";

/**
 * Text field with a label above it, and an error or hint below it.
 * @param {{label: string, hint?: any, error?: any, input?: (text: string) => void, labelHidden?: boolean, class?: string} & Record<string, any>} properties
 */
export function Field({ label, hint, error, input, labelHidden = false, class: extra = "", ...rest }) {
  const id = useId();
  const onInput = (/** @type {any} */ event) => input?.(event.currentTarget.value);
  return html`<div class=${`field ${extra}`}>
    <label for=${id} class=${labelHidden ? "only-read" : "small soft"}>${label}</label>
    <input id=${id} class="input" aria-invalid=${error ? "true" : undefined} aria-describedby=${`${id}-below`} autocomplete="off" spellcheck=${false} onInput=${onInput} ...${rest} />
    <div id=${`${id}-below`} class=${`small ${error ? "bad" : "soft"}`}>${error || hint}</div>
  </div>`;
}
