// @ts-check
/** Console tab of a run: its printed output, updated live, with a search and a button that jumps to the error. */
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { address, get, useResource } from "../../api.js";
import { integer, moment, plural } from "../../format.js";
import { useKeys } from "../../keys.js";
import { Button } from "../../parts/button.js";
import { Empty } from "../../parts/empty.js";
import { Failure } from "../../parts/error_boundary.js";
import { html } from "../../parts/html.js";
import { patch, view } from "../../url.js";
import { ConsoleLines } from "./console_lines.js";
import { Lines, occurrences } from "./lines.js";
import { runOrPointsChanged, runPath } from "./state.js";

/** Number of lines at the end that are fetched when the run has printed something. */
const NEWEST = 100;
const SEARCH_DELAY = 250;

/** @param {{run: any}} properties */
export function Tab({ run }) {
  const lines = useMemo(() => new ConsoleLines((from, limit) => get(runPath("console", { from, limit }))), []);
  const { data, error, refresh } = useResource(() => runPath("console", { from: -NEWEST, limit: NEWEST }), { follow: runOrPointsChanged });
  useEffect(() => data.value && lines.take(data.value), [data.value]);
  const page = lines.page.value;
  if (!page) return html`<${Failure} error=${error.value} retry=${refresh} />`;
  if (page.rows > 0) return html`<${Console} lines=${lines} page=${page} run=${run} />`;
  return run.state === "running"
    ? html`<${Empty} title="Nothing printed yet">Output appears here within a second.</${Empty}>`
    : html`<${Empty} title="No console" code=${[{ text: 'print("epoch", epoch, "loss", loss)', label: "line of Python" }]}>The run printed nothing, or recording was off (RUNFOLIO_CONSOLE=off).</${Empty}>`;
}

/** @param {{lines: ConsoleLines, page: import("./console_lines.js").Page, run: any}} properties */
function Console({ lines, page: { rows, attempts, error }, run }) {
  const [target, setTarget] = useState(/** @type {{index: number} | null} */ (null));
  const [follow, setFollow] = useState(run.state !== "finished" && !view.item.value && !view.line.value);
  const current = (view.line.value ?? 0) - 1;
  const jump = (/** @type {number} */ index) => {
    setFollow(false);
    patch({ line: index + 1 }, { replace: true });
    setTarget({ index });
  };
  useEffect(() => {
    if (view.item.value === "error" && error) jump(error.row);
    else if (current >= 0) setTarget({ index: current });
  }, [view.item.value]);
  const text = (/** @type {number} */ row) => {
    const attempt = attempts.find((other) => other.row === row);
    if (attempt) return `Attempt ${attempt.attempt}, started ${moment(attempt.started)}`;
    return occurrences(lines.line(row) ?? "", view.find.value).map((piece) => (piece.found ? html`<mark>${piece.text}</mark>` : piece.text));
  };
  const classOf = (/** @type {number} */ row) =>
    [attempts.some((attempt) => attempt.row === row) && "is-attempt", error && row >= error.row && row <= error.end && "is-error", row === current && "is-current"].filter(Boolean).join(" ");
  return html`<div class="console">
    <div class="console-tools">
      <${Search} current=${current} jump=${jump} />
      ${error && html`<${Button} onClick=${() => jump(error.row)}>Jump to the error</${Button}>`}
      ${run.state === "running" && html`<${Button} quiet aria-pressed=${follow} onClick=${() => setFollow(!follow)}>${follow ? "Following" : "Follow"}</${Button}>`}
      <span class="spread"></span>
      <span class="soft small">${plural(rows, "line")}</span>
      <a class="button quiet" href=${address(runPath("console.txt"))} download>Download</a>
    </div>
    <${Lines} label="Console" count=${rows} line=${text} need=${(/** @type {number} */ first, /** @type {number} */ last) => lines.need(first, last)} classOf=${classOf} target=${target} follow=${follow} onFollow=${setFollow} />
  </div>`;
}

/** @param {{current: number, jump: (row: number) => void}} properties */
function Search({ current, jump }) {
  const field = useRef(/** @type {HTMLInputElement | null} */ (null));
  const timer = useRef(0);
  const { data, stale } = useResource(() => view.find.value && runPath("console", { limit: 0, search: view.find.value }), { follow: null });
  const { total, rows } = (!stale.value && data.value?.search) || { total: null, rows: /** @type {number[]} */ ([]) };
  const place = rows.indexOf(current);
  const go = (/** @type {number} */ direction) => {
    const after = direction > 0 ? rows.find((/** @type {number} */ row) => row > current) : rows.findLast((/** @type {number} */ row) => row < current);
    if (rows.length) jump(after ?? rows.at(direction > 0 ? 0 : -1));
  };
  const input = (/** @type {any} */ { currentTarget }) => {
    clearTimeout(timer.current);
    timer.current = window.setTimeout(() => patch({ find: currentTarget.value.trim() }, { replace: true }), SEARCH_DELAY);
  };
  const onKeyDown = (/** @type {KeyboardEvent} */ event) => event.key === "Enter" && go(event.shiftKey ? -1 : 1);
  useKeys("Console", { "/": { does: "Search the console", run: () => field.current?.focus() } });
  return html`<div class="console-search" role="search">
    <input class="input" type="search" aria-label="Search the console" placeholder="Search" ref=${field} defaultValue=${view.find.peek()} onInput=${input} onKeyDown=${onKeyDown} />
    <span class="soft small" role="status">${total !== null && `${place < 0 ? "" : `${integer(place + 1)} of `}${plural(total, "match", "matches")}`}</span>
    ${rows.length > 1 && html`<${Button} quiet aria-label="Previous match" onClick=${() => go(-1)}>↑</${Button}><${Button} quiet aria-label="Next match" onClick=${() => go(1)}>↓</${Button}>`}
  </div>`;
}

