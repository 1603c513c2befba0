// @ts-check
import { useEffect, useState } from "preact/hooks";

const SPARE = 6;

/**
 * Return the range of items to render: the items in view of a scroller (an element that scrolls), and some spare
 * items around them.
 * @param {number} count number of items
 * @param {number} size height of an item in pixels
 * @param {{current: HTMLElement | null}} scroller element that scrolls
 * @returns {{first: number, last: number, before: number, after: number}} `last` is exclusive. `before` and `after` are
 *   the heights of the items before and after the range in pixels.
 */
export function useWindow(count, size, scroller) {
  const [range, setRange] = useState({ first: 0, last: Math.min(count, 40) });
  useEffect(() => {
    const element = scroller.current;
    if (!element) return undefined;
    const look = () => {
      const next = visibleRange(count, size, element.scrollTop, element.clientHeight);
      setRange((now) => (now.first === next.first && now.last === next.last ? now : next));
    };
    return followView(element, look);
  }, [count, size, scroller.current]);
  const first = Math.min(range.first, count);
  const last = Math.min(range.last, count);
  return { first, last, before: first * size, after: (count - last) * size };
}

/**
 * Call a function now and whenever an element is scrolled or resized. The returned function ends these calls.
 * @param {HTMLElement} element
 * @param {() => void} look
 */
export function followView(element, look) {
  look();
  element.addEventListener("scroll", look, { passive: true });
  const observer = new ResizeObserver(look);
  observer.observe(element);
  return () => {
    element.removeEventListener("scroll", look);
    observer.disconnect();
  };
}

/**
 * Return the range of items in view and of the spare items around them. Both ends of the range are even
 * numbers, so that fewer scroll steps change the range.
 * @param {number} count
 * @param {number} size
 * @param {number} start
 * @param {number} length
 */
export function visibleRange(count, size, start, length) {
  const first = Math.floor(start / size) - SPARE;
  const even = Math.max(0, first - (((first % 2) + 2) % 2));
  const last = Math.ceil((start + length) / size) + SPARE;
  return { first: Math.min(even, count), last: Math.max(0, Math.min(count, last + (last % 2))) };
}
