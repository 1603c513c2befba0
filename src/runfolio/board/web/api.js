// @ts-check
/** Requests to the server. This is the only module that calls `fetch`. */
import { effect, signal } from "@preact/signals";
import { useEffect, useMemo } from "preact/hooks";
import { changed, points } from "./live.js";
import { root } from "./url.js";

const SPINNER_DELAY = 300;
const REFRESH_INTERVAL = 1000;
const RETRY_DELAY = 4000;

/** Error that the server describes by a message, a remedy and, for a filter, the position of the mistake. */
export class ApiError extends Error {
  /** @param {{what: string, remedy?: string | null, allowed?: string[], position?: number | null}} error @param {number} status */
  constructor({ what, remedy = null, allowed = [], position = null }, status) {
    super(what);
    this.what = what;
    this.remedy = remedy;
    this.allowed = allowed;
    this.position = position;
    this.status = status;
  }
}

/**
 * Return the absolute address of a path of the server, such as `api/runs`.
 * @param {string} path
 */
export function address(path) {
  return new URL(path.replace(/^\//, ""), root).href;
}

/**
 * Add query parameters to a path. Lists are joined by commas, and empty values are left out.
 * @param {string} path
 * @param {Record<string, any>} parameters
 */
export function withQuery(path, parameters) {
  const pairs = [];
  for (const [key, value] of Object.entries(parameters)) {
    if (value === null || value === undefined || value === "" || value === false) continue;
    if (Array.isArray(value) && value.length === 0) continue;
    const written = Array.isArray(value) ? value.map(encodeURIComponent).join(",") : encodeURIComponent(value === true ? 1 : value);
    pairs.push(`${key}=${written}`);
  }
  return pairs.length ? `${path}?${pairs.join("&")}` : path;
}

/**
 * Read JSON from the server.
 * @param {string} path
 * @param {{signal?: AbortSignal}} [options]
 * @returns {Promise<any>}
 */
export async function get(path, { signal } = {}) {
  return (await request(path, { signal })).json();
}

/**
 * Read text from the server.
 * @param {string} path
 * @returns {Promise<string>}
 */
export async function getText(path) {
  return (await request(path, {})).text();
}

/**
 * Read binary columns from the server: a JSON head, then float64 values.
 * @param {string} path
 * @param {{signal?: AbortSignal}} [options]
 * @returns {Promise<{head: any, data: Float64Array}>}
 */
export async function getBinary(path, { signal } = {}) {
  const buffer = await (await request(path, { signal })).arrayBuffer();
  const length = new DataView(buffer).getUint32(0, true);
  const head = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, length)));
  const begin = Math.ceil((4 + length) / 8) * 8;
  return { head, data: new Float64Array(buffer, begin, (buffer.byteLength - begin) >> 3) };
}

/**
 * Change something on the server.
 * @param {string} path
 * @param {unknown} body
 * @returns {Promise<any>}
 */
export async function post(path, body) {
  const headers = { "Content-Type": "application/json", "X-Runfolio": "1" };
  return (await request(path, { method: "POST", headers, body: JSON.stringify(body) })).json();
}

/**
 * @typedef {object} Resource
 * @property {import("@preact/signals").Signal<any>} data latest answer, kept until the next answer arrives
 * @property {import("@preact/signals").Signal<ApiError | null>} error error of the latest finished request, or null
 * @property {import("@preact/signals").Signal<boolean>} stale true if `data` belongs to an earlier path, or if the
 *   latest request failed
 * @property {import("@preact/signals").Signal<boolean>} loading true when a request takes longer than 300 ms
 * @property {() => void} refresh
 * @property {() => void} dispose
 */

/**
 * Fetch a path of the server, and fetch it again whenever the path or the store changes.
 * @param {() => string | null} path computes the path from signals, or returns null to fetch nothing
 * @param {{binary?: boolean, follow?: "runs" | "points" | null | ((event: {runs: Set<string> | null, points: Set<string>}) => boolean)}} [options]
 *   `follow` names the changes after which the path is fetched again: changes of runs, new points, or changes for which
 *   a function returns true. The field `runs` of the event is null if any run may have changed.
 * @returns {Resource}
 */
