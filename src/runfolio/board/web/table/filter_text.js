// @ts-check
/**
 * Functions on the text of a filter: its tokens, quoting and conditions. The server parses filters; docs/filter.md
 * describes the grammar.
 */

/**
 * @typedef {object} Token
 * @property {"text"|"quoted"|"number"|"name"|"operator"|"mark"|"other"} kind
 * @property {string} text
 * @property {number} from
 * @property {number} to
 * @property {boolean} open True if the token begins with a quote that is not closed.
 */

const WORD = String.raw`[\p{L}_](?:[\p{L}\p{N}_@:/-]*[\p{L}\p{N}_])?`;
const TOKEN = new RegExp(
  [
    String.raw`(?<space>\s+)`,
    String.raw`(?<text>'(?:[^']|'')*(?:'|$))`,
    String.raw`(?<quoted>"(?:[^"]|"")*(?:"|$))`,
    String.raw`(?<number>(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+)?)`,
    String.raw`(?<name>${WORD}(?:\.${WORD})*)`,
    String.raw`(?<operator><=|>=|<>|!=|==|=|<|>)`,
    String.raw`(?<mark>[-+()\[\],.])`,
    String.raw`(?<other>.)`,
  ].join("|"),
  "suy",
);
const KEYWORDS = new Set(
  ["and", "or", "not", "in", "like", "ilike", "between", "is", "null", "true", "false", "now", "interval"],
);

/**
 * Split a filter into tokens. Any text is accepted, since the user may still be typing.
 * @param {string} filter
 * @returns {Token[]}
 */
export function tokens(filter) {
  const result = [];
  TOKEN.lastIndex = 0;
  for (let match = TOKEN.exec(filter); match; match = TOKEN.exec(filter)) {
    const kind = /** @type {any} */ (Object.entries(match.groups ?? {}).find(([, text]) => text !== undefined)?.[0]);
    if (kind === "space") continue;
    const [text] = match;
    const open = (kind === "text" || kind === "quoted") && !isClosed(text);
    result.push({ kind, text, from: match.index, to: match.index + text.length, open });
  }
  return result;
}

/** @param {string} text */
function isClosed(text) {
  const quote = text[0];
  return text.length > 1 && (text.slice(1).split(quote).length - 1) % 2 === 1;
}

/**
 * Return the keyword of a token in capitals, or an empty text if the token is not a keyword.
 * @param {Token | undefined} token
 */
export function keyword(token) {
  return token?.kind === "name" && KEYWORDS.has(token.text.toLowerCase()) ? token.text.toUpperCase() : "";
}

/**
 * Return a value as it is written in a filter.
 * @param {unknown} value
 */
export function quotedValue(value) {
  if (typeof value === "number" || typeof value === "boolean") return String(value);
  return `'${String(value).replaceAll("'", "''")}'`;
}

/**
 * Return the conditions that are joined by AND at the top level. A filter with OR at this level is one condition.
 * @param {string} filter
 * @returns {{from: number, to: number, text: string}[]}
 */
export function conditions(filter) {
  const all = tokens(filter);
  const cuts = [];
  let [depth, between] = [0, false];
  for (const token of all) {
    if (token.text === "(") depth += 1;
    if (token.text === ")") depth -= 1;
    if (depth) continue;
    const word = keyword(token);
    if (word === "OR") return whole(filter);
    if (word === "AND" && !between) cuts.push(token);
    if (word === "AND" || word === "BETWEEN") between = word === "BETWEEN";
  }
  const starts = [0, ...cuts.map((cut) => cut.to)];
  const ends = [...cuts.map((cut) => cut.from), filter.length];
  return starts.flatMap((start, index) => trimmed(filter, start, ends[index]));
}

/** @param {string} filter */
function whole(filter) {
  return trimmed(filter, 0, filter.length);
}

/** @param {string} filter @param {number} from @param {number} to */
function trimmed(filter, from, to) {
  const part = filter.slice(from, to);
  const text = part.trim();
  const start = from + part.length - part.trimStart().length;
  return text ? [{ from: start, to: start + text.length, text }] : [];
}

/**
 * Return the filter without one of its `conditions`.
 * @param {string} filter
 * @param {number} index
 */
export function without(filter, index) {
  return conditions(filter).filter((_, other) => other !== index).map(({ text }) => text).join(" AND ");
}

/**
 * Return the filter with one more condition.
 * @param {string} filter
 * @param {string} condition
 */
export function and(filter, condition) {
  const parts = conditions(filter);
  if (parts.some(({ text }) => text === condition)) return filter;
  const hasOr = parts.length === 1 && tokens(filter).some((token) => keyword(token) === "OR");
  const before = hasOr ? `(${filter.trim()})` : filter.trim();
  return before ? `${before} AND ${condition}` : condition;
}

/**
 * Return the filter condition for runs with a tag.
 * @param {string} tag `baseline`, or `team=vision`
 */
export function tagCondition(tag) {
  const [name, value] = tag.split(/=(.*)/s);
  const column = /^[\p{L}_][\p{L}\p{N}_]*$/u.test(name) ? `tags.${name}` : `tags["${name.replaceAll('"', '""')}"]`;
  return value === undefined ? column : `${column} = ${quotedValue(value)}`;
}
