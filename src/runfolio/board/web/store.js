// @ts-check
/** State of the store and edits of runs, shared by all pages. */
import { computed, effect, signal, untracked } from "@preact/signals";
import { post, resource } from "./api.js";
import { recall, remember } from "./preferences.js";
import { view } from "./url.js";

const SAME_VISIT = 30 * 60;
const FIRST_VISIT = 24 * 60 * 60;
const GRAVE = ["crashed", "failed", "preempted", "interrupted", "finished"];

/** Answer of `/api/store`: experiments, running and ended runs, and problems. */
export const store = resource(() => "api/store");

/** True if the server accepts no changes. */
export const readOnly = computed(() => store.data.value?.read_only ?? true);

/**
 * Time since which ended runs are listed as new, and the times at which runs were opened or dismissed since then. A
 * reload within half an hour belongs to the same visit.
 */
const visit = signal(beginVisit());

effect(() => remember("visit", visit.value, { ofStore: true }));
addEventListener("visibilitychange", () => (visit.value = { ...visit.value, seen: Date.now() / 1000 }));
effect(() => {
  const run = view.run.value;
  untracked(() => dismiss([run]));
  // A run may end while its page is open, so remove it from the list again when the page is left.
  return () => dismiss([run]);
});

/** Runs that ended since the last visit and were not opened. Failed runs come first, then the most recent ones. */
export const endedSinceVisit = computed(() => {
  const ended = store.data.value?.ended ?? [];
  return ended
    .filter((/** @type {any} */ run) => run.ended > (visit.value.opened[run.key] ?? visit.value.since) && run.key !== view.run.value)
    .sort((/** @type {any} */ a, /** @type {any} */ b) => GRAVE.indexOf(a.state) - GRAVE.indexOf(b.state) || b.ended - a.ended);
});

/**
 * Remove runs from the list of ended runs.
 * @param {(string | null)[]} keys
 */
export function dismiss(keys) {
  const { opened, ...rest } = visit.peek();
  visit.value = { ...rest, opened: { ...opened, ...Object.fromEntries(keys.map((key) => [key, Date.now() / 1000])) } };
}

/**
 * Change names, notes, tags or the archive state of runs.
 * @param {string[]} runs keys
 * @param {{name?: string, notes?: string, add_tags?: string[], remove_tags?: string[], archived?: boolean}} set
 * @returns {Promise<{changed: number, undo: () => Promise<unknown>}>}
 */
export async function edit(runs, set) {
  const { changed, undo } = await post("api/edits", { runs, set });
  return { changed, undo: () => post("api/undo", { undo }) };
}

/** @returns {{since: number, seen: number, opened: Record<string, number>}} */
function beginVisit() {
  const now = Date.now() / 1000;
  const last = { since: now - FIRST_VISIT, seen: now, opened: {}, ...recall("visit", {}, { ofStore: true }) };
  return now - last.seen > SAME_VISIT ? { since: last.seen, seen: now, opened: {} } : { ...last, seen: now };
}
