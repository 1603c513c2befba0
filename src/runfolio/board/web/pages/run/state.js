// @ts-check
/** State that the parts of the run page share. */
import { computed } from "@preact/signals";
import { address, resource, withQuery } from "../../api.js";
import { view } from "../../url.js";

const shown = () => (view.page.value === "run" ? view.run.value : null);

/** Answer of `/api/runs/KEY`. */
export const answer = resource(() => shown() && runPath(), { follow: runOrPointsChanged });

/** Run that the URL names, or null until the data of the run arrives. The data of the previous run is not shown. */
export const run = computed(() => (answer.data.value?.key === shown() ? answer.data.value : null));

/**
 * Return the path of a part of the run's record, such as `media`.
 * @param {string} [part]
 * @param {Record<string, any>} [parameters]
 */
export function runPath(part = "", parameters = {}) {
  return withQuery(`api/runs/${view.run.value}${part && `/${part}`}`, parameters);
}

/**
 * Return the address of a file of the run.
 * @param {string} sha
 * @param {Record<string, any>} [parameters]
 */
export function blobAddress(sha, parameters = {}) {
  return address(withQuery(`api/blobs/${view.run.value}/${sha}`, parameters));
}

/**
 * Return whether a change of the store may concern this run.
 * @param {{runs: Set<string> | null}} event
 */
export function runChanged({ runs }) {
  return runs === null || runs.has(view.run.peek());
}

/**
 * Return whether a change of the store may concern this run or its points.
 * @param {{runs: Set<string> | null, points: Set<string>}} event
 */
export function runOrPointsChanged(event) {
  return runChanged(event) || event.points.has(view.run.peek());
}
