// @ts-check
/** Building blocks of the run page: sections, tables, and parts with data from the server. */
import { useResource } from "../../api.js";
import { Copy } from "../../parts/copy.js";
import { Failure } from "../../parts/error_boundary.js";
import { html } from "../../parts/html.js";

/**
 * Part of a page with a heading. `beside` is shown next to the heading.
 * @param {{title: string, beside?: any, class?: string, children?: any}} properties
 */
export function Section({ title, beside, class: extra, children }) {
  return html`<section class=${extra} aria-label=${title}>
    <div class="section-head"><h2>${title}</h2>${beside}</div>
    ${children}
  </section>`;
}

/**
 * Table of names and values.
 * @param {{rows: [name: string, value: any][]}} properties
 */
export function Facts({ rows }) {
  return html`<table class="facts"><tbody>${rows.map(([name, value]) => html`<tr key=${name}><th scope="row">${name}</th><td class="wrap">${value}</td></tr>`)}</tbody></table>`;
}

/**
 * Columns of a table. A column has a title, a function that returns the cell of an entry, and class names.
 * @typedef {(false | [title: string, cell: (entry: any, index: number) => any, classes?: string])[]} Columns
 */

/**
 * Table with one row per entry.
 * @param {{columns: Columns, entries: any[], label?: string}} properties
 */
export function List({ columns, entries, label }) {
  const shown = /** @type {[string, (entry: any, index: number) => any, string?][]} */ (columns.filter(Boolean));
  return html`<div class="scroll" role="region" tabindex="0" aria-label=${label}><table class="list">
    ${shown.some(([title]) => title) && html`<thead><tr>${shown.map(([title, , classes]) => html`<th scope="col" class=${classes}>${title}</th>`)}</tr></thead>`}
    <tbody>${entries.map((entry, index) => html`<tr key=${index}>${shown.map(([, cell, classes], place) => (place ? html`<td class=${classes}>${cell(entry, index)}</td>` : html`<th scope="row" class=${classes}>${cell(entry, index)}</th>`))}</tr>`)}</tbody>
  </table></div>`;
}

/**
 * Text for an empty section, with a line of Python that would fill it.
 * @param {{text: string, line: string}} properties
 */
export function Lesson({ text, line }) {
  return html`<p class="soft">${text}</p><${Copy} text=${line} label="line of Python" />`;
}

/**
 * Part that is drawn from an answer of the server.
 * @param {{path: string, follow?: any, children: (data: any) => any}} properties
 */
export function Loaded({ path, follow = null, children }) {
  const answer = useResource(() => path, { follow }, [path]);
  return answer.data.value ? children(answer.data.value) : html`<${Failure} error=${answer.error.value} retry=${answer.refresh} />`;
}
