// @ts-check
/**
 * Colours of runs. Each run has a colour index, which is the same on every page and in both themes.
 *
 * The eight colours differ by at least 9.4 (OKLab x 100) under normal and colour-blind vision. From the ninth run on,
 * the colours repeat with dashed lines. After 32 runs, all other runs are grey.
 */
import { signal } from "@preact/signals";
import { recall, remember } from "./preferences.js";

const PALETTE = {
  light: ["#285BBE", "#A43C58", "#008C96", "#906C00", "#BD6AD6", "#839B67", "#733022", "#443E79"],
  dark: ["#94B9FD", "#CE5D79", "#71E5F0", "#A17909", "#B688C4", "#7FB12E", "#FDA593", "#7B6CDC"],
};
const OTHERS = { light: "#B4BBC3", dark: "#4C5561" };
const DASHES = [[], [6, 3], [2, 2], [6, 3, 2, 3]];
const SPLIT_DASHES = { val: 0, train: 1, test: 2 };
const KEPT = 2000;

/** Number of different colours. */
export const COLOURS = PALETTE.light.length;

/** Colour index of each run, by the key of the run. Every change creates a new map. */
export const assigned = signal(/** @type {Map<string, number>} */ (new Map(recall("colours", [], { ofStore: true }))));

/**
 * Give every run a colour index. A run keeps its index if possible, and other runs get the lowest free index.
 * @param {string[]} keys best run first
 */
export function assign(keys) {
  const before = assigned.peek();
  const used = new Set();
  const next = new Map(before);
  for (const key of keys) {
    const index = before.get(key);
    if (index !== undefined && index < Math.max(COLOURS, keys.length) && !used.has(index)) used.add(index);
    else next.delete(key);
  }
  let free = 0;
  for (const key of keys) {
    if (next.has(key)) continue;
    while (used.has(free)) free += 1;
    used.add(free);
    next.set(key, free);
  }
  if (keys.every((key) => before.get(key) === next.get(key))) return;
  assigned.value = next;
  remember("colours", [...next].slice(-KEPT), { ofStore: true });
}

/**
 * Return the colour index of a run, or -1 for grey if it has none.
 * @param {string} key
 */
export function colourIndex(key) {
  return assigned.value.get(key) ?? -1;
}

/**
 * Return the colour of a line.
 * @param {number} index
 * @param {"light" | "dark" | string} theme
 */
export function stroke(index, theme) {
  const name = theme === "dark" ? "dark" : "light";
  return hasColour(index) ? PALETTE[name][index % COLOURS] : OTHERS[name];
}

/**
 * Return the dash pattern of a line. Training and test lines have the pattern of their split. The pattern of other
 * lines depends on their colour index.
 * @param {string | null} split "train", "val" or "test"
 * @param {number} index
 * @returns {number[]}
 */
export function dash(split, index) {
  const ofSplit = /** @type {Record<string, number>} */ (SPLIT_DASHES)[split ?? "val"] ?? 0;
  return DASHES[ofSplit || (hasColour(index) ? Math.floor(index / COLOURS) : 0)];
}

/**
 * Return the class name that sets `--run` to the colour of a run.
 * @param {number} index
 */
export function css(index) {
  return hasColour(index) ? `run-${index % COLOURS}` : "run-more";
}

/** @param {number} index */
function hasColour(index) {
  return index >= 0 && index < COLOURS * DASHES.length;
}
