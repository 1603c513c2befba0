// @ts-check
/** The frame of a chart. uPlot draws axes, cursor and selection. Lines are drawn on two canvases above the plot. */
import uPlot from "uplot";
import { projection } from "./strip.js";
import { tickTexts, ticks } from "./ticks.js";

/**
 * @typedef {object} Axis
 * @property {number} min
 * @property {number} max
 * @property {boolean} log
 * @property {boolean} [time] Values are seconds.
 * @property {boolean} [whole] Only whole numbers have ticks.
 *
 * @typedef {object} Handlers
 * @property {(context: CanvasRenderingContext2D, view: import("./strip.js").View) => void} paint Draws the lines.
 * @property {(context: CanvasRenderingContext2D, view: import("./strip.js").View) => void} emphasise Draws the
 *   emphasised lines on top.
 * @property {(context: CanvasRenderingContext2D, view: import("./strip.js").View, place: {left: number, top: number})
 *   => void} under Draws between the plot and the labels of the x axis.
 * @property {(place: {x: number, left: number, top: number} | null) => void} cursor
 * @property {(from: number, to: number) => void} select
 *
 * @typedef {{grid: string, soft: string}} Colours
 */

const FONT = "11px Inter, system-ui, sans-serif";
const LABEL_HEIGHT = 24;
const GAP = 6;
const NARROWEST_LABELS = 34;
/** Margin of the canvases around the plot, in CSS pixels. Points at the edge of the plot are then drawn whole. */
const EDGE = 4;

/** @param {string} name */
function addCanvas(name) {
  const canvas = document.createElement("canvas");
  canvas.className = name;
  canvas.setAttribute("aria-hidden", "true");
  return canvas;
}

/** @param {Axis} axis @param {number} value */
const forward = (axis, value) => (axis.log ? Math.log10(value) : value);

export class Frame {
  /** @type {import("./strip.js").View} */
  view = { width: 0, height: 0, ratio: 1, x: projection(0, 1, 0, 0, false), y: projection(0, 1, 0, 0, false) };
  #space = 0;
  hasEmphasis = false;
  /** @type {{x: Axis, y: Axis}} */
  axes = { x: { min: 0, max: 1, log: false }, y: { min: 0, max: 1, log: false } };

  /**
   * @param {HTMLElement} host
   * @param {Handlers} handlers
   * @param {() => Colours} colours
   * @param {{width: number, height: number}} size
   */
  constructor(host, handlers, colours, size) {
    this.handlers = handlers;
    this.lines = addCanvas("chart-lines");
    this.overlay = addCanvas("chart-overlay");
    this.plot = new uPlot(this.#options(colours, size), [[0, 1], [0, 1]], host);
    this.over = this.plot.over;
    this.over.prepend(this.lines, this.overlay);
    this.plot.redraw();
  }

  /** @param {() => Colours} colours @param {{width: number, height: number}} size @returns {import("uplot").Options} */
  #options(colours, size) {
    const { axes } = this;
    const label = { font: FONT, ticks: { show: false }, stroke: () => colours().soft };
    return {
      ...size,
      padding: [8, 16, 0, 0],
      legend: { show: false },
      series: [{}, { paths: () => null, points: { show: false } }],
      scales: {
        x: { time: false, range: () => [forward(this.axes.x, this.axes.x.min), forward(this.axes.x, this.axes.x.max)] },
        y: { range: () => [forward(this.axes.y, this.axes.y.min), forward(this.axes.y, this.axes.y.max)] },
      },
      axes: [
        {
          ...label,
          size: () => LABEL_HEIGHT + this.#space,
          gap: GAP,
          grid: { show: false },
          splits: (/** @type {any} */ plot) => this.#ticks("x", plot.bbox.width / devicePixelRatio / 70),
          values: () => this.#texts.x,
        },
        {
          ...label,
          size: (/** @type {any} */ plot, /** @type {string[] | null} */ texts) => this.#labelWidth(plot, texts),
          gap: 8,
          grid: { stroke: () => colours().grid, width: 1 },
          splits: (/** @type {any} */ plot) => this.#ticks("y", plot.bbox.height / devicePixelRatio / 34),
          values: () => this.#texts.y,
        },
      ],
      cursor: {
        y: false,
        points: { show: false },
        drag: { x: true, y: false, setScale: false, dist: 5 },
        bind: { dblclick: () => null },
      },
      hooks: {
        draw: [() => this.#draw()],
        setCursor: [() => this.#moved()],
        setSelect: [(/** @type {any} */ plot) => this.#selected(plot)],
      },
    };
  }

  /** @type {{x: string[], y: string[]}} */
  #texts = { x: [], y: [] };

  /** @param {"x" | "y"} name @param {number} parts */
  #ticks(name, parts) {
    const axis = this.axes[name];
    const found = ticks(axis.min, axis.max, { ...axis, parts: Math.max(2, Math.min(name === "y" ? 5 : 9, parts)) });
    this.#texts[name] = tickTexts(found.at, found.step, axis.time);
    return found.at.map((value) => forward(axis, value));
  }

  /** @param {any} plot @param {string[] | null} texts */
  #labelWidth(plot, texts) {
    const { ctx } = plot;
    ctx.save();
    ctx.font = FONT;
    const widths = (texts ?? []).map((text) => ctx.measureText(text).width);
    ctx.restore();
    // The width is a multiple of 8 pixels, so that growing labels rarely move the plot.
    return Math.max(NARROWEST_LABELS, Math.ceil((Math.max(0, ...widths) + 10) / 8) * 8);
  }

  /** @param {{x: Axis, y: Axis}} axes @param {number} [space] Free height under the plot, in CSS pixels. */
  show(axes, space = this.#space) {
    this.axes = axes;
    this.#space = space;
    this.plot.axes[0].gap = GAP + space;
    this.plot.batch(() => {
      for (const name of /** @type {const} */ (["x", "y"])) {
        this.plot.setScale(name, { min: forward(axes[name], axes[name].min), max: forward(axes[name], axes[name].max) });
      }
      this.plot.redraw(false, true);
    });
  }

  /** @param {{width: number, height: number}} size */
  resize(size) {
    if (size.width !== this.plot.width || size.height !== this.plot.height) this.plot.setSize(size);
  }

  #draw() {
    const { bbox, ctx } = this.plot;
    const { x, y } = this.axes;
    this.view = {
      width: bbox.width,
      height: bbox.height,
      ratio: devicePixelRatio,
      x: projection(x.min, x.max, 0, bbox.width, x.log),
      y: projection(y.min, y.max, bbox.height, 0, y.log),
    };
    // The constructor of uPlot draws before the canvases exist.
    if (!this.lines) return;
    for (const canvas of [this.lines, this.overlay]) fit(canvas, bbox.width, bbox.height, EDGE * devicePixelRatio);
    this.handlers.under(ctx, this.view, { left: bbox.left, top: bbox.top + bbox.height });
    this.repaint();
  }

