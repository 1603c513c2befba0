// @ts-check
/**
 * Rows of the table. They are loaded page by page while the user scrolls. Only a limited number of pages stays in
 * memory.
 */
import { signal } from "@preact/signals";

/**
 * @typedef {Record<string, any> & {key: string, cells: Record<string, any>, spark: string | null}} Row
 *   Fields of a run or of a group; `cells` holds the values of the columns by name.
 * @typedef {{total: number, offset: number} & Record<string, any>} Reply
 */

const SIZE = 100;
const MOST_PAGES = 24;
const RETRY_DELAY = 2000;

export class Rows {
  /** @type {Map<number, {rows: Row[], age: number}>} */
  #pages = new Map();
  /** @type {Map<number, AbortController>} */
  #loading = new Map();
  #age = 0;

  /** @param {(offset: number, limit: number, abort: AbortSignal) => Promise<Reply>} load */
  constructor(load) {
    this.load = load;
    /** Changes with every page that arrives. */
    this.version = signal(0);
    this.total = signal(0);
  }

  /** Forget all rows, for example because the filter has changed. */
  clear() {
    this.#abort();
    this.#pages.clear();
  }

  /**
   * Store the first page. Other pages stay on screen, and are loaded again when they are next needed.
   * @param {Reply} reply
   */
  start(reply) {
    this.#abort();
    this.#age += 1;
    this.#keep(0, reply);
  }

  /**
   * Load the pages of a range that are missing or out of date.
   * @param {number} first
   * @param {number} end
   */
  want(first, end) {
    const last = Math.min(end, this.total.peek()) - 1;
    for (let page = Math.floor(first / SIZE); page <= last / SIZE; page += 1) {
      const kept = this.#pages.get(page);
      if (kept?.age !== this.#age && !this.#loading.has(page)) this.#loadPage(page);
    }
    for (const [page, abort] of this.#loading) {
      // Pages that the user has scrolled past are not needed.
      if ((page + 1) * SIZE <= first - SIZE || page * SIZE >= end + SIZE) abort.abort();
    }
  }

  /**
   * Return a row, or null if it is not loaded.
   * @param {number} index
   * @returns {Row | null}
   */
  row(index) {
    return this.#pages.get(Math.floor(index / SIZE))?.rows[index % SIZE] ?? null;
  }

  /** Return the loaded rows in their order. */
  loaded() {
    return [...this.#pages].sort(([a], [b]) => a - b).flatMap(([, { rows }]) => rows);
  }

  /**
   * Return the rows of a range, and load missing rows.
   * @param {number} first
   * @param {number} end
   * @returns {Promise<Row[]>}
   */
  async range(first, end) {
    const last = Math.min(end, this.total.peek());
    const present = Array.from({ length: Math.max(0, last - first) }, (_, index) => this.row(first + index));
    if (present.every((row) => row !== null)) return /** @type {Row[]} */ (present);
    const rows = [];
    for (let offset = first; offset < last; offset += 500) {
      rows.push(...rowsOf(await this.load(offset, Math.min(500, last - offset), new AbortController().signal)));
    }
    return rows;
  }

  /** @param {number} page */
  async #loadPage(page) {
    const [abort, age] = [new AbortController(), this.#age];
    this.#loading.set(page, abort);
    try {
      const reply = await this.load(page * SIZE, SIZE, abort.signal);
      if (age === this.#age) this.#keep(page, reply);
    } catch {
      // After a failure, a new version makes the table request the visible pages again. A banner of the frame reports
      // that the server does not answer.
      if (!abort.signal.aborted) setTimeout(() => (this.version.value += 1), RETRY_DELAY);
    } finally {
      if (this.#loading.get(page) === abort) this.#loading.delete(page);
    }
  }

  /** @param {number} page @param {Reply} reply */
  #keep(page, reply) {
    // The newest page must be the last in the map.
    this.#pages.delete(page);
    this.#pages.set(page, { rows: rowsOf(reply), age: this.#age });
    for (const oldest of this.#pages.keys()) {
      if (this.#pages.size <= MOST_PAGES) break;
      if (oldest !== 0) this.#pages.delete(oldest);
    }
    this.total.value = reply.total;
    this.version.value += 1;
  }

  #abort() {
    for (const abort of this.#loading.values()) abort.abort();
    this.#loading.clear();
  }
}

/**
 * Return the rows in a reply of `/api/runs`, which are runs or groups.
 * @param {Reply} reply
 * @returns {Row[]}
 */
export function rowsOf(reply) {
  if (reply.groups) return reply.groups.map((/** @type {any} */ group) => groupRow(group));
  const fields = Object.entries(reply.fields);
  return reply.keys.map((/** @type {string} */ key, /** @type {number} */ index) => ({
    key,
    ...Object.fromEntries(fields.map(([name, values]) => [name, values[index]])),
    cells: Object.fromEntries(reply.columns.map((/** @type {any} */ { name }, /** @type {number} */ place) => [name, reply.values[place][index]])),
    spark: reply.sparks?.[index] ?? null,
  }));
}

/** @param {any} group @returns {Row} */
function groupRow(group) {
  return { ...group, key: `group:${group.label}`, members: group.keys, name: group.label, value: group.mean, cells: group.values, spark: null };
}
