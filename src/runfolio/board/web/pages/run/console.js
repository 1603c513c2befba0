// @ts-check
/** Console of a run: what it printed, live, with search and a jump to the error. */
import { useSignal } from "@preact/signals";
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { address, get, useResource } from "../../api.js";
import { integer, moment } from "../../format.js";
import { useKeys } from "../../keys.js";
import { Button } from "../../parts/button.js";
import { Empty } from "../../parts/empty.js";
import { Failure } from "../../parts/error_boundary.js";
import { html } from "../../parts/html.js";
import { patch, view } from "../../url.js";
import { ConsoleLines } from "./console_lines.js";
import { Lines, occurrences } from "./lines.js";
import { runPath } from "./state.js";

const POLL_INTERVAL = 1000;
const SEARCH_DELAY = 250;

/** @param {{run: import("@preact/signals").Signal<any>}} properties */
export function Tab({ run: { value: run } }) {
  const lines = useMemo(() => new ConsoleLines((from, limit) => get(runPath("console", { from, limit }))), [run.key]);
  const failure = usePolling(lines, run.state === "running");
  if (failure && !lines.loaded.value) return html`<${Failure} error=${failure} />`;
  if (!lines.loaded.value) return null;
  if (lines.rows.value === 0) return html`<${NothingPrinted} run=${run} />`;
  return html`<${Console} lines=${lines} run=${run} />`;
}

/** @param {{lines: ConsoleLines, run: any}} properties */
function Console({ lines, run }) {
  const [target, setTarget] = useState(/** @type {{index: number} | null} */ (null));
  const [follow, setFollow] = useState(run.state !== "finished" && view.item.value !== "error" && view.line.value === null);
  const search = useSearch();
  const error = lines.error.value;
  const jump = (/** @type {number} */ row) => {
    setFollow(false);
    patch({ line: row + 1 }, { replace: true });
    setTarget({ index: row });
  };
  useEffect(() => {
    if (view.item.value === "error" && error) jump(error.row);
    else if (view.line.value !== null) setTarget({ index: view.line.value - 1 });
  }, [view.item.value]);
  lines.version.value; // a line that arrives is drawn
  const current = (view.line.value ?? 0) - 1;
  const text = (/** @type {number} */ row) => {
    const attempt = lines.attempts.value.get(row);
    if (attempt) return `Attempt ${attempt.attempt}, started ${moment(attempt.started)}`;
    return marked(lines.line(row) ?? "", view.find.value);
  };
  const classOf = (/** @type {number} */ row) =>
    `${lines.attempts.value.has(row) ? "is-attempt" : ""} ${error && row >= error.row && row <= error.end ? "is-error" : ""} ${row === current ? "is-current" : ""}`;
  return html`<div class="console">
    <div class="console-tools">
      <${Search} search=${search} current=${current} jump=${jump} />
      ${error && html`<${Button} onClick=${() => jump(error.row)}>Jump to the error</${Button}>`}
      <${Button} quiet aria-pressed=${follow} onClick=${() => setFollow(!follow)}>${run.state === "running" ? (follow ? "Following" : "Follow") : "Go to the end"}</${Button}>
      <span class="spread"></span>
      <span class="soft small">${integer(lines.rows.value)} lines</span>
      <a class="button quiet" href=${address(runPath("console.txt"))} download>Download</a>
    </div>
    <${Lines} label="Console" count=${lines.rows.value} line=${text} need=${(/** @type {number} */ first, /** @type {number} */ last) => lines.need(first, last)} classOf=${classOf} target=${target} follow=${follow} onFollow=${setFollow} />
  </div>`;
}

/** @param {{search: ReturnType<typeof useSearch>, current: number, jump: (row: number) => void}} properties */
function Search({ search, current, jump }) {
  const field = useRef(/** @type {HTMLInputElement | null} */ (null));
  const matches = search.rows;
  const position = matches.indexOf(current);
  const go = (/** @type {number} */ direction) => {
    if (!matches.length) return;
    const after = direction > 0 ? matches.find((row) => row > current) : matches.findLast((row) => row < current);
    jump(after ?? matches[direction > 0 ? 0 : matches.length - 1]);
  };
  useKeys("Console", { "/": { does: "Search the console", run: () => field.current?.focus() } });
  const onKeyDown = (/** @type {KeyboardEvent} */ event) => {
    if (event.key !== "Enter") return;
    event.preventDefault();
    go(event.shiftKey ? -1 : 1);
  };
  const said = search.total === null ? "" : search.total === 0 ? "no match" : `${position < 0 ? "" : `${integer(position + 1)} of `}${integer(search.total)}${position < 0 ? (search.total === 1 ? " match" : " matches") : ""}`;
  return html`<div class="console-search" role="search">
    <input class="input" type="search" aria-label="Search the console" placeholder="Search" ref=${field} value=${search.text} onInput=${(/** @type {any} */ event) => search.input(event.currentTarget.value)} onKeyDown=${onKeyDown} />
    <span class="soft small" role="status">${said}</span>
    ${matches.length > 1 && html`<${Button} quiet aria-label="Previous match" onClick=${() => go(-1)}>↑</${Button}><${Button} quiet aria-label="Next match" onClick=${() => go(1)}>↓</${Button}>`}
  </div>`;
}

/** Text that is searched, and the rows that contain it. */
function useSearch() {
  const [text, setText] = useState(view.find.value);
  const timer = useRef(0);
  const answer = useResource(() => (view.find.value ? runPath("console", { limit: 0, search: view.find.value }) : null), { follow: null });
  const input = (/** @type {string} */ next) => {
    setText(next);
    clearTimeout(timer.current);
    timer.current = window.setTimeout(() => patch({ find: next.trim() }, { replace: true }), SEARCH_DELAY);
  };
  const found = view.find.value && !answer.stale.value ? answer.data.value?.search : null;
  return { text, input, total: found?.total ?? null, rows: /** @type {number[]} */ (found?.rows ?? []) };
}

/** @param {ConsoleLines} lines @param {boolean} isRunning */
function usePolling(lines, isRunning) {
  const failure = useSignal(/** @type {any} */ (null));
  useEffect(() => {
    let timer = 0;
    let stopped = false;
    const poll = async () => {
      if (!document.hidden || !lines.loaded.peek()) {
        try {
          await lines.poll();
          failure.value = null;
        } catch (error) {
          failure.value = error;
        }
      }
      if (!stopped && (isRunning || failure.peek())) timer = window.setTimeout(poll, POLL_INTERVAL);
    };
    poll();
    return () => {
      stopped = true;
      clearTimeout(timer);
    };
  }, [lines, isRunning]);
  return failure.value;
}

/** @param {string} line @param {string} wanted */
function marked(line, wanted) {
  if (!wanted) return line;
  return occurrences(line, wanted).map(({ text, found }) => (found ? html`<mark>${text}</mark>` : text));
}

/** @param {{run: any}} properties */
function NothingPrinted({ run }) {
  if (run.state === "running") return html`<${Empty} title="Nothing printed yet">Output appears here within a second.</${Empty}>`;
  return html`<${Empty} title="No console" code=${[{ text: 'print("epoch", epoch, "loss", loss)', label: "line of Python" }]}>The run printed nothing, or recording was off (RUNFOLIO_CONSOLE=off). Everything a script prints is recorded, and progress bars in their last state.</${Empty}>`;
}
