// @ts-check
/** Menu that saves the values of a panel or a figure of it, and shows the command that draws this figure. */
import { useEffect, useState } from "preact/hooks";
import { address, getText } from "../api.js";
import { Copy } from "../parts/copy.js";
import { html } from "../parts/html.js";
import { Menu } from "../parts/menu.js";
import { curvesPath } from "./curves.js";

const FIGURES = ["SVG", "PDF", "PNG"];

/**
 * @typedef {object} Exports
 * @property {() => Record<string, any>} query Returns the query for the visible curves.
 * @property {boolean} canDraw False if the server cannot draw figures.
 */

/** @param {{title: string, exports: Exports}} props */
export function ExportMenu({ title, exports }) {
  return html`<${Menu} label="save" title=${`Save ${title}`} align="right">
    ${() => html`<${Choices} exports=${exports} />`}
  </${Menu}>`;
}

/** @param {{exports: Exports}} props */
function Choices({ exports }) {
  const query = exports.query();
  const link = (/** @type {string} */ kind) =>
    html`<a class="button quiet" key=${kind} href=${address(curvesPath(query, `api/figure.${kind.toLowerCase()}`))} download>${kind}</a>`;
  return html`<div class="panel-form panel-export">
    <div class="panel-export-row"><span class="soft small">Values</span>${link("CSV")}</div>
    <div class="panel-export-row"><span class="soft small">Figure</span>${exports.canDraw && FIGURES.map(link)}</div>
    ${!exports.canDraw && html`<p class="small soft">Figures need matplotlib:</p><${Copy} text=${"pip install 'runfolio[plot]'"} label="command to install" />`}
    <${PlotCommand} query=${query} />
  </div>`;
}

/** Command that draws the same figure. @param {{query: Record<string, any>}} props */
function PlotCommand({ query }) {
  const [command, setCommand] = useState("");
  const path = curvesPath(query, "api/figure.txt");
  useEffect(() => {
    let isWanted = true;
    getText(path).then(
      (text) => isWanted && setCommand(text.trim()),
      () => isWanted && setCommand(""),
    );
    return () => {
      isWanted = false;
    };
  }, [path]);
  return command && html`<p class="small soft">Command that draws this figure:</p><${Copy} text=${command} label="plot command" />`;
}
