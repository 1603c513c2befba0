// @ts-check
/** Colours of the theme for canvases, which cannot use CSS variables. */
import { computed } from "@preact/signals";
import { theme } from "../preferences.js";

const TOKENS = /** @type {const} */ (["line", "raised", "soft", "bad", "ink", "rule"]);

/** @typedef {Record<(typeof TOKENS)[number], string> & {theme: string}} Inks */

/**
 * Colours of the current theme.
 * @type {import("@preact/signals").ReadonlySignal<Inks>}
 */
export const inks = computed(() => {
  const probe = document.createElement("span");
  probe.hidden = true;
  document.body.append(probe);
  const name = theme.value;
  const entries = TOKENS.map((token) => {
    probe.style.color = `var(--${token})`;
    return [token, getComputedStyle(probe).color];
  });
  probe.remove();
  return /** @type {Inks} */ ({ ...Object.fromEntries(entries), theme: name });
});
