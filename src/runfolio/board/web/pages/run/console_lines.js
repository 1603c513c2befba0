// @ts-check
/**
 * Lines of a console. They are loaded in blocks when they come into view, and new lines are added while the run prints.
 */
import { signal } from "@preact/signals";

const BLOCK = 500;
const MOST_BLOCKS = 60;

/**
 * @typedef {object} Page
 * @property {number} rows number of rows in the console
 * @property {number} from row of the first line
 * @property {string[]} lines
 * @property {{attempt: number, started: number, row: number}[]} attempts rows that name an attempt
 * @property {{row: number, end: number} | null} error
 */

export class ConsoleLines {
  /** @param {(from: number, limit: number) => Promise<Page>} fetchPage */
  constructor(fetchPage) {
    this.fetchPage = fetchPage;
    /** Newest answer of the server, or null before the first answer. */
    this.page = signal(/** @type {Page | null} */ (null));
    /** @type {Map<number, string[]>} */
    this.blocks = new Map();
    /** @type {Set<number>} */
    this.asked = new Set();
  }

  get rows() {
    return this.page.peek()?.rows ?? 0;
  }

  /**
   * Load the missing lines from `first` to `last`.
   * @param {number} first
   * @param {number} last exclusive
   */
  async need(first, last) {
    const waits = [];
    for (let index = Math.floor(first / BLOCK); index * BLOCK < Math.min(last, this.rows); index += 1) waits.push(this.load(index));
    await Promise.all(waits);
  }

  /** @param {number} index */
  async load(index) {
    const known = this.blocks.get(index)?.length ?? 0;
    if (known >= Math.min(BLOCK, this.rows - index * BLOCK) || this.asked.has(index)) return;
    this.asked.add(index);
    try {
      this.take(await this.fetchPage(index * BLOCK + known, BLOCK - known));
    } finally {
      this.asked.delete(index);
    }
  }

  /** Add the lines of an answer. @param {Page} page */
  take(page) {
    if (page.rows < this.rows) this.blocks.clear();
    page.lines.forEach((line, offset) => {
      const row = page.from + offset;
      const index = Math.floor(row / BLOCK);
      const block = this.blocks.get(index) ?? [];
      if (row % BLOCK === block.length) block.push(line);
      this.blocks.set(index, block);
    });
    for (const index of [...this.blocks.keys()].slice(0, Math.max(0, this.blocks.size - MOST_BLOCKS))) this.blocks.delete(index);
    this.page.value = page;
  }

  /**
   * Return a line, or null if it is not loaded.
   * @param {number} row
   */
  line(row) {
    return this.blocks.get(Math.floor(row / BLOCK))?.[row % BLOCK] ?? null;
  }
}
