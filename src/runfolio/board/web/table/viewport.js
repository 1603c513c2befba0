// @ts-check
/** Follows the visible part of a scroller, an element that scrolls, while the user scrolls or resizes the element. */
import { useLayoutEffect, useRef, useState } from "preact/hooks";
import { followView } from "../parts/virtual.js";
import { columnRange, rowRange } from "./layout.js";

/**
 * @typedef {object} Shape
 * @property {number} total Number of rows.
 * @property {number} row Height of a row in pixels.
 * @property {number} head Height of the header.
 * @property {number} pinned Width of the pinned columns.
 * @property {number[]} widths Widths of the other columns.
 */

/**
 * Return the rows and columns to draw. The component is drawn again only if they change.
 * @param {{current: HTMLElement | null}} scroller
 * @param {Shape} shape
 */
export function useViewport(scroller, shape) {
  const [place, setPlace] = useState({ top: 0, left: 0, width: 0, height: 0 });
  const shown = partsAt(place, shape);
  const latest = useRef({ shape, shown });
  latest.current = { shape, shown };
  useLayoutEffect(() => {
    const element = scroller.current;
    if (!element) return undefined;
    const look = () => {
      const { scrollTop: top, scrollLeft: left, clientWidth: width, clientHeight: height } = element;
      const next = { top, left, width, height };
      element.classList.toggle("scrolled", left > 0);
      if (JSON.stringify(partsAt(next, latest.current.shape)) !== JSON.stringify(latest.current.shown)) setPlace(next);
    };
    return followView(element, look);
  }, [scroller.current]);
  return shown;
}

/** @param {{top: number, left: number, width: number, height: number}} place @param {Shape} shape */
function partsAt({ top, left, width, height }, { total, row, head, pinned, widths }) {
  return { rows: rowRange(top, height - head, row, total), columns: columnRange(widths, left, width - pinned) };
}
