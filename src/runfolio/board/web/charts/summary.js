// @ts-check
/** Describes a chart by a sentence and by a table, for users who cannot see it. */
import { css } from "../colours.js";
import { column, integer, number } from "../format.js";
import { html } from "../parts/html.js";

/**
 * @typedef {import("./lines.js").Line} Line
 * @typedef {{line: Line, first: number, lowest: number, highest: number, last: number, lastX: number}} LineSummary
 */

/**
 * Return summaries of lines. Abandoned lines and lines without a finite value are left out.
 * @param {readonly Line[]} lines
 * @returns {LineSummary[]}
 */
export function summarise(lines) {
  return lines.flatMap((line) => (line.abandoned ? [] : (summaryOf(line) ?? [])));
}

/** @param {Line} line @returns {LineSummary | null} */
function summaryOf(line) {
  const finite = line.y.filter(Number.isFinite);
  if (!finite.length) return null;
  const [lowest, highest] = [Math.min, Math.max].map((most) => finite.reduce((a, b) => most(a, b)));
  return { line, first: finite[0], lowest, highest, last: finite[finite.length - 1], lastX: line.x[line.y.findLastIndex(Number.isFinite)] };
}

/**
 * Return a text about a chart: the number of its lines, their range of values, and the line with the best last value.
 * @param {string} title
 * @param {string} xName
 * @param {readonly LineSummary[]} summaries
 * @param {{name: (line: Line) => string, mode: "min" | "max" | null}} options
 */
export function chartSentence(title, xName, summaries, { name, mode }) {
  if (!summaries.length) return `${title} over ${xName}: no values.`;
  const low = Math.min(...summaries.map((summary) => summary.lowest));
  const high = Math.max(...summaries.map((summary) => summary.highest));
  const lines = summaries.length === 1 ? "1 line" : `${integer(summaries.length)} lines`;
  const leader = summaries.reduce((best, summary) => (mode === "min" ? summary.last < best.last : summary.last > best.last) ? summary : best);
  const place = mode === "min" ? "lowest" : "highest";
  const leaderName = [name(leader.line), leader.line.split].filter(Boolean).join(" ");
  return `${title} over ${xName}: ${lines}, from ${number(low)} to ${number(high)}. ${leaderName} ends ${place}, with ${number(leader.last)}.`;
}

/**
 * @param {{
 *   title: string,
 *   summaries: readonly LineSummary[],
 *   colour: (key: string) => number,
 *   name: (line: Line) => string,
 *   xText: (x: number) => string,
 *   xName: string,
 *   smoothed: boolean,
 * }} props
 */
export function DataTable({ title, summaries, colour, name, xText, xName, smoothed }) {
  const heads = ["first", "lowest", "highest", "last"];
  const columns = heads.map((head) => column(summaries.map((/** @type {any} */ summary) => summary[head])));
  return html`<div class="chart-table" tabindex="0" role="region" aria-label=${`Values of ${title}`}>
    <table>
      <caption class=${smoothed ? "soft" : "only-read"}>${smoothed ? "Smoothed" : ""} ${title}</caption>
      <thead>
        <tr>
          <th scope="col">Run</th>
          ${heads.map((head) => html`<th scope="col" class="number" key=${head}>${head}</th>`)}
          <th scope="col" class="number">at ${xName}</th>
          <th scope="col" class="number">points</th>
        </tr>
      </thead>
      <tbody>
        ${summaries.map(
          ({ line, lastX }, index) => html`<tr key=${line.id}>
            <th scope="row"><span class=${`chart-swatch ${css(colour(line.key))}`}></span> ${name(line)} ${line.split && html`<span class="soft">${line.split}</span>`}</th>
            ${columns.map((texts, position) => html`<td class="number" key=${heads[position]}>${texts[index]}</td>`)}
            <td class="number">${xText(lastX)}</td>
            <td class="number">${integer(line.total)}</td>
          </tr>`,
        )}
      </tbody>
    </table>
  </div>`;
}
