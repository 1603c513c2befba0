// @ts-check
/** Keyboard shortcuts. Components bind them while they are shown, and the help dialog lists them. */
import { signal } from "@preact/signals";
import { useLayoutEffect } from "preact/hooks";

const SEQUENCE_TIME = 1200;

/**
 * @typedef {{does: string, run: (event: KeyboardEvent) => void}} Shortcut
 * @typedef {{scope: string, keys: Record<string, Shortcut>, modal: boolean}} Binding
 */

/** All current bindings. If two bindings contain the same key, the later binding is used. */
export const bindings = signal(/** @type {Binding[]} */ ([]));

/**
 * Bind shortcuts. The returned function removes them again.
 * @param {string} scope heading in the list of shortcuts
 * @param {Record<string, Shortcut>} keys names as in `Ctrl-K`, `?`, `Enter`, `ArrowLeft`, or a sequence as in `g r`
 * @param {{modal?: boolean}} [options] `modal` disables all shortcuts that were bound before
 */
export function bind(scope, keys, { modal = false } = {}) {
  const binding = { scope, keys, modal };
  bindings.value = [...bindings.peek(), binding];
  return () => {
    bindings.value = bindings.peek().filter((other) => other !== binding);
  };
}

/**
 * Bind shortcuts while the component is shown.
 * @param {string} scope
 * @param {Record<string, Shortcut>} keys
 * @param {{modal?: boolean}} [options]
 * @param {unknown[]} [inputs] values other than signals that the shortcuts use
 */
export function useKeys(scope, keys, options, inputs = []) {
  // The keys are bound before the first paint, so they work as soon as the component is visible.
  useLayoutEffect(() => bind(scope, keys, options), inputs);
}

/** Listen to the keyboard. */
export function start() {
  addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.isComposing) return;
    const name = keyName(event);
    if (isModifier(event.key) || (inField(event) && !worksInFields(name)) || isOfControl(name, event)) return;
    const shortcut = lookUp(name, event.timeStamp);
    if (!shortcut) return;
    event.preventDefault();
    shortcut.run(event);
  });
}

/**
 * Return the name of an event's key, such as `a`, `?`, `Ctrl-K`, `Shift-ArrowDown` or `Del`.
 * @param {KeyboardEvent} event
 */
export function keyName(event) {
  const plain = event.key === "Delete" ? "Del" : event.key === " " ? "Space" : event.key;
  if (event.ctrlKey || event.metaKey) return `Ctrl-${plain.length === 1 ? plain.toUpperCase() : plain}`;
  if (event.altKey) return `Alt-${plain}`;
  return event.shiftKey && plain.length > 1 ? `Shift-${plain}` : plain;
}

let prefix = "";
let prefixTime = -Infinity;

/** @param {string} name @param {number} time @returns {Shortcut | null} */
function lookUp(name, time) {
  const sequence = time - prefixTime < SEQUENCE_TIME ? `${prefix} ${name}` : "";
  prefix = "";
  prefixTime = -Infinity;
  const active = activeBindings();
  const shortcut = find(active, sequence) ?? find(active, name);
  if (!shortcut && active.some(({ keys }) => Object.keys(keys).some((key) => key.startsWith(`${name} `)))) {
    prefix = name;
    prefixTime = time;
  }
  return shortcut;
}

/** Return the bindings that no modal binding disables, newest first. */
export function activeBindings() {
  const newestFirst = [...bindings.value].reverse();
  const modal = newestFirst.findIndex((binding) => binding.modal);
  return modal < 0 ? newestFirst : newestFirst.slice(0, modal + 1);
}

/** @param {Binding[]} active @param {string} name */
function find(active, name) {
  return active.find(({ keys }) => Object.hasOwn(keys, name))?.keys[name] ?? null;
}

/** @param {KeyboardEvent} event */
function inField(event) {
  const target = event.target;
  if (!(target instanceof HTMLElement)) return false;
  if (target.isContentEditable || target instanceof HTMLTextAreaElement || target instanceof HTMLSelectElement) return true;
  return target instanceof HTMLInputElement && !["checkbox", "radio", "range", "button"].includes(target.type);
}

/** Return true if the key presses the button or link that has the focus. @param {string} name @param {KeyboardEvent} event */
function isOfControl(name, event) {
  return (name === "Enter" || name === "Space") && event.target instanceof Element && event.target.closest("a, button, input, summary") !== null;
}

/** @param {string} name */
function worksInFields(name) {
  return name === "Escape" || (name.startsWith("Ctrl-") && !["Ctrl-Z", "Ctrl-A", "Ctrl-C", "Ctrl-V", "Ctrl-X"].includes(name));
}

/** @param {string} key */
function isModifier(key) {
  return ["Shift", "Control", "Alt", "Meta"].includes(key);
}
