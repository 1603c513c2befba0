// @ts-check
/** Completion of filters. It offers names, operators, values with their counts, and the words AND and OR. */
import { plural } from "../format.js";
import { keyword, quotedValue, tokens } from "./filter_text.js";

/**
 * @typedef {object} Listed Column in the answer of `/api/columns`.
 * @property {string} name
 * @property {string} [filter] Name as it is written in a filter, with quotes if needed.
 * @property {string} heading
 * @property {"run"|"params"|"metrics"|"summary"|"tags"} group
 * @property {"number"|"text"|"boolean"|"time"|"mixed"} kind
 * @property {number} runs
 * @property {boolean} varies
 * @property {number | null} [low]
 * @property {number | null} [high]
 * @property {[any, number][]} [values]
 */

/** @typedef {{text: string, detail: string}} Option */

const MOST = 12;
/** @type {Record<string, string>} */
const GROUPS = { run: "", params: "setting", metrics: "metric", summary: "result", tags: "tag" };
const AGGREGATES = {
  best: "best value",
  last: "last value",
  min: "lowest value",
  max: "highest value",
  mean: "mean of all points",
  count: "number of points",
  step: "last step",
};
/** @type {Record<string, string>} */
const OPERATORS = {
  "=": "equals",
  "!=": "differs from",
  "<": "less than",
  "<=": "at most",
  ">": "greater than",
  ">=": "at least",
  BETWEEN: "from … to …, inclusive",
  IN: "one of a list",
  LIKE: "matches a pattern with % and _",
  "IS NULL": "has no value",
  "IS NOT NULL": "has a value",
};
/** @type {Record<string, string[]>} */
const OPERATORS_OF = {
  number: ["<", "<=", ">", ">=", "=", "!=", "BETWEEN", "IS NOT NULL", "IS NULL"],
  time: [">", "<", "BETWEEN", "IS NULL"],
  text: ["=", "!=", "IN", "LIKE", "IS NOT NULL", "IS NULL"],
  boolean: ["AND", "OR", "="],
};
const TIMES = ["hour", "day", "week"].map((unit) => ({
  text: `now() - interval '1 ${unit}'`,
  detail: `one ${unit} ago`,
}));

/**
 * Return completions for the word before the caret, best first.
 * @param {string} filter
 * @param {number} caret
 * @param {Listed[]} listed
 * @returns {{from: number, to: number, options: Option[]}} An option replaces the text from `from` to `to`.
 */
export function complete(filter, caret, listed) {
  const before = tokens(filter.slice(0, caret));
  const word = wordAt(before, filter.slice(0, caret));
  const place = expected(before.filter((token) => token.to <= word.from));
  const options = optionsAt(place, word, listed);
  return { from: word.from, to: caret, options: options.slice(0, MOST) };
}

/**
 * Return the word that the user is typing. After a space, it is empty.
 * @param {import("./filter_text.js").Token[]} before
 * @param {string} text Filter up to the caret.
 */
function wordAt(before, text) {
  const last = before.at(-1);
  if (last?.open) return { from: last.from, text: last.text.slice(1), quote: last.text[0] };
  const [partial] = /[\p{L}_][\p{L}\p{N}_@:/.-]*$|[<>=!]+$/u.exec(text) ?? [""];
  return { from: text.length - partial.length, text: partial, quote: "" };
}

/**
 * Return the part of the grammar that is expected after some tokens, and the column of an expected value.
 * @param {import("./filter_text.js").Token[]} before
 * @returns {{part: "column"|"operator"|"value"|"connective"|"null"|"list"|"separator", column: string | null}}
 */
function expected(before) {
  /** @type {{part: any, column: string | null}} */
  let place = { part: "column", column: null };
  let [between, list] = [false, false];
  for (const token of before) {
    const word = keyword(token);
    if (word === "AND" && between) [place, between] = [{ ...place, part: "value" }, false];
    else if (word === "BETWEEN") [place, between] = [{ ...place, part: "value" }, true];
    else if (word === "IN") [place, list] = [{ ...place, part: "list" }, true];
    else if (token.text === ")") [place, list] = [{ ...place, part: "connective" }, false];
    else place = next(place, token, word, list);
  }
  return place;
}

/**
 * @param {{part: any, column: string | null}} place
 * @param {import("./filter_text.js").Token} token
 * @param {string} word
 * @param {boolean} list True inside the parentheses of IN.
 */
