// @ts-check
/** Properties of the screen that affect the layout. */
import { signal } from "@preact/signals";

/** True on a narrow page, as on a phone. Style sheets use the same width. */
export const narrow = follow("(max-width: 760px)");

/** True if the user prefers no motion. */
export const still = follow("(prefers-reduced-motion: reduce)");

/** @param {string} query */
function follow(query) {
  const list = matchMedia(query);
  const matches = signal(list.matches);
  list.addEventListener("change", () => (matches.value = list.matches));
  return matches;
}
