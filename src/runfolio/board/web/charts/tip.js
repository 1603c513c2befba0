// @ts-check
/** The tooltip of a chart: a table next to the cursor with the values of the lines at one x. */
import { css } from "../colours.js";
import { column } from "../format.js";
import { html } from "../parts/html.js";
import { nearestIndex } from "./strip.js";

const MOST_ROWS = 10;
const OFFSET = 14;

/**
 * @typedef {import("./lines.js").Line} Line
 * @typedef {{line: Line, index: number, x: number, y: number}} Row
 */

/**
 * Return the values of lines at one x, largest first. The line under the cursor is always included.
 * @param {readonly Line[]} lines
 * @param {number} x
 * @param {{key: string | null, reach: number}} options Points further away than `reach` are left out.
 * @returns {{rows: Row[], more: number}}
 */
export function tipRows(lines, x, { key, reach }) {
  /** @type {Row[]} */
  const rows = [];
  for (const line of lines) {
    const index = line.abandoned ? -1 : nearestIndex(line, x);
    if (index >= 0 && isNear(line, index, x, reach)) rows.push({ line, index, x: line.x[index], y: line.y[index] });
  }
  rows.sort((a, b) => b.y - a.y);
  const shown = rows.slice(0, MOST_ROWS);
  const hovered = rows.find((row) => row.line.key === key);
  if (hovered && !shown.includes(hovered)) shown[MOST_ROWS - 1] = hovered;
  return { rows: shown, more: rows.length - shown.length };
}

/** Return true if a point is within reach of x, or if x is within the range of its line. @param {Line} line @param {number} index @param {number} x @param {number} reach */
function isNear(line, index, x, reach) {
  return Math.abs(line.x[index] - x) <= reach || (line.x[0] <= x && x <= line.x[line.x.length - 1]);
}

/**
 * @param {{
 *   tip: {rows: Row[], more: number, key: string | null, left: number, top: number},
 *   colour: (key: string) => number,
 *   name: (line: Line) => string,
 *   detail: (line: Line) => string,
 *   xText: (x: number) => string,
 *   xName: string,
 *   smoothed: boolean,
 * }} props `left` and `top` are CSS pixels of the window.
 */
export function Tip({ tip, colour, name, detail, xText, xName, smoothed }) {
  const columns = [{ head: smoothed ? "smoothed" : "value", texts: column(tip.rows.map((row) => row.y)) }];
  const logged = tip.rows.map(({ line, index }) => line.raw?.[index] ?? null);
  if (smoothed && logged.some((value) => value !== null)) columns.push({ head: "logged", texts: column(logged) });
  const isMixed = new Set(tip.rows.map((row) => row.x)).size > 1;
  if (isMixed) columns.push({ head: `at ${xName}`, texts: tip.rows.map((row) => xText(row.x)) });
  const place = (/** @type {HTMLElement | null} */ element) => element && moveBeside(element, tip.left, tip.top);
  return html`<div class="chart-tip" ref=${place} aria-hidden="true">
    <table>
      <thead>
        <tr><th>${isMixed ? "nearest points" : `${xName} ${xText(tip.rows[0].x)}`}</th>${columns.map(({ head }) => html`<th class="number" key=${head}>${head}</th>`)}</tr>
      </thead>
      <tbody>
        ${tip.rows.map(
          ({ line, index: point }, index) => html`<tr key=${line.id} class=${line.key === tip.key ? "is-hovered" : ""}>
            <td>
              <span class=${`chart-swatch ${css(colour(line.key))}`}></span>
              ${name(line)}${line.split && html`<span class="soft"> ${line.split}</span>`}${line.count && html`<span class="soft"> n=${line.count[point]}</span>`}
              ${line.key === tip.key && detail(line) && html`<div class="soft chart-tip-detail">${detail(line)}</div>`}
            </td>
            ${columns.map(({ head, texts }, position) => html`<td class=${`number ${position ? "soft" : ""}`} key=${head}>${texts[index]}</td>`)}
          </tr>`,
        )}
      </tbody>
    </table>
    ${tip.more > 0 && html`<div class="soft">and ${tip.more} more</div>`}
  </div>`;
}

/** @param {HTMLElement} element @param {number} left @param {number} top */
function moveBeside(element, left, top) {
  const { offsetWidth: width, offsetHeight: height } = element;
  const fitsRight = left + OFFSET + width < innerWidth - 4;
  const x = fitsRight ? left + OFFSET : Math.max(4, left - OFFSET - width);
  const y = Math.max(4, Math.min(top - height / 2, innerHeight - height - 4));
  element.style.transform = `translate(${Math.round(x)}px, ${Math.round(y)}px)`;
}

