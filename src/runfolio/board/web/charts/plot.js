// @ts-check
/** The drawing of a panel: its chart, tooltip, pinned line, and counts of points outside the limits of y. */
import { effect, useSignal } from "@preact/signals";
import { useEffect, useLayoutEffect, useRef } from "preact/hooks";
import { integer } from "../format.js";
import { html } from "../parts/html.js";
import { Chart } from "./chart.js";
import { countOutside } from "./marks.js";
import { PinLine } from "./pin_line.js";
import { cancel, inNextFrame } from "./schedule.js";
import { Tip, tipRows } from "./tip.js";

const REACH = 24;

/**
 * @typedef {import("./lines.js").Line} Line
 *
 * @typedef {object} Props
 * @property {string} title
 * @property {readonly Line[]} lines
 * @property {string} label Sentence for screen readers.
 * @property {import("./x_axis.js").SharedAxis} axis
 * @property {(key: string) => number} colour
 * @property {(line: Line) => string} name
 * @property {(line: Line) => string} detail
 * @property {string} log
 * @property {[number | null, number | null] | null} ylim
 * @property {string} xName
 * @property {(x: number) => string} xText
 * @property {boolean} smoothed
 * @property {boolean} time
 * @property {boolean} whole
 * @property {import("@preact/signals").Signal<string | null>} hovered Key of the run under the pointer.
 * @property {number | null} pinned
 * @property {(x: number | null) => void} pin
 */

/** @param {Props} props */
export function Plot(props) {
  const host = useRef(/** @type {HTMLDivElement | null} */ (null));
  const chart = useRef(/** @type {Chart | null} */ (null));
  const pinLine = useRef(/** @type {PinLine | null} */ (null));
  const latest = useRef(props);
  latest.current = props;
  const tip = useSignal(/** @type {any} */ (null));
  const outside = useSignal({ above: 0, below: 0 });

  useLayoutEffect(() => {
    const element = /** @type {HTMLDivElement} */ (host.current);
    const made = new Chart(element, props.axis, events(latest, () => made, tip, outside, pinLine), sizeOf(element));
    chart.current = made;
    pinLine.current = new PinLine(made.frame);
    const observer = new ResizeObserver(() => made.frame.resize(sizeOf(element)));
    observer.observe(element);
    const stopHover = effect(() => made.emphasise(props.hovered.value));
    return () => {
      observer.disconnect();
      stopHover();
      made.destroy();
    };
  }, [props.axis]);

  const { lines, log, ylim, time, whole, colour, pinned } = props;
  useEffect(() => {
    chart.current?.show({ name: props.title, lines, colour, log, ylim, time, whole, xText: (x) => `${props.xName} ${props.xText(x)}` });
  }, [lines, log, ylim, time, whole, colour, props.axis]);
  useEffect(() => {
    pinLine.current?.set(pinned, pinned === null ? "" : `${props.xName} ${props.xText(pinned)}`);
  }, [pinned, lines, props.axis]);

  return html`<div class="chart" ref=${host} role="img" aria-label=${props.label} data-lines=${lines.length}>
    <${Outside} counts=${outside} />
    <${TipAt} tip=${tip} props=${props} />
  </div>`;
}

/** @param {{counts: import("@preact/signals").Signal<{above: number, below: number}>}} props */
function Outside({ counts }) {
  const { above, below } = counts.value;
  const text = (/** @type {number} */ count, /** @type {string} */ place) => `${integer(count)} ${count === 1 ? "point" : "points"} ${place}`;
  return html`<div class="chart-outside soft">
    ${above > 0 && html`<span class="chart-above">▲ ${text(above, "above")}</span>`}
    ${below > 0 && html`<span class="chart-below">▼ ${text(below, "below")}</span>`}
  </div>`;
}

/** @param {{tip: import("@preact/signals").Signal<any>, props: Props}} properties */
function TipAt({ tip, props }) {
  return tip.value?.rows.length ? html`<${Tip} ...${props} tip=${tip.value} />` : null;
}

/** @param {HTMLElement} element */
function sizeOf(element) {
  return { width: Math.max(120, element.clientWidth), height: Math.max(100, element.clientHeight) };
}

/**
 * @param {{current: Props}} latest
 * @param {() => Chart} chart
 * @param {import("@preact/signals").Signal<any>} tip
 * @param {import("@preact/signals").Signal<{above: number, below: number}>} outside
 * @param {{current: PinLine | null}} pinLine
 * @returns {import("./chart.js").Events}
 */
function events(latest, chart, tip, outside, pinLine) {
  /** @type {import("./chart.js").Place | null} */
  let place = null;
  /** @type {number | null} Pinned x before the first click of a double click. */
  let before = null;
  const showTip = () => {
    const { lines, hovered } = latest.current;
    if (!place) {
      tip.value = null;
      return;
    }
    const { frame } = chart();
    const box = frame.over.getBoundingClientRect();
    const reach = Math.abs(frame.xAt(place.left + REACH) - place.x);
    const key = hovered.peek();
    tip.value = { ...tipRows(lines, place.x, { key, reach }), key, left: box.left + place.left, top: box.top + place.top };
  };
  return {
    hover(next, key) {
      place = next;
      latest.current.hovered.value = key;
      if (next) inNextFrame(showTip);
      else {
        cancel(showTip);
        tip.value = null;
      }
    },
    pin(x) {
      const { pin, pinned } = latest.current;
      before = pinned;
      const { frame } = chart();
      const isSame = pinned !== null && Math.abs(frame.leftOf(pinned) - frame.leftOf(x)) < 4;
      pin(isSame ? null : x);
    },
    release() {
      latest.current.pin(before);
      chart().axis.zoom(null, { now: true });
    },
    drawn(view) {
      pinLine.current?.place();
      const { lines, ylim } = latest.current;
      const counts = ylim ? countOutside(lines, view) : { above: 0, below: 0 };
      if (counts.above !== outside.peek().above || counts.below !== outside.peek().below) outside.value = counts;
    },
  };
}