export function resource(path, { binary = false, follow = "runs" } = {}) {
  const data = signal(/** @type {any} */ (null));
  const error = signal(/** @type {ApiError | null} */ (null));
  const stale = signal(false);
  const loading = signal(false);
  let shown = /** @type {string | null} */ (null);
  let wanted = /** @type {string | null} */ (null);
  let abort = new AbortController();
  let timer = 0;
  let lastStart = -Infinity;

  async function load() {
    clearTimeout(timer);
    timer = 0;
    abort.abort();
    abort = new AbortController();
    const mine = abort.signal;
    const target = wanted;
    if (target === null) return;
    lastStart = performance.now();
    const spinner = setTimeout(() => (loading.value = true), SPINNER_DELAY);
    try {
      const answer = await (binary ? getBinary : get)(target, { signal: mine });
      if (mine.aborted) return;
      shown = target;
      data.value = answer;
      error.value = null;
      stale.value = false;
    } catch (failure) {
      if (mine.aborted) return;
      error.value = asApiError(failure);
      stale.value = data.peek() !== null;
      if ([0, 429, 503].includes(error.value.status)) timer = window.setTimeout(load, RETRY_DELAY);
    } finally {
      clearTimeout(spinner);
      if (!mine.aborted) loading.value = false;
    }
  }

  function refreshSoon() {
    if (timer || wanted === null) return;
    timer = window.setTimeout(load, Math.max(0, lastStart + REFRESH_INTERVAL - performance.now()));
  }

  const stopPath = effect(() => {
    const target = path();
    if (target === wanted) return;
    wanted = target;
    stale.value = shown !== null && target !== shown;
    if (target === null) {
      shown = null;
      data.value = null;
      error.value = null;
      stale.value = false;
    }
    load();
  });
  const stopLive = followLive(follow, () => data.peek()?.generation, refreshSoon);
  return {
    data,
    error,
    stale,
    loading,
    refresh: load,
    dispose() {
      stopPath();
      stopLive();
      clearTimeout(timer);
      abort.abort();
    },
  };
}

/**
 * Return a resource that is disposed when the component is removed.
 * @param {() => string | null} path
 * @param {Parameters<typeof resource>[1]} [options]
 * @param {unknown[]} [inputs] values other than signals on which the path depends
 */
export function useResource(path, options, inputs = []) {
  const value = useMemo(() => resource(path, options), inputs);
  useEffect(() => value.dispose, [value]);
  return value;
}

/** @param {any} follow @param {() => number | undefined} generation @param {() => void} refresh */
function followLive(follow, generation, refresh) {
  if (follow === null) return () => {};
  const none = new Set();
  const matters = typeof follow === "function" ? follow : (/** @type {any} */ event) => (follow === "points" ? event.points.size : event.runs !== none);
  let first = true;
  const stopRuns = effect(() => {
    const event = changed.value;
    if (!first && event.generation !== generation() && matters({ runs: event.runs, points: none })) refresh();
  });
  const stopPoints = effect(() => {
    const event = points.value;
    if (!first && matters({ runs: none, points: event })) refresh();
  });
  first = false;
  return () => {
    stopRuns();
    stopPoints();
  };
}

/** @param {string} path @param {RequestInit} options */
async function request(path, options) {
  const answer = await fetch(address(path), options);
  if (!answer.ok) throw new ApiError(await readError(answer), answer.status);
  return answer;
}

/** @param {Response} answer */
async function readError(answer) {
  const text = await answer.text();
  try {
    return JSON.parse(text).error;
  } catch {
    return { what: text || `The server answered ${answer.status}.` };
  }
}

/** @param {any} failure */
function asApiError(failure) {
  if (failure instanceof ApiError) return failure;
  return new ApiError({ what: "The board's server does not answer.", remedy: "Start `runfolio board` again to continue." }, 0);
}
