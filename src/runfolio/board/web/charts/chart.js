// @ts-check
/** A chart of many lines. It fits its axes to the lines, draws them, and follows the shared x axis and its cursor. */
import { effect } from "@preact/signals";
import { dash, stroke } from "../colours.js";
import { drawBand, drawCounts } from "./band.js";
import { Frame } from "./frame.js";
import { listen, panned, zoomed } from "./gestures.js";
import { inks } from "./ink.js";
import { extent } from "./lines.js";
import { drawBroken, drawFork, drawResumes } from "./marks.js";
import { cancel, inNextFrame, onceStill } from "./schedule.js";
import { CROWDED, drawStrip, indexesInView, nearestStrip } from "./strip.js";
import { niceLimits } from "./ticks.js";

/**
 * @typedef {import("./lines.js").Line} Line
 * @typedef {import("./strip.js").View} View
 *
 * @typedef {object} Content
 * @property {string} name Name of the chart, unique among the charts that share its x axis.
 * @property {readonly Line[]} lines Lines from best to worst.
 * @property {(key: string) => number} colour Returns the colour index of a run or group, or -1 for grey.
 * @property {string} log
 * @property {readonly [number | null, number | null] | null} ylim Limits that the user typed. Null fits the axis to the
 *   lines.
 * @property {boolean} time True if the x axis is in seconds.
 * @property {boolean} whole True if the x axis has only whole numbers.
 * @property {(x: number) => string} xText
 *
 * @typedef {object} Place Position of the cursor.
 * @property {number} x
 * @property {number} left Distance from the left edge of the plot area, in CSS pixels.
 * @property {number} top
 *
 * @typedef {object} Events
 * @property {(place: Place | null, key: string | null) => void} hover Called with the position of the cursor and the
 *   key of the line under it.
 * @property {(x: number) => void} pin
 * @property {() => void} release
 * @property {(view: View) => void} drawn
 */

const WIDTH = 1.5;
const REACH = 28;
/** Width of the columns of pixels in which lines are simplified while the user zooms or pans. */
const COARSE = 2;
const COUNT_STRIP = 3;
const MOST_COUNT_STRIPS = 6;

export class Chart {
  /** @type {Content} */
  #content = { name: "", lines: [], colour: () => -1, log: "", ylim: null, time: false, whole: false, xText: String };
  /** @type {string | null} */
  #emphasised = null;
  /** @type {import("./x_axis.js").Range} */
  #fitted = null;
  #isWide = true;
  /** @type {Place | null} */
  #place = null;

