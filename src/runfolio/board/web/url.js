// @ts-check
/** The view is the state of the page that the URL holds. This is the only module that uses `location` and `history`. */
import { batch, effect, signal } from "@preact/signals";
import { forcedTheme, recall, remember } from "./preferences.js";
import { DEFAULTS, PLACE, format, parse, readQuery, same, writeQuery } from "./view_format.js";

const REPLACE_DELAY = 120;

/** Address of the board, with a slash at its end. Proxies may serve it below any path. */
export const root = new URL("../../", import.meta.url);

/**
 * Signals of the view (the state of the page), one per key of the URL. Change these signals only by `patch`.
 * @type {Record<string, import("@preact/signals").Signal<any>>}
 */
export const view = Object.fromEntries(Object.entries(DEFAULTS).map(([key, value]) => [key, signal(value)]));

/**
 * Change the view and its URL.
 *
 * A change of `page`, `experiment` or `run` opens another page. All other keys then get the values that they last had
 * in that experiment, or their defaults.
 * @param {Record<string, any>} changes
 * @param {{replace?: boolean}} [options] `replace` changes the current entry of the history instead of adding one
 */
export function patch(changes, { replace = false } = {}) {
  go(changed(changes), replace);
}

/**
 * Return the address of the view with changes, for use in links.
 * @param {Record<string, any>} changes
 */
export function href(changes) {
  return root.pathname + format(changed(changes));
}

/** Set all keys of the query to their defaults. */
export function reset() {
  go({ ...DEFAULTS, ...pick(current(), Object.keys(PLACE)) }, false);
}

/** Read the address, and listen to the back and forward buttons and to clicks on links of the board. */
export function start() {
  show(read(new URL(location.href)));
  history.replaceState(null, "", root.pathname + format(current()));
  addEventListener("popstate", () => {
    cancelReplace();
    show(read(new URL(location.href)));
  });
  addEventListener("pagehide", flushReplace);
  document.addEventListener("click", followLink);
  effect(() => {
    forcedTheme.value = view.theme.value;
  });
}

/**
 * Read a view from an address. If it has no query, the last view of the experiment is restored.
 * @param {URL} address
 */
function read(address) {
  const path = address.pathname.slice(root.pathname.length);
  const state = parse(path, address.search);
  return address.search === "" ? { ...state, ...lastView(state) } : state;
}

/** @param {Record<string, any>} next @param {boolean} replace */
function go(next, replace) {
  const target = format(next);
  if (target === format(current())) return;
  show(next);
  if (replace) {
    // Browsers refuse more than about 100 changes of the URL in 30 seconds. A slider makes as many in two seconds.
    pending ||= window.setTimeout(flushReplace, REPLACE_DELAY);
  } else {
    cancelReplace();
    history.pushState(null, "", root.pathname + target);
  }
}

let pending = 0;

function flushReplace() {
  if (!pending) return;
  cancelReplace();
  history.replaceState(null, "", root.pathname + format(current()));
}

function cancelReplace() {
  clearTimeout(pending);
  pending = 0;
}

/** @param {Record<string, any>} state */
function show(state) {
  batch(() => {
    for (const [key, value] of Object.entries(state)) {
      if (!same(view[key].peek(), value)) view[key].value = value;
    }
  });
  if (state.page === "experiment") remember(viewName(state), writeQuery(state), { ofStore: true });
}

function current() {
  return Object.fromEntries(Object.keys(DEFAULTS).map((key) => [key, view[key].peek()]));
}

/** @param {Record<string, any>} changes */
function changed(changes) {
  const now = current();
  const moves = Object.keys(PLACE).some((key) => key in changes && changes[key] !== now[key]);
  if (!moves) return { ...now, ...changes };
  const place = { ...PLACE, ...pick(changes, Object.keys(PLACE)) };
  return { ...DEFAULTS, ...lastView(place), ...place, ...changes };
}

/** @param {Record<string, any>} place */
function lastView(place) {
  return place.page === "experiment" ? readQuery(recall(viewName(place), "", { ofStore: true })) : {};
}

/** @param {Record<string, any>} place */
function viewName({ experiment }) {
  return experiment === null ? "view" : `view.${experiment}`;
}

/** @param {MouseEvent} event */
function followLink(event) {
  if (event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey) return;
  const link = /** @type {Element} */ (event.target).closest("a[href]");
  if (!(link instanceof HTMLAnchorElement) || link.target || link.hasAttribute("download")) return;
  const address = new URL(link.href);
  if (address.origin !== root.origin || !isPage(address)) return;
  event.preventDefault();
  go(read(address), false);
}

/** @param {URL} address */
function isPage(address) {
  if (!address.pathname.startsWith(root.pathname)) return false;
  return /^(|all|trash|e\/.+|r\/.+)$/.test(address.pathname.slice(root.pathname.length));
}

/** @param {Record<string, any>} object @param {string[]} keys */
function pick(object, keys) {
  return Object.fromEntries(keys.filter((key) => key in object).map((key) => [key, object[key]]));
}
