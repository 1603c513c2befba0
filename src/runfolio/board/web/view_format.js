// @ts-check
/**
 * The text form of a view, the state of the page in its URL: path and query.
 *
 * The path names the page: `/all`, `/e/NAME`, `/r/KEY`, `/trash`. The query holds all other values that differ from
 * their defaults. The query also holds `v=1`, so that a later version of the board can still read the query.
 */

const VERSION = "1";

/**
 * Keys of the query. Each key has a default, a function that reads its value and a function that writes it.
 * @type {Record<string, {empty: any, read: (raw: string) => any, write: (value: any) => string}>}
 */
const QUERY = {
  tab: text(""),
  item: text(""),
  find: text(""),
  line: number(null),
  where: text(""),
  sort: text(""),
  columns: list(),
  group: text(""),
  metric: text(""),
  archived: flag(),
  layout: choice("split", ["table", "split", "charts"]),
  x: text(""),
  smooth: number(0, (value) => value >= 0 && value < 1),
  log: choice("", ["", "x", "y", "xy"]),
  from: number(null),
  to: number(null),
  at: number(null),
  show: list(),
  only: list(),
  baseline: text(null),
  panels: object(),
  theme: choice("", ["", "light", "dark"]),
};

/** Keys of the path and their defaults. */
export const PLACE = { page: "experiment", experiment: /** @type {string | null} */ (null), run: /** @type {string | null} */ (null) };

/** Default values of all keys. @type {Record<string, any>} */
export const DEFAULTS = {
  ...PLACE,
  ...Object.fromEntries(Object.entries(QUERY).map(([key, { empty }]) => [key, empty])),
};

/**
 * Parse a path and a query into a view. The path is relative to the board's address.
 * @param {string} path
 * @param {string} search
 */
export function parse(path, search) {
  return { ...DEFAULTS, ...readQuery(search), ...readPath(path) };
}

/**
 * Return the path and query of a view, relative to the board's address.
 * @param {Record<string, any>} state
 */
export function format(state) {
  return writePath(state) + writeQuery(state);
}

/** @param {string} path */
export function readPath(path) {
  if (path.startsWith("e/")) return { ...PLACE, experiment: decodePath(path.slice(2)) };
  if (path.startsWith("r/")) return { ...PLACE, page: "run", run: decodePath(path.slice(2)) };
  if (path === "trash") return { ...PLACE, page: "trash" };
  return path === "all" ? { ...PLACE } : { ...PLACE, page: "home" };
}

/** @param {Record<string, any>} state */
function writePath({ page, experiment, run }) {
  if (page === "run") return `r/${encodeURIComponent(run)}`;
  if (page === "trash") return "trash";
  if (page === "home") return "";
  return experiment === null ? "all" : `e/${encodeURIComponent(experiment)}`;
}

/**
 * Read the keys in a query. Unknown keys are ignored.
 * @param {string} search
 */
export function readQuery(search) {
  /** @type {Record<string, any>} */
  const values = {};
  for (const pair of search.replace(/^\?/, "").split("&")) {
    const [key, ...rest] = pair.split("=");
    if (Object.hasOwn(QUERY, key)) values[key] = QUERY[key].read(rest.join("="));
  }
  return values;
}

/** @param {Record<string, any>} state */
export function writeQuery(state) {
  const pairs = [`v=${VERSION}`];
  for (const [key, { empty, write }] of Object.entries(QUERY)) {
    if (!same(state[key], empty)) pairs.push(`${key}=${write(state[key])}`);
  }
  return `?${pairs.join("&")}`;
}

/**
 * Return whether two values of a view are equal.
 * @param {any} a
 * @param {any} b
 */
export function same(a, b) {
  return a === b || (typeof a === "object" && typeof b === "object" && JSON.stringify(a) === JSON.stringify(b));
}

/** @param {string} raw */
function decodePath(raw) {
  try {
    return decodeURIComponent(raw);
  } catch {
    return raw;
  }
}

/** @param {string} raw */
function decode(raw) {
  return decodePath(raw.replace(/\+/g, " "));
}

/** Percent-encode characters that a query must not contain, and leave the others readable. @param {string} value */
function encode(value) {
  return encodeURIComponent(value).replace(/%20/g, "+").replace(/%(2F|3A|40)/g, decodeURIComponent);
}

/** @param {any} empty */
function text(empty) {
  return { empty, read: decode, write: encode };
}

function list() {
  return {
    empty: /** @type {string[]} */ ([]),
    read: (/** @type {string} */ raw) => (raw === "" ? [] : raw.split(",").map(decode)),
    write: (/** @type {string[]} */ values) => values.map(encode).join(","),
  };
}

function flag() {
  return { empty: false, read: (/** @type {string} */ raw) => raw === "1", write: () => "1" };
}

/** @param {string} empty @param {string[]} allowed */
function choice(empty, allowed) {
  const read = (/** @type {string} */ raw) => (allowed.includes(raw) ? raw : empty);
  return { empty, read, write: encode };
}

/** @param {number | null} empty @param {(value: number) => boolean} [valid] */
function number(empty, valid = () => true) {
  const read = (/** @type {string} */ raw) => {
    const value = raw === "" ? NaN : Number(raw);
    return Number.isFinite(value) && valid(value) ? value : empty;
  };
  return { empty, read, write: String };
}

function object() {
  const read = (/** @type {string} */ raw) => {
    try {
      const value = JSON.parse(decode(raw));
      return value && typeof value === "object" && !Array.isArray(value) ? value : {};
    } catch {
      return {};
    }
  };
  return { empty: {}, read, write: (/** @type {object} */ value) => encode(JSON.stringify(value)) };
}
