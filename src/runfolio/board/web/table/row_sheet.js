// @ts-check
/** Dialog with all values of one run, for pages that are too narrow for the whole table. */
import { Dialog } from "../parts/dialog.js";
import { html } from "../parts/html.js";
import { cellText, marksText } from "./cells.js";

/**
 * @param {{row: any, columns: import("./columns.js").Column[], scale: import("./cells.js").Scale, href: string,
 *   close: () => void}} props
 */
export function RowSheet({ row, columns, scale, href, close }) {
  const values = columns.filter(({ kind }) => kind !== "name" && kind !== "spark").map((column) => ({ heading: column.heading, text: cellText(row, column, scale) }));
  return html`<${Dialog} title=${row.name || row.label} close=${close} class="sheet">
    <dl class="sheet-values">
      ${values.filter(({ text }) => text).map(({ heading, text }) => html`<div key=${heading}><dt class="soft">${heading}</dt><dd>${text}</dd></div>`)}
    </dl>
    ${row.mark && html`<p class="soft small">${row.mark} ${marksText(row.mark)}</p>`}
    <div class="dialog-buttons">
      <a class="button acts" href=${href}>Open the run</a>
    </div>
  </${Dialog}>`;
}
