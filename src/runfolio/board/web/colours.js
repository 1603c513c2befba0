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
/** Indexes that have a colour and a dash pattern of their own. */
const INDEXES = Array.from({ length: PALETTE.light.length * DASHES.length }, (_, index) => index);
const KEPT = 2000;

/** Number of different colours. */
export const COLOURS = PALETTE.light.length;

/** Colour index of each run, by the key of the run. Every change creates a new map. */
export const assigned = signal(/** @type {Map<string, number>} */ (new Map(recall("colours", [], { ofStore: true }))));

/** Run of each colour index, for all runs that were drawn in the current view. @type {Map<number, string>} */
const owners = new Map();

/**
 * Give every run a colour index. A run keeps its index, even while it is not drawn. A new run gets an unused index, if
 * possible one whose colour no other run in `keys` has. If none of the runs is drawn in the current view, all indexes
 * become unused.
 * @param {string[]} keys best run first
 */
export function assign(keys) {
  const before = assigned.peek();
  const next = new Map(before);
  const indexOf = (/** @type {string} */ key) => next.get(key) ?? INDEXES.length;
  const owns = (/** @type {string} */ key) => owners.get(indexOf(key)) === key;
  if (!keys.some(owns)) owners.clear();
  for (const key of keys) {
    const index = indexOf(key);
    if (index < Math.max(COLOURS, keys.length) && !owners.has(index)) owners.set(index, key);
  }
  for (const key of keys) {
    if (owns(key)) continue;
    const used = keys.filter(owns).map(indexOf);
    const free = INDEXES.filter((index) => !owners.has(index));
    const isNew = (/** @type {number} */ index) => used.every((other) => (index - other) % COLOURS);
    const index = free.find(isNew) ?? free[0] ?? INDEXES.find((each) => !used.includes(each)) ?? INDEXES.length;
    owners.set(index, key);
    next.set(key, index);
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
  return index >= 0 && index < INDEXES.length;
}
