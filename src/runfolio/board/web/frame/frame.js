// @ts-check
/**
 * The frame around every page: header, sidebar, dialogs, short messages (toasts), and the keys that work everywhere.
 */
import { effect, signal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { useKeys } from "../keys.js";
import { connected } from "../live.js";
import { Dialog } from "../parts/dialog.js";
import { ErrorBoundary } from "../parts/error_boundary.js";
import { html } from "../parts/html.js";
import { Toasts } from "../parts/toast.js";
import { railFolded, toggleDensity, toggleTheme } from "../preferences.js";
import { narrow } from "../screen.js";
import { store } from "../store.js";
import { patch, view } from "../url.js";
import { Header } from "./header.js";
import { Help } from "./help.js";
import { Jump } from "./jump.js";
import { Page } from "./page.js";
import { Rail } from "./rail.js";

/**
 * Name of the open dialog: "jump", "help", or on narrow pages "rail" (the sidebar). The name is empty if no dialog is
 * open.
 */
const open = signal("");
const close = () => (open.value = "");

// The home page opens the newest experiment, and the address changes to the address of the experiment.
effect(() => {
  const newest = store.data.value?.experiments[0];
  if (view.page.value === "home" && newest) patch({ page: "experiment", experiment: newest.name }, { replace: true });
});

/**
 * The whole app: the frame with the current page.
 * @param {{pages: Record<string, () => Promise<any>>}} properties
 */
export function Frame({ pages }) {
  useKeys("Everywhere", {
    "Ctrl-K": { does: "Jump to a run, a metric or a command", run: () => (open.value = "jump") },
    "[": { does: "Show or hide the sidebar", run: foldRail },
    t: { does: "Switch between light and dark theme", run: changeTheme },
    d: { does: "Switch between normal and compact rows", run: toggleDensity },
    "g r": { does: "Go to all runs", run: () => patch({ page: "experiment", experiment: null, run: null }) },
    "g t": { does: "Go to the trash", run: () => patch({ page: "trash", experiment: null, run: null }) },
    "?": { does: "Show these keys", run: () => (open.value = "help") },
  });
  const place = [view.page.value, view.experiment.value, view.run.value];
  useEffect(() => {
    close();
  }, place);
  const folded = narrow.value || railFolded.value;
  return html`<div class=${`frame ${folded ? "folded" : ""}`}>
    <${Header} narrow=${narrow.value} show=${(/** @type {string} */ name) => (open.value = name)} foldRail=${foldRail} changeTheme=${changeTheme} />
    <div class="banners">${!connected.value && html`<${ConnectionLost} />`}</div>
    ${!folded && html`<nav class="rail" aria-label="Experiments and runs"><${ErrorBoundary} name="The sidebar"><${Rail} /></${ErrorBoundary}></nav>`}
    <main class="main" tabindex="-1"><${ErrorBoundary} name="This page" key=${view.page.value}><${Page} pages=${pages} /></${ErrorBoundary}></main>
    ${open.value === "jump" && html`<${Jump} close=${close} />`}
    ${open.value === "help" && html`<${Help} close=${close} />`}
    ${open.value === "rail" && html`<${Dialog} title="Experiments and runs" titleHidden close=${close} class="rail-dialog"><${Rail} changeTheme=${changeTheme} showHelp=${() => (open.value = "help")} /></${Dialog}>`}
    <${Toasts} />
  </div>`;
}

function ConnectionLost() {
  return html`<p class="banner" role="status">
    <strong>The board's server does not answer.</strong> This page may be out of date. Start <code>runfolio board</code> again to continue.
  </p>`;
}

function foldRail() {
  if (narrow.value) open.value = "rail";
  else railFolded.value = !railFolded.value;
}

function changeTheme() {
  toggleTheme();
  if (view.theme.value) patch({ theme: "" }, { replace: true });
}
