// @ts-check
/** State of the store and edits of runs, shared by all pages. */
import { computed } from "@preact/signals";
import { post, resource } from "./api.js";
import { recall, remember } from "./preferences.js";

const SAME_VISIT = 30 * 60;
const FIRST_VISIT = 24 * 60 * 60;
const GRAVE = ["crashed", "failed", "preempted", "interrupted", "finished"];

/** Answer of `/api/store`: experiments, running and ended runs, and problems. */
export const store = resource(() => "api/store");

/** True if the server accepts no changes. */
export const readOnly = computed(() => store.data.value?.read_only ?? true);

const visitStart = beginVisit();

/** Runs that ended since the last visit. Failed runs come first, then the most recent ones. */
export const endedSinceVisit = computed(() => {
  const ended = store.data.value?.ended ?? [];
  return ended
    .filter((/** @type {any} */ run) => run.ended > visitStart)
    .sort((/** @type {any} */ a, /** @type {any} */ b) => GRAVE.indexOf(a.state) - GRAVE.indexOf(b.state) || b.ended - a.ended);
});

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

/**
 * Return the time of the last visit. Only runs that ended later are listed as new. A reload within half an hour belongs
 * to the same visit.
 * @returns {number}
 */
function beginVisit() {
  const now = Date.now() / 1000;
  const { since, seen } = recall("visit", { since: now - FIRST_VISIT, seen: now }, { ofStore: true });
  const start = now - seen > SAME_VISIT ? seen : since;
  const save = () => remember("visit", { since: start, seen: Date.now() / 1000 }, { ofStore: true });
  save();
  addEventListener("visibilitychange", save);
  return start;
}
