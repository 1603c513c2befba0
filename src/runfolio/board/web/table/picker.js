// @ts-check
/** Menu that shows and hides columns. It has a search field. Columns that do not vary are hidden by default. */
import { useRef, useState } from "preact/hooks";
import { Button } from "../parts/button.js";
import { html } from "../parts/html.js";
import { headingOf } from "./columns.js";
import { describe } from "./completion.js";

const GROUPS = [["run", "Run"], ["params", "Settings"], ["metrics", "Metrics"], ["summary", "Results"]];
const MOST = 200;

/** Entries for columns that the server does not list. */
const OWN = ["@value", "@interval", "@spark", "@why"].map((name) => ({
  name,
  heading: headingOf(name, "Main metric"),
  group: "run",
  kind: "text",
  runs: 1,
  varies: true,
  values: [],
}));

/**
 * @param {{listed: import("./completion.js").Listed[], shown: import("./columns.js").Column[],
 *   change: (change: any) => void, reset: () => void}} props
 */
export function Picker({ listed, shown, change, reset }) {
  const [typed, setTyped] = useState("");
  const [all, setAll] = useState(false);
  const search = useRef(/** @type {HTMLInputElement | null} */ (null));
  const names = new Map(shown.map((column) => [column.name, column]));
  const candidates = [...OWN, ...listed].filter((column) => column.group !== "tags").map((column) => withShown(column, names));
  const found = candidates.filter((column) => matches(column, typed) && (all || typed || column.varies || column.shown));
  const hidden = candidates.length - candidates.filter((column) => column.varies || column.shown).length;
  const onKeyDown = (/** @type {KeyboardEvent} */ event) => {
    if (event.key !== "/" || event.target === search.current) return;
    event.preventDefault();
    search.current?.focus();
  };
  return html`<div class="picker" onKeyDown=${onKeyDown}>
    <input ref=${search} class="input" type="search" aria-label="Find a column" placeholder="Find a column" value=${typed} onInput=${(/** @type {any} */ event) => setTyped(event.currentTarget.value)} />
    <div class="picker-list" tabindex="-1">
      ${GROUPS.map(([group, heading]) => {
        const members = found.filter((column) => column.group === group);
        return members.length > 0 && html`<fieldset key=${group}>
          <legend>${heading}</legend>
          ${members.slice(0, MOST).map((column) => html`<${Choice} key=${column.name} column=${column} change=${change} />`)}
          ${members.length > MOST && html`<p class="soft small">${members.length - MOST} more. Type part of a name to find them.</p>`}
        </fieldset>`;
      })}
      ${!found.length && html`<p class="soft">No column name contains “${typed}”.</p>`}
    </div>
    <div class="picker-foot">
      <label class="soft"><input type="checkbox" checked=${all} onChange=${() => setAll(!all)} /> also columns that do not vary (${hidden})</label>
      <${Button} quiet onClick=${reset}>Reset</${Button}>
    </div>
  </div>`;
}

/** @param {{column: any, change: (change: any) => void}} props */
function Choice({ column, change }) {
  const { shown, name } = column;
  const act = () => change(shown ? { remove: shown } : { add: column.adds });
  return html`<div class="choice">
    <label>
      <input type="checkbox" checked=${Boolean(shown)} disabled=${name === "name"} onChange=${act} />
      <span class="one-line" title=${name}>${column.heading}</span>
      <span class="soft one-line">${column.name.startsWith("@") ? "" : describe({ ...column, group: "run" })}</span>
    </label>
  </div>`;
}

/** Add the name of the shown column to an entry. A metric may be shown by any of its aggregates. @param {any} column @param {Map<string, any>} names */
function withShown(column, names) {
  const aggregate = column.group === "metrics" ? `${column.name}.${column.mode ? "best" : "last"}` : column.name;
  const shown = [...names.keys()].find((name) => name === column.name || (column.group === "metrics" && name.startsWith(`${column.name}.`)));
  return { ...column, heading: headingOf(column.name, column.heading), adds: aggregate, shown };
}

/** @param {any} column @param {string} typed */
function matches({ name, heading }, typed) {
  const words = typed.toLowerCase().split(/\s+/).filter(Boolean);
  const text = `${name} ${heading}`.toLowerCase();
  return words.every((word) => text.includes(word));
}
