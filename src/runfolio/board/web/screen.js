// @ts-check
/** Facts about the screen that change what is shown. */
import { signal } from "@preact/signals";

/** True on a narrow page, such as a phone's. Style sheets use the same width. */
export const narrow = follow("(max-width: 760px)");

/** True if the person wants no motion. */
export const still = follow("(prefers-reduced-motion: reduce)");

/** @param {string} query */
function follow(query) {
  const list = matchMedia(query);
  const matches = signal(list.matches);
  list.addEventListener("change", () => (matches.value = list.matches));
  return matches;
}
