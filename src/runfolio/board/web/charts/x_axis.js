// @ts-check
/** The x axis of all charts with the same x. These charts share the extent, the zoom and the cursor. */
import { effect, signal } from "@preact/signals";

const SETTLE_MS = 180;

/** @typedef {[number, number] | null} Range */

export class SharedAxis {
  /** Visible range of x, also in the middle of a zoom or pan. Null shows everything. */
  range = signal(/** @type {Range} */ (null));
  /** Range of x after a zoom or pan has ended. The curves of this range are fetched in full detail. */
  settled = signal(/** @type {Range} */ (null));
  /** Position of the cursor, and the chart under it. */
  cursor = signal(/** @type {{x: number, source: object} | null} */ (null));
  /** Smallest and largest x of all charts. Every chart shows this extent, so positions along x agree. */
  extent = signal(/** @type {Range} */ (null));
  /** @type {Map<string, [number, number]>} */
  #extents = new Map();
  #timer = 0;

  /** @param {string} chart @param {[number, number]} extent */
  include(chart, extent) {
    if (extent[0] <= extent[1]) this.#extents.set(chart, extent);
    else this.#extents.delete(chart);
    const all = [...this.#extents.values()];
    const union = /** @type {Range} */ (all.length ? [Math.min(...all.map(([low]) => low)), Math.max(...all.map(([, high]) => high))] : null);
    if (String(union) !== String(this.extent.peek())) this.extent.value = union;
  }

  /** Forget the extents of all charts. Charts in sight add their extents again. */
  forget() {
    this.#extents.clear();
    this.extent.value = null;
  }

  /** @param {Range} range @param {{now?: boolean}} [options] `now` means that the zoom or pan has ended. */
  zoom(range, { now = false } = {}) {
    this.range.value = range;
    clearTimeout(this.#timer);
    if (now) this.settled.value = range;
    else this.#timer = window.setTimeout(() => (this.settled.value = range), SETTLE_MS);
  }

  /**
   * Keep the settled range (after a zoom or pan) equal to a range that is stored elsewhere, such as in the URL.
   * @param {() => Range} read Reads the stored range from signals.
   * @param {(range: Range) => void} write
   */
  bind(read, write) {
    const stopRead = effect(() => {
      const range = read();
      if (String(range) !== String(this.settled.peek())) this.zoom(range, { now: true });
    });
    let first = true;
    const stopWrite = effect(() => {
      const range = this.settled.value;
      if (!first) write(range);
      first = false;
    });
    return () => {
      stopRead();
      stopWrite();
      clearTimeout(this.#timer);
    };
  }
}

/** The shared axes of a page, by the name of x. */
export class SharedAxes {
  /** @type {Map<string, SharedAxis>} */
  #axes = new Map();

  /** @param {string} name */
  of(name) {
    const axis = this.#axes.get(name) ?? new SharedAxis();
    this.#axes.set(name, axis);
    return axis;
  }

  /** Forget the extents of all charts, because the charts will show other runs. */
  forget() {
    for (const axis of this.#axes.values()) axis.forget();
  }
}