function next(place, token, word, list) {
  if (word === "AND" || word === "OR") return { part: "column", column: null };
  if (word === "IS") return { ...place, part: "null" };
  if (word === "NOT") return place;
  if (word === "LIKE" || word === "ILIKE" || token.kind === "operator" || token.text === ",") return { ...place, part: "value" };
  if (token.text === "(") return list ? { ...place, part: "value" } : { part: "column", column: null };
  if (place.part === "column") return { part: "operator", column: unquoted(token) };
  if (token.kind === "mark") return place;
  return { ...place, part: list ? "separator" : "connective" };
}

/** @param {import("./filter_text.js").Token} token */
function unquoted(token) {
  return token.kind === "quoted" ? token.text.slice(1, -1).replaceAll('""', '"') : token.text;
}

/** @param {ReturnType<typeof expected>} place @param {ReturnType<typeof wordAt>} word @param {Listed[]} listed */
function optionsAt(place, word, listed) {
  const column = columnNamed(place.column, listed);
  switch (place.part) {
    case "column":
      return names(word.text, listed);
    case "operator":
      return matching(operators(column), word.text);
    case "value":
      return matching(values(column), word.text);
    case "list":
      return matching([{ text: "(", detail: "list of values in parentheses" }], word.text);
    case "null":
      return matching([{ text: "NULL", detail: "no value" }, { text: "NOT NULL", detail: "any value" }], word.text);
    case "connective":
      return matching([{ text: "AND", detail: "both conditions" }, { text: "OR", detail: "at least one condition" }], word.text);
    default:
      return [];
  }
}

/** @param {string} typed @param {Listed[]} listed @returns {Option[]} */
function names(typed, listed) {
  const [, metric, start] = /^(.+)\.([a-z]*)$/s.exec(typed) ?? [];
  const isMetric = listed.some((column) => column.group === "metrics" && column.name === metric);
  if (isMetric) {
    const aggregates = Object.entries(AGGREGATES).filter(([name]) => name.startsWith(start));
    return aggregates.map(([name, detail]) => ({ text: `${metric}.${name}`, detail }));
  }
  const found = listed.map((column) => ({ column, rank: rank(column.name, typed) })).filter(({ rank }) => rank < 9);
  found.sort((a, b) => a.rank - b.rank || Number(b.column.varies) - Number(a.column.varies));
  return found.map(({ column }) => ({ text: column.filter ?? column.name, detail: describe(column) }));
}

/**
 * Return the rank of a name among the matches. A match at the start of the name ranks before a match at the start of a
 * part.
 */
function rank(/** @type {string} */ name, /** @type {string} */ typed) {
  const [low, part] = [name.toLowerCase(), typed.toLowerCase()];
  if (low.startsWith(part)) return 0;
  if (low.split(/[./ ]/).some((piece) => piece.startsWith(part))) return 1;
  return low.includes(part) ? 2 : 9;
}

/**
 * Return a short text about the values of a column.
 * @param {Listed} column
 */
export function describe(column) {
  const group = GROUPS[column.group];
  const values = column.values ?? [];
  if (column.kind === "time") return "time";
  if (column.low != null && column.high != null) {
    const range = column.low === column.high ? short(column.low) : `${short(column.low)} to ${short(column.high)}`;
    return [group, range].filter(Boolean).join(", ");
  }
  if (values.length > 1) return [group, `${values.length}${values.length === 20 ? "+" : ""} values`].filter(Boolean).join(", ");
  return [group, values.length ? String(values[0][0]) : ""].filter(Boolean).join(", ");
}

/** @param {number} value */
function short(value) {
  return Number(value.toPrecision(3)).toString();
}

/** @param {Listed | undefined} column @returns {Option[]} */
function operators(column) {
  const of = OPERATORS_OF[column?.kind ?? "number"] ?? [...Object.keys(OPERATORS)];
  return of.map((text) => ({ text, detail: OPERATORS[text] ?? "" }));
}

/** @param {Listed | undefined} column @returns {Option[]} */
function values(column) {
  if (column?.kind === "time") return TIMES;
  return (column?.values ?? []).map(([value, count]) => ({
    text: quotedValue(value),
    detail: plural(count, "run"),
  }));
}

/** @param {Option[]} options @param {string} typed */
function matching(options, typed) {
  const part = typed.toLowerCase();
  const starts = options.filter(({ text }) => text.replace(/^'/, "").toLowerCase().startsWith(part));
  const rest = options.filter((option) => !starts.includes(option) && option.text.toLowerCase().includes(part));
  return [...starts, ...rest];
}

/** @param {string | null} name @param {Listed[]} listed */
function columnNamed(name, listed) {
  if (name === null) return undefined;
  const metric = name.replace(/^metrics\./, "").replace(/\.(best|last|min|max|mean|count|step)$/, "");
  return [name, `params.${name}`, `summary.${name}`, metric]
    .map((spelling) => listed.find((column) => column.name === spelling))
    .find(Boolean);
}