  /** Draw the lines again on the same axes. */
  repaint() {
    paint(this.lines, this.view, this.handlers.paint);
    if (this.hasEmphasis) this.emphasise();
  }

  /** Draw the emphasised line again. @param {boolean} has False if no line is emphasised. */
  emphasise(has = this.hasEmphasis) {
    this.hasEmphasis = has;
    paint(this.overlay, this.view, this.handlers.emphasise);
  }

  /** @param {number} left Distance from the left edge of the plot area, in CSS pixels. */
  xAt(left) {
    const value = this.plot.posToVal(left, "x");
    return this.axes.x.log ? 10 ** value : value;
  }

  /** @param {number} x @returns {number} Distance from the left edge of the plot area, in CSS pixels. */
  leftOf(x) {
    return this.plot.valToPos(forward(this.axes.x, x), "x");
  }

  /** Show the cursor at a value of x without calling the cursor handler. @param {number | null} x */
  setCursor(x) {
    const left = x === null ? -10 : this.leftOf(x);
    this.plot.setCursor({ left: Number.isFinite(left) ? left : -10, top: -10 }, false);
  }

  #moved() {
    const { left = -10, top = -10 } = this.plot.cursor;
    this.handlers.cursor(left < 0 || top < 0 ? null : { x: this.xAt(left), left, top });
  }

  /** @param {any} plot */
  #selected(plot) {
    const { left, width } = plot.select;
    if (width < 5) return;
    this.handlers.select(this.xAt(left), this.xAt(left + width));
    plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
  }

  destroy() {
    this.plot.destroy();
  }
}

/** @param {HTMLCanvasElement} canvas @param {number} width @param {number} height @param {number} edge */
function fit(canvas, width, height, edge) {
  if (canvas.width !== width + 2 * edge) canvas.width = width + 2 * edge;
  if (canvas.height !== height + 2 * edge) canvas.height = height + 2 * edge;
}

/**
 * @param {HTMLCanvasElement} canvas
 * @param {import("./strip.js").View} view
 * @param {(context: CanvasRenderingContext2D, view: import("./strip.js").View) => void} pen
 */
function paint(canvas, view, pen) {
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  context.setTransform(1, 0, 0, 1, 0, 0);
  context.clearRect(0, 0, canvas.width, canvas.height);
  context.translate((canvas.width - view.width) / 2, (canvas.height - view.height) / 2);
  pen(context, view);
}