  /**
   * @param {HTMLElement} host
   * @param {import("./x_axis.js").SharedAxis} axis
   * @param {Events} events
   * @param {{width: number, height: number}} size
   */
  constructor(host, axis, events, size) {
    this.axis = axis;
    this.events = events;
    this.frame = new Frame(
      host,
      {
        paint: (context, view) => this.#paint(context, view),
        emphasise: (context, view) => this.#paintEmphasis(context, view),
        under: (context, view, place) => this.#paintUnder(context, view, place),
        cursor: (place) => this.#cursorMoved(place),
        select: (from, to) => this.axis.zoom([from, to], { now: true }),
      },
      () => ({ grid: inks.value.line, soft: inks.value.soft }),
      size,
    );
    listen(this.frame.over, this.#moves());
    this.stops = [
      effect(() => this.#follow(this.axis.range.value)),
      effect(() => {
        this.#fitted = this.axis.settled.value;
        this.axis.extent.value;
        inks.value;
        inNextFrame(this.#refit);
      }),
      effect(() => {
        const cursor = this.axis.cursor.value;
        if (cursor?.source !== this) this.frame.setCursor(cursor ? cursor.x : null);
      }),
    ];
  }

  /** @param {Content} content */
  show(content) {
    this.#content = content;
    inNextFrame(this.#refit);
  }

  /** @param {string | null} key Run or group whose lines are drawn on top while the other lines are pale. */
  emphasise(key) {
    if (key === this.#emphasised) return;
    this.#emphasised = key;
    const isKnown = key !== null && this.#content.lines.some((line) => line.key === key);
    this.frame.lines.classList.toggle("is-pale", isKnown);
    this.frame.emphasise(key !== null);
  }

  destroy() {
    for (const stop of this.stops) stop();
    for (const draw of [this.#refit, this.#showRange, this.#widen]) cancel(draw);
    this.frame.destroy();
  }

  /** Fit both axes to the lines in view. */
  #refit = () => {
    const { name, lines, log, ylim, time, whole } = this.#content;
    const [logX, logY] = [log.includes("x"), log.includes("y")];
    const range = this.axis.range.peek();
    const { x, y } = extent(lines, { range: range ?? null, logX, logY });
    this.axis.include(name, /** @type {[number, number]} */ (x));
    const [low, high] = niceLimits(y[0], y[1], { log: logY });
    const limit = (/** @type {0 | 1} */ i) => (logY && (ylim?.[i] ?? 1) <= 0 ? null : ylim?.[i]);
    const [from, to] = this.#xLimits(range, logX, x[0]);
    const groups = this.#groupsWithCounts().length;
    this.frame.show(
      {
        x: { min: from, max: to, log: logX, time, whole },
        y: { min: limit(0) ?? low, max: limit(1) ?? high, log: logY },
      },
      groups ? 4 + COUNT_STRIP * groups : 0,
    );
  };

  /**
   * @param {import("./x_axis.js").Range} range
   * @param {boolean} log
   * @param {number} lowest Smallest x that a logarithmic axis can show.
   * @returns {[number, number]}
   */
  #xLimits(range, log, lowest) {
    const [from, to] = range ?? this.axis.extent.peek() ?? [0, 1];
    const low = log && from <= 0 ? lowest : from;
    return low < to ? [low, to] : niceLimits(low, low, { log });
  }

  /** Show the current range of x with the old y axis while the user zooms or pans. */
  #showRange = () => {
    const { x, y } = this.frame.axes;
    const [min, max] = this.#xLimits(this.axis.range.peek(), x.log, x.min);
    this.#isWide = false;
    this.frame.show({ x: { ...x, min, max }, y });
    this.#isWide = true;
    onceStill(this.#widen);
  };

  #widen = () => this.frame.repaint();

  /** @param {import("./x_axis.js").Range} range */
  #follow(range) {
    if (String(range) !== String(this.#fitted)) inNextFrame(this.#showRange);
  }

  #moves() {
    const whole = () => this.axis.extent.peek() ?? [0, 1];
    const move = (/** @type {[number, number]} */ next) => {
      const [low, high] = whole();
      this.axis.zoom(next[0] <= low && next[1] >= high ? null : [Math.max(next[0], low), Math.min(next[1], high)]);
    };
    return {
      zoom: (/** @type {number} */ factor, /** @type {number} */ share) => move(zoomed(this.frame.axes.x, factor, share)),
      pan: (/** @type {number} */ share) => {
        if (!this.axis.range.peek()) return false;
        const [from, to] = panned(this.frame.axes.x, share);
        const [low, high] = whole();
        if (from >= low && to <= high) this.axis.zoom([from, to]);
        return true;
      },
      inspect: (/** @type {number} */ share) => this.#inspect(share),
      click: (/** @type {number} */ share) => this.events.pin(this.frame.xAt(share * this.frame.over.clientWidth)),
      release: () => this.events.release(),
    };
  }

  /** @param {number} share */
  #inspect(share) {
    const left = share * this.frame.over.clientWidth;
    const place = { x: this.frame.xAt(left), left, top: this.frame.over.clientHeight / 2 };
    this.frame.setCursor(place.x);
    this.#cursorMoved(place);
  }

  /** @param {Place | null} place */
  #cursorMoved(place) {
    this.#place = place;
    this.axis.cursor.value = place ? { x: place.x, source: this } : null;
    this.events.hover(place, place ? this.#keyAt(place) : null);
  }

  /** @param {Place} place */
  #keyAt({ left, top }) {
    const { view } = this.frame;
    const { ratio } = view;
    return nearestStrip(this.#content.lines, view, left * ratio, top * ratio, REACH * ratio)?.strip.key ?? null;
  }

  /** @param {CanvasRenderingContext2D} context @param {View} view */
  #paint(context, view) {
    const { lines, colour } = this.#content;
    const { theme } = inks.value;
    const segments = lines.reduce((sum, line) => {
      const [first, last] = indexesInView(line, view.x.min, view.x.max);
      return sum + last - first;
    }, 0);
    const width = this.#isWide && segments <= CROWDED ? WIDTH : 0;
    const [grey, coloured] = [lines.filter((line) => colour(line.key) < 0), lines.filter((line) => colour(line.key) >= 0)];
    const draw = (/** @type {Line} */ line, /** @type {Partial<import("./strip.js").Ink>} */ ink) =>
      drawStrip(context, line, view, { ...this.#ink(line), width, column: this.#isWide ? 1 : COARSE, ...ink });
    for (const line of grey) draw(line, { width: 0, alpha: line.abandoned ? 0.3 : 0.7 });
    for (const line of coloured) if (line.abandoned) draw(line, { width: 0, alpha: 0.45 });
    for (const line of coloured) {
      if (line.raw && line.pale) drawStrip(context, { ...line, y: line.raw }, view, { ...this.#ink(line), width: 0, dash: [], alpha: 0.28 });
      if (line.low) drawBand(context, /** @type {any} */ (line), view, stroke(colour(line.key), theme));
    }
    for (const line of coloured.reverse()) if (!line.abandoned) draw(line, {});
    this.#paintMarks(context, view, coloured);
    this.events.drawn(view);
    // The cursor stays at its pixel while the axis or the values under it change.
    if (this.#place) this.#cursorMoved({ ...this.#place, x: this.frame.xAt(this.#place.left) });
  }

  /** @param {CanvasRenderingContext2D} context @param {View} view @param {Line[]} lines */
  #paintMarks(context, view, lines) {
    const { raised, bad } = inks.value;
    for (const line of lines) {
      const ink = this.#ink(line).stroke;
      drawResumes(context, line, line.resumes, view, ink);
      if (line.parent) drawFork(context, line, this.#parentOf(line), view, { stroke: ink, ground: raised });
    }
    const broken = this.#content.lines.filter((line) => !line.abandoned).flatMap((line) => line.broken);
    drawBroken(context, broken, view, bad, this.#content.xText);
  }

  /** @param {Line} line */
  #parentOf(line) {
    const isParent = (/** @type {Line} */ other) => other.run === line.parent && other.metric === line.metric && !other.abandoned;
    return this.#content.lines.find(isParent) ?? null;
  }

  /** @param {Line} line @returns {import("./strip.js").Ink} */
  #ink(line) {
    const index = this.#content.colour(line.key);
    return { stroke: stroke(index, inks.value.theme), width: WIDTH, dash: dash(line.split, index) };
  }

  /** @param {CanvasRenderingContext2D} context @param {View} view */
  #paintEmphasis(context, view) {
    if (this.#emphasised === null) return;
    for (const line of this.#content.lines) {
      if (line.key !== this.#emphasised || line.abandoned) continue;
      const ink = this.#ink(line);
      drawStrip(context, line, view, { ...ink, width: 2, stroke: this.#content.colour(line.key) < 0 ? inks.value.ink : ink.stroke });
    }
  }

  /** @param {CanvasRenderingContext2D} context @param {View} view @param {{left: number, top: number}} place */
  #paintUnder(context, view, place) {
    this.#groupsWithCounts().forEach((line, index) => {
      const height = (COUNT_STRIP - 1) * view.ratio;
      const top = place.top + (3 + index * COUNT_STRIP) * view.ratio;
      drawCounts(context, /** @type {any} */ (line), view, this.#ink(line).stroke, { left: place.left, top, height });
    });
  }

  /** Return one line for each group whose number of runs is drawn. */
  #groupsWithCounts() {
    const counted = this.#content.lines.filter((line) => line.count);
    return counted.filter(({ key }, i) => counted.findIndex((line) => line.key === key) === i).slice(0, MOST_COUNT_STRIPS);
  }
}
