// @ts-check
/** State that the parts of the experiment page share. */
import { computed, effect, signal } from "@preact/signals";
import { resource, withQuery } from "../../api.js";
import { COLOURS, assign } from "../../colours.js";
import { asked } from "../../table/columns.js";
import { view } from "../../url.js";

const FIRST_PAGE = 100;
/** Latest value of `drawn`, which is reused while its keys stay the same. @type {string[]} */
let lastDrawn = [];

/**
 * Return the path of a request for some rows of the table that the URL describes.
 * @param {number} offset
 * @param {number} limit
 * @param {Record<string, any>} [changes] parameters that differ from those in the URL
 */
export function runsPath(offset, limit, changes = {}) {
  return withQuery("api/runs", {
    experiment: view.experiment.value,
    where: view.where.value,
    sort: view.sort.value,
    group: view.group.value,
    metric: view.metric.value,
    archived: view.archived.value,
    columns: asked(view.columns.value),
    offset: offset || null,
    limit,
    ...changes,
  });
}

/**
 * First rows of the table, and the sentence above it. They are fetched again when runs change or when a run in these
 * rows records new points.
 */
export const runs = resource(() => (view.page.value === "experiment" ? runsPath(0, FIRST_PAGE) : null), {
  follow: ({ runs: changed, points }) => changed === null || changed.size > 0 || [...points].some((key) => runs.data.peek()?.keys?.includes(key)),
});

/**
 * Keys of the runs whose curves are drawn: the selected runs, and the runs that the URL names. If the URL names no runs
 * to draw, the best eight runs are drawn in their place.
 */
export const drawn = computed(() => {
  const keys = view.show.value.length ? view.show.value : (runs.data.value?.keys ?? []).slice(0, COLOURS);
  const next = /** @type {string[]} */ ([...new Set([...keys, ...view.only.value])]);
  if (next.join() !== lastDrawn.join()) lastDrawn = next;
  return lastDrawn;
});

/** Key of the run under the pointer, in the table or in a chart. */
export const hovered = signal(/** @type {string | null} */ (null));

/**
 * Value of x that is pinned in the charts, and the values of the drawn runs at this x.
 * @type {import("@preact/signals").Signal<{x: number, values: Map<string, Record<string, number>>} | null>}
 */
export const pinned = signal(null);

effect(() => assign(drawn.value));
