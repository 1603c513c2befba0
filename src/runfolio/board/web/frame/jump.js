// @ts-check
/**
 * The jump dialog (Ctrl-K). The user types part of a name to go to an experiment, run or metric, or to run a command.
 */
import { useEffect, useState } from "preact/hooks";
import { get, withQuery } from "../api.js";
import { plural } from "../format.js";
import { bindings } from "../keys.js";
import { Dialog } from "../parts/dialog.js";
import { html } from "../parts/html.js";
import { store } from "../store.js";
import { patch, view } from "../url.js";

const DELAY = 120;
const MOST = 8;

/** @typedef {{kind: string, name: string, detail?: string, go: () => void}} Target */

/**
 * Dialog with a text field and a list of matches.
 * @param {{close: () => void}} properties
 */
export function Jump({ close }) {
  const [text, setText] = useState("");
  const [chosen, setChosen] = useState(0);
  const found = useServer(text);
  const targets = [...match(places(), text), ...found, ...match(commands(), text)];
  const index = Math.min(chosen, targets.length - 1);
  const go = (/** @type {Target | undefined} */ target) => {
    if (!target) return;
    close();
    target.go();
  };
  const onKeyDown = (/** @type {KeyboardEvent} */ event) => {
    const direction = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (direction) setChosen((index + direction + targets.length) % Math.max(1, targets.length));
    else if (event.key === "Enter") go(targets[index]);
    else return;
    event.preventDefault();
  };
  const onInput = (/** @type {any} */ event) => {
    setText(event.currentTarget.value);
    setChosen(0);
  };
  useEffect(() => document.getElementById(`jump-${index}`)?.scrollIntoView({ block: "nearest" }), [index]);
  return html`<${Dialog} title="Jump to a run, metric or command" titleHidden close=${close} class="jump">
    <input class="input jump-input" autofocus role="combobox" aria-expanded="true" aria-controls="jump-list" aria-activedescendant=${targets.length ? `jump-${index}` : undefined}
      aria-label="Jump to a run, metric or command" placeholder="Name of an experiment, run, metric or command" autocomplete="off" spellcheck=${false} value=${text} onInput=${onInput} onKeyDown=${onKeyDown} />
    <ul id="jump-list" class="jump-list" role="listbox" aria-label="Matches">
      ${targets.map(
        (target, position) => html`<li id=${`jump-${position}`} key=${`${target.kind}/${target.name}/${position}`} role="option" aria-selected=${position === index} onClick=${() => go(target)} onPointerMove=${() => setChosen(position)}>
          <span class="soft small">${target.kind}</span><span class="one-line">${target.name}</span><span class="soft small one-line">${target.detail}</span>
        </li>`,
      )}
    </ul>
    ${targets.length === 0 && html`<p class="soft">No name contains “${text}”.</p>`}
  </${Dialog}>`;
}

/** @returns {Target[]} */
function places() {
  const experiments = store.data.value?.experiments ?? [];
  return [
    ...experiments.map((/** @type {any} */ { name, runs }) => ({
      kind: "experiment",
      name,
      detail: plural(runs, "run"),
      go: () => patch({ page: "experiment", experiment: name, run: null }),
    })),
    { kind: "page", name: "All runs", go: () => patch({ page: "experiment", experiment: null, run: null }) },
    { kind: "page", name: "Trash", go: () => patch({ page: "trash", experiment: null, run: null }) },
  ];
}

/** @returns {Target[]} */
function commands() {
  return bindings.value
    .filter(({ modal }) => !modal)
    .flatMap(({ keys }) => Object.entries(keys))
    .filter(([key]) => key !== "Ctrl-K" && key !== "Escape")
    .map(([key, { does, run }]) => ({ kind: "command", name: does, detail: key, go: () => run(new KeyboardEvent("keydown", { key })) }));
}

/** @param {Target[]} targets @param {string} text */
function match(targets, text) {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  return targets.filter(({ name }) => words.every((word) => name.toLowerCase().includes(word))).slice(0, words.length ? MOST : 2 * MOST);
}

/** Return the runs and metrics whose names contain a text, as found by the server. @param {string} text @returns {Target[]} */
function useServer(text) {
  const [found, setFound] = useState(/** @type {Target[]} */ ([]));
  useEffect(() => {
    const word = text.trim();
    if (!word) {
      setFound([]);
      return undefined;
    }
    const abort = new AbortController();
    const timer = setTimeout(() => {
      search(word, abort.signal).then(setFound, () => {});
    }, DELAY);
    return () => {
      clearTimeout(timer);
      abort.abort();
    };
  }, [text]);
  return found;
}

/** @param {string} word @param {AbortSignal} signal @returns {Promise<Target[]>} */
async function search(word, signal) {
  const pattern = `'%${word.replace(/[%_\\]/g, "\\$&").replace(/'/g, "''")}%'`;
  const experiment = view.page.value === "experiment" ? view.experiment.value : null;
  const [runs, columns] = await Promise.all([
    get(withQuery("api/runs", { where: `name ILIKE ${pattern}`, limit: MOST }), { signal }),
    get(withQuery("api/columns", { experiment }), { signal }),
  ]);
  const metrics = columns.columns.filter((/** @type {any} */ column) => column.group === "metrics");
  return [
    ...runs.keys.map((/** @type {string} */ key, /** @type {number} */ row) => ({
      kind: "run",
      name: runs.fields.name[row],
      detail: runs.fields.experiment[row],
      go: () => patch({ page: "run", run: key, experiment: null }),
    })),
    ...match(metrics.map((/** @type {any} */ { name }) => ({ kind: "metric", name, detail: "rank runs by this metric", go: () => rankBy(name) })), word),
  ];
}

/** @param {string} metric */
function rankBy(metric) {
  if (view.page.value === "experiment") patch({ metric, sort: "" });
  else patch({ page: "experiment", experiment: null, run: null, metric });
}
