// @ts-check
import { useEffect, useLayoutEffect, useRef } from "preact/hooks";
import { html } from "../../parts/html.js";
import { useWindow } from "../../parts/virtual.js";

/** Height of a line in pixels. The style sheet sets the same height. */
const SIZE = 18;
const AT_END = 4;

/**
 * Numbered lines of text. Only the lines in view are rendered.
 * @param {{
 *   label: string,
 *   count: number,
 *   line: (index: number) => any,
 *   need?: (first: number, last: number) => void,
 *   classOf?: (index: number) => string,
 *   target?: {index: number} | null,
 *   follow?: boolean,
 *   onFollow?: (follow: boolean) => void,
 * }} properties `target` is a line to scroll to; a new object scrolls again. `follow` keeps the last line in view.
 */
export function Lines({ label, count, line, need, classOf, target = null, follow = false, onFollow }) {
  const scroller = useRef(/** @type {HTMLElement | null} */ (null));
  const { first, last, before, after } = useWindow(count, SIZE, scroller);
  useEffect(() => need?.(first, last), [first, last, count]);
  useLayoutEffect(() => {
    const element = scroller.current;
    if (element && follow) element.scrollTop = element.scrollHeight;
  }, [count, follow]);
  useLayoutEffect(() => {
    const element = scroller.current;
    if (element && target) element.scrollTop = target.index * SIZE - element.clientHeight / 3;
  }, [target]);
  const onScroll = (/** @type {any} */ { currentTarget: element }) => {
    onFollow?.(element.scrollHeight - element.scrollTop - element.clientHeight < AT_END);
  };
  const indices = Array.from({ length: last - first }, (_, index) => first + index);
  const digits = String(count + 1).length;
  return html`<div class="lines" role="region" aria-label=${label} tabindex="0" ref=${scroller} onScroll=${onFollow && onScroll}>
    <div class="lines-body" ref=${(/** @type {HTMLElement | null} */ body) => setSizes(body, { before, after, digits })}>
      ${indices.map((index) => html`<div class=${`line ${classOf?.(index) ?? ""}`} key=${index}><span class="line-number" aria-hidden="true">${index + 1}</span><span class="line-text">${line(index)}</span></div>`)}
    </div>
  </div>`;
}

/** @param {HTMLElement | null} body @param {{before: number, after: number, digits: number}} sizes */
function setSizes(body, { before, after, digits }) {
  body?.style.setProperty("padding-top", `${before}px`);
  body?.style.setProperty("padding-bottom", `${after}px`);
  body?.style.setProperty("--digits", String(digits));
}

/**
 * Split a text at each occurrence of `wanted`, ignoring case.
 * @param {string} text
 * @param {string} wanted
 * @returns {{text: string, found: boolean}[]}
 */
export function occurrences(text, wanted) {
  const pieces = wanted ? text.split(RegExp(`(${wanted.replace(/[^\w\s]/g, "\\$&")})`, "i")) : [text];
  return pieces.map((piece, index) => ({ text: piece, found: index % 2 === 1 })).filter((piece) => piece.text);
}
