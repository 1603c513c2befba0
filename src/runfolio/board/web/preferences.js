// @ts-check
/** Preferences of the user. They are stored in the browser and are not part of links. */
import { computed, effect, signal } from "@preact/signals";

const STORE = document.documentElement.dataset.store ?? "";

/**
 * Return a JSON value that is stored in the browser, or the default.
 * @template T
 * @param {string} name
 * @param {T} fallback
 * @param {{ofStore?: boolean}} [options] with `ofStore`, each store has a separate value
 * @returns {T}
 */
export function recall(name, fallback, { ofStore = false } = {}) {
  try {
    const text = localStorage.getItem(address(name, ofStore));
    return text === null ? fallback : JSON.parse(text);
  } catch {
    return fallback;
  }
}

/**
 * Store a JSON value in the browser. If its storage is full or forbidden, the value is not stored.
 * @param {string} name
 * @param {unknown} value
 * @param {{ofStore?: boolean}} [options]
 */
export function remember(name, value, { ofStore = false } = {}) {
  try {
    localStorage.setItem(address(name, ofStore), JSON.stringify(value));
  } catch {
    // Private windows may refuse to store values. The page then starts with its defaults next time.
  }
}

/**
 * Return a signal whose value survives a reload.
 * @template T
 * @param {string} name
 * @param {T} fallback
 * @returns {import("@preact/signals").Signal<T>}
 */
export function preference(name, fallback) {
  const value = signal(recall(name, fallback));
  let first = true;
  effect(() => {
    const current = value.value;
    if (!first) remember(name, current);
    first = false;
  });
  return value;
}

/** "system", "light" or "dark". */
export const themeChoice = preference("theme", "system");
/** "normal" or "compact" rows. */
export const density = preference("density", "normal");
export const railFolded = preference("rail", false);
/** Share of the height that the charts have in the split layout. */
export const splitShare = preference("split", 0.49);

const dark = matchMedia("(prefers-color-scheme: dark)");
const systemTheme = signal(dark.matches ? "dark" : "light");
dark.addEventListener("change", () => (systemTheme.value = dark.matches ? "dark" : "light"));

/** Theme that a link sets by `?theme=`. It overrides the preference. */
export const forcedTheme = signal("");

/** Current theme of the page: "light" or "dark". */
export const theme = computed(() => {
  if (forcedTheme.value) return forcedTheme.value;
  return themeChoice.value === "system" ? systemTheme.value : themeChoice.value;
});

effect(() => {
  document.documentElement.dataset.theme = theme.value;
});
effect(() => {
  document.documentElement.dataset.density = density.value;
});

/**
 * Switch between light and dark. If the new theme equals the system's theme, the page follows later changes of
 * the system's theme.
 */
export function toggleTheme() {
  const next = theme.value === "dark" ? "light" : "dark";
  themeChoice.value = next === systemTheme.value ? "system" : next;
}

/** Switch between normal and compact rows. */
export function toggleDensity() {
  density.value = density.value === "compact" ? "normal" : "compact";
}

/** @param {string} name @param {boolean} ofStore */
function address(name, ofStore) {
  return ofStore ? `runfolio.${STORE}.${name}` : `runfolio.${name}`;
}
