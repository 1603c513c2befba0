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
    this.rows = signal(0);
    this.error = signal(/** @type {{row: number, end: number} | null} */ (null));
    this.attempts = signal(/** @type {Map<number, {attempt: number, started: number}>} */ (new Map()));
    this.loaded = signal(false);
    /** Increases each time lines arrive. */
    this.version = signal(0);
    /** @type {Map<number, string[]>} */
    this.blocks = new Map();
    /** @type {Set<number>} */
    this.asked = new Set();
  }

  /** Fetch the lines after the last known line. The first call fetches only the number of lines. */
  async poll() {
    const page = await this.fetchPage(this.rows.peek(), this.loaded.peek() ? BLOCK : 0);
    if (page.rows < this.rows.peek()) this.blocks.clear();
    this.take(page);
  }

  /**
   * Load the missing lines from `first` to `last`.
   * @param {number} first
   * @param {number} last exclusive
   */
  async need(first, last) {
    const waits = [];
    for (let index = Math.floor(first / BLOCK); index * BLOCK < Math.min(last, this.rows.peek()); index += 1) waits.push(this.load(index));
    await Promise.all(waits);
  }

  /** @param {number} index */
  async load(index) {
    const known = this.blocks.get(index)?.length ?? 0;
    const size = Math.min(BLOCK, this.rows.peek() - index * BLOCK);
    if (known >= size || this.asked.has(index)) return;
    this.asked.add(index);
    try {
      this.take(await this.fetchPage(index * BLOCK + known, BLOCK - known));
    } finally {
      this.asked.delete(index);
    }
  }

  /** @param {Page} page */
  take({ rows, from, lines, attempts, error }) {
    lines.forEach((line, offset) => {
      const index = Math.floor((from + offset) / BLOCK);
      const block = this.blocks.get(index) ?? [];
      if ((from + offset) % BLOCK === block.length) block.push(line);
      this.blocks.set(index, block);
    });
    for (const index of [...this.blocks.keys()].slice(0, Math.max(0, this.blocks.size - MOST_BLOCKS))) this.blocks.delete(index);
    this.rows.value = rows;
    this.error.value = error;
    this.attempts.value = new Map(attempts.map((attempt) => [attempt.row, attempt]));
    this.loaded.value = true;
    this.version.value += 1;
  }

  /**
   * Return a line, or null if it is not loaded.
   * @param {number} row
   */
  line(row) {
    return this.blocks.get(Math.floor(row / BLOCK))?.[row % BLOCK] ?? null;
  }
}
