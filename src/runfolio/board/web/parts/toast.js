// @ts-check
import { signal } from "@preact/signals";
import { sentence } from "../format.js";
import { bind } from "../keys.js";
import { Button } from "./button.js";
import { html } from "./html.js";

const SHOWN_FOR = 10_000;

/** @typedef {{id: number, text: string, bad: boolean, undo: (() => Promise<unknown>) | null}} Toast */

const toasts = signal(/** @type {Toast[]} */ ([]));
/** @type {Toast[]} */
const undoable = [];
let lastId = 0;

/**
 * Show a message (toast) for ten seconds. With `undo`, the message has a button that undoes the change, like Ctrl-Z.
 * @param {string} text
 * @param {{undo?: () => Promise<unknown>, bad?: boolean}} [options]
 */
export function say(text, { undo, bad = false } = {}) {
  const toast = { id: (lastId += 1), text, bad, undo: undo ?? null };
  if (undo) undoable.push(toast);
  toasts.value = [...toasts.value.slice(-2), toast];
  setTimeout(() => hide(toast), SHOWN_FOR);
}

/**
 * Show an error and its remedy.
 * @param {{what?: string, remedy?: string | null, message?: string}} error
 */
export function sayError(error) {
  say([error.what ?? error.message, error.remedy].map((text) => sentence(text ?? "")).join(" ").trim(), { bad: true });
}

/** Toasts at the bottom of the page. This component is used once. */
export function Toasts() {
  return html`<div class="toasts" role="status" aria-live="polite">
    ${toasts.value.map(
      (toast) => html`<div class=${`toast ${toast.bad ? "bad" : ""}`} key=${toast.id}>
        <span>${toast.text}</span>
        ${toast.undo && html`<${Button} quiet onClick=${() => undo(toast)}>Undo</${Button}>`}
        <${Button} quiet aria-label="Dismiss" onClick=${() => hide(toast)}>×</${Button}>
      </div>`,
    )}
  </div>`;
}

/** Bind Ctrl-Z, which undoes the latest change that can be undone. */
export function start() {
  bind("Everywhere", { "Ctrl-Z": { does: "Undo the last change", run: () => undoable.length && undo(undoable[undoable.length - 1]) } });
}

/** @param {Toast} toast */
async function undo(toast) {
  const position = undoable.indexOf(toast);
  if (position < 0 || !toast.undo) return;
  undoable.splice(position, 1);
  hide(toast);
  try {
    await toast.undo();
    say(`Undone: ${toast.text}`);
  } catch (error) {
    sayError(/** @type {any} */ (error));
  }
}

/** @param {Toast} toast */
function hide(toast) {
  toasts.value = toasts.value.filter((other) => other !== toast);
}
