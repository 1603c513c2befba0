// @ts-check
/** Page of a run: its name, its state and why it ended, and tabs for everything that was recorded. */
import { useEffect, useRef } from "preact/hooks";
import { useKeys } from "../../keys.js";
import { ErrorBoundary, Failure } from "../../parts/error_boundary.js";
import { html } from "../../parts/html.js";
import { Later } from "../../parts/later.js";
import { href, patch, view } from "../../url.js";
import { Head } from "./head.js";
import { answer, run } from "./state.js";

/** @type {[tab: string, title: string, load: () => Promise<any>][]} */
const TABS = [
  ["", "Overview", () => import("./overview.js")],
  ["curves", "Curves", () => import("./curves.js")],
  ["media", "Media", () => import("./media.js")],
  ["console", "Console", () => import("./console.js")],
  ["code", "Code", () => import("./code.js")],
  ["system", "System", () => import("./system.js")],
  ["files", "Files", () => import("./files.js")],
];

/** The page of the run that the URL names. */
export function Page() {
  const data = run.value;
  const tab = Math.max(0, TABS.findIndex(([name]) => name === view.tab.value));
  useEffect(() => {
    document.title = `${data?.name ?? "Run"} · runfolio`;
  }, [data?.name]);
  useKeys("Run", Object.fromEntries(TABS.map(([, title], index) => [String(index + 1), { does: `Open ${title}`, run: () => openTab(index) }])));
  if (!data) return html`<div class="run-head"><${Failure} error=${answer.error.value} retry=${answer.refresh} />${answer.loading.value && html`<p class="soft">Loading the run …</p>`}</div>`;
  return html`<div class="run-page">
    <${Head} run=${data} />
    <${Tabs} current=${tab} />
    <${TabPanel} index=${tab} run=${data} key=${`${data.key} ${tab}`} />
  </div>`;
}

/** @param {{current: number}} properties */
function Tabs({ current }) {
  const list = useRef(/** @type {HTMLElement | null} */ (null));
  const onKeyDown = (/** @type {KeyboardEvent} */ event) => {
    const next = { ArrowRight: current + 1, ArrowLeft: current - 1, Home: 0, End: -1 }[event.key];
    if (next === undefined) return;
    event.preventDefault();
    openTab(next);
    /** @type {HTMLElement} */ (list.current?.children[inCircle(next)]).focus();
  };
  useEffect(() => list.current?.children[current].scrollIntoView({ block: "nearest", inline: "nearest" }), [current]);
  return html`<div class="tabs" role="tablist" aria-label="Parts of the run" ref=${list} onKeyDown=${onKeyDown}>
    ${TABS.map(([name, title], index) => html`<a role="tab" id=${`tab-${name}`} href=${href(opened(index))} aria-selected=${index === current} aria-controls="tab-panel" tabindex=${index === current ? 0 : -1} key=${name}>${title}</a>`)}
  </div>`;
}

/** @param {{index: number, run: any}} properties */
function TabPanel({ index, run: data }) {
  const [name, title, load] = TABS[index];
  return html`<div class=${`tab-panel tab-${name || "overview"}`} role="tabpanel" id="tab-panel" aria-labelledby=${`tab-${name}`} tabindex="-1">
    <${ErrorBoundary} name=${title}><${Later} load=${load} name="Tab" run=${data} /></${ErrorBoundary}>
  </div>`;
}

/** @param {number} index */
function openTab(index) {
  patch(opened(inCircle(index)));
}

/** Return the changes of the URL that open a tab in its initial state. @param {number} index */
function opened(index) {
  return { tab: TABS[index][0], item: "", find: "", line: null, at: null };
}

/** @param {number} index */
function inCircle(index) {
  return (index + TABS.length) % TABS.length;
}
