// @ts-check
/** Columns of the runs table: their default order and widths, and their text form in the URL. */

/**
 * @typedef {object} Column
 * @property {string} name Name in the filter language, or the name of a special column such as `@value`, `@interval` or
 *   `@at METRIC`.
 * @property {string} heading
 * @property {string} kind `number`, `text`, `boolean`, `time`, `mixed`, or the kind of a special column.
 * @property {number} width In pixels.
 * @property {number} natural Default width in pixels.
 * @property {boolean} pinned True if the column stays at the left edge.
 * @property {string | null} sort Name for `sort=`, or null if the table cannot be sorted by the column.
 * @property {string | null} metric Metric whose values the column shows.
 * @property {string | null} aggregate Kind of the values, such as `best`.
 */

/**
 * @typedef {object} Reply Parts of the first page of `/api/runs` on which the columns depend.
 * @property {string | null} [metric]
 * @property {[number, number] | null} [band]
 * @property {unknown[]} [groups]
 * @property {Record<string, any[]>} [fields]
 * @property {(string | null)[]} [sparks]
 * @property {{name: string, heading: string, kind: string}[]} [columns]
 */

/** @typedef {{name: string, width: number | null, pinned: boolean}} Entry */
/** @typedef {{heading: string, kind: string, natural: number}} Look */

/** Columns whose values are in the fields of every reply. They are not requested from the server. @type {Record<string, Look>} */
const FIELDS = {
  name: { heading: "Run", kind: "name", natural: 224 },
  state: { heading: "State", kind: "state", natural: 128 },
  reason: { heading: "Reason", kind: "text", natural: 136 },
  experiment: { heading: "Experiment", kind: "text", natural: 136 },
  created: { heading: "Created", kind: "time", natural: 116 },
  ended: { heading: "Ended", kind: "time", natural: 116 },
  duration_s: { heading: "Duration", kind: "duration", natural: 108 },
  tags: { heading: "Tags", kind: "tags", natural: 172 },
  notes: { heading: "Note", kind: "text", natural: 220 },
  archived: { heading: "Archived", kind: "boolean", natural: 96 },
  series: { heading: "Series", kind: "text", natural: 136 },
  lineage: { heading: "Lineage", kind: "text", natural: 136 },
};
/** @type {Record<string, Look>} */
const SPECIAL = {
  "@value": { heading: "", kind: "value", natural: 108 },
  "@interval": { heading: "95 % interval", kind: "interval", natural: 184 },
  "@spark": { heading: "Curve", kind: "spark", natural: 104 },
  "@why": { heading: "Why it ended", kind: "why", natural: 280 },
  "@runs": { heading: "Runs", kind: "state", natural: 148 },
  "@std": { heading: "Std. deviation", kind: "figure", natural: 116 },
  "@lowest": { heading: "Lowest", kind: "figure", natural: 84 },
  "@highest": { heading: "Highest", kind: "figure", natural: 84 },
};
/**
 * Return the heading that the table defines for a column, or else the given heading.
 * @param {string} name
 * @param {string} heading
 */
export function headingOf(name, heading) {
  return (FIELDS[name] ?? SPECIAL[name])?.heading || heading;
}

/** Name of the order by rank, from best to worst. It is the default order of the table. */
export const RANK = "rank";
const UNSORTABLE = new Set(["tags", "lineage", "archived"]);
/** @type {Record<string, number>} */
const NATURAL = { number: 76, boolean: 72, time: 112, text: 112, mixed: 96 };
const NARROWEST = 48;
const WIDEST = 800;

/** Aggregates of a metric that the menus offer, the most common first. */
export const AGGREGATES = ["best", "last", "min", "max", "mean"];

/**
 * Parse one entry of `view.columns`: `NAME`, or `NAME~` followed by a width in pixels and by `p` if the column is
 * pinned.
 * @param {string} text
 * @returns {Entry}
 */
export function decode(text) {
  const [, name, width, pin] = /^(.*)~(\d*)(p?)$/s.exec(text) ?? [text, text, "", ""];
  return { name, width: width ? clamp(Number(width)) : null, pinned: pin === "p" };
}

/**
 * Return the text of one entry of `view.columns`.
 * @param {Entry} entry
 * @returns {string}
 */
export function encode({ name, width, pinned }) {
  const options = `${width ?? ""}${pinned ? "p" : ""}`;
  return options || name.includes("~") ? `${name}~${options}` : name;
}

/**
 * Return the names of the columns to request from the server, or null for its default columns.
 * @param {string[]} texts Entries of `view.columns`.
 * @returns {string[] | null}
 */
export function asked(texts) {
  if (!texts.length) return null;
  return texts.map((text) => decode(text).name).filter((name) => !(name in FIELDS) && !name.startsWith("@"));
}

/**
 * Return the columns of the table. Pinned columns come first.
 * @param {string[]} texts Entries of `view.columns`. Without entries, the table has its default columns.
 * @param {Reply} reply
 * @param {string[]} [atMetrics] Metrics that have a value at the pinned step.
 * @returns {Column[]}
 */
export function tableColumns(texts, reply, atMetrics = []) {
  const entries = texts.length ? texts.map(decode) : defaults(reply);
  const columns = entries.map((entry) => resolve(entry, reply)).filter((column) => column !== null);
  const last = columns.findLastIndex((column) => ["name", "state", "value", "interval"].includes(column.kind));
  columns.splice(last + 1, 0, ...atMetrics.map(atStep));
  return [...columns.filter((column) => column.pinned), ...columns.filter((column) => !column.pinned)];
}

/**
 * Return the columns of a narrow page: the run with its state, the main metric, and its interval. The value of a group
 * is written below its name.
 * @param {Column[]} columns
 * @param {number} width Width of the table in pixels.
 * @returns {Column[]}
 */
export function narrowColumns(columns, width) {
  const name = columns.find(({ kind }) => kind === "name") ?? column("name", FIELDS.name, true);
  const figures = columns.filter(({ kind, sort }) => kind === "interval" || (kind === "value" && sort === RANK));
  const rest = figures.map((column) => ({ ...column, width: column.kind === "value" ? 84 : 104, pinned: false }));
  const left = rest.reduce((sum, column) => sum - column.width, width);
  return [{ ...name, pinned: true, width: Math.max(132, left) }, ...rest];
}

/**
 * Return the entries for the URL after one change of the columns.
 * @param {Column[]} columns Columns shown now.
 * @param {{add?: string, remove?: string, replace?: [string, string], move?: [string, number],
 *   width?: [string, number], pin?: [string, boolean]}} change
 * @returns {string[]}
 */
export function changed(columns, change) {
  const shown = columns.filter(({ name }) => !name.startsWith("@at ") && name !== change.remove);
  const entries = shown.map(({ name, width, natural, pinned }) => ({
    name: change.replace?.[0] === name ? change.replace[1] : name,
    width: change.width?.[0] === name ? clamp(change.width[1]) : width === natural ? null : width,
    pinned: change.pin?.[0] === name ? change.pin[1] : pinned,
  }));
  if (change.add && !entries.some(({ name }) => name === change.add)) insert(entries, change.add);
  if (change.move) move(entries, ...change.move);
  return entries.map(encode);
}

/** Split the name of a metric's column into the metric and its aggregate. @param {string} name */
function aggregateOf(name) {
  const [, metric, aggregate] = /^(.+)\.(best|last|min|max|mean|count|step)$/s.exec(name) ?? [];
  return metric ? [metric, aggregate] : null;
}

/** @param {Reply} reply @returns {Entry[]} */
function defaults(reply) {
  const names = [
    "name",
    "state",
    reply.fields?.tags?.some((tags) => tags.length > 0) ? "tags" : "",
    reply.metric ? "@value" : "",
    reply.band || reply.fields?.low?.some((low) => low !== null) ? "@interval" : "",
    reply.sparks?.some(Boolean) ? "@spark" : "",
    reply.fields?.notes?.some(Boolean) ? "notes" : "",
    ...(reply.columns ?? []).map(({ name }) => name),
    "duration_s",
    "@why",
  ];
  return names.filter(Boolean).map((name) => ({ name, width: null, pinned: name === "name" }));
}

/** @param {Entry} entry @param {Reply} reply @returns {Column | null} */
function resolve({ name, width, pinned }, reply) {
  const base = name in FIELDS ? ofField(name, pinned, reply) : fromReply(name, pinned, reply);
  return base && { ...base, width: width ?? base.width };
}

/** @param {string} name @param {boolean} pinned @param {Reply} reply @returns {Column} */
function ofField(name, pinned, reply) {
  const look = FIELDS[name];
  return column(name, name === "name" && reply.groups ? { ...look, heading: "Group" } : look, pinned, reply.groups ? null : undefined);
}

/** @param {string} name @param {boolean} pinned @param {Reply} reply @returns {Column | null} */
function fromReply(name, pinned, reply) {
  if (name === "@why") return { ...column(name, SPECIAL[name], pinned), sort: "reason" };
  if (name in SPECIAL && !reply.metric) return null;
  if (name === "@value") return { ...column(name, { ...SPECIAL[name], heading: reply.metric ?? "" }, pinned, reply.groups ? null : RANK), metric: reply.metric ?? null };
  if (name in SPECIAL) return column(name, SPECIAL[name], pinned, null);
  const { heading = name, kind = "mixed" } = reply.columns?.find((other) => other.name === name) ?? {};
  const [metric = null, aggregate = null] = aggregateOf(name) ?? [];
  return { ...column(name, { heading, kind, natural: NATURAL[kind] ?? NATURAL.mixed }, pinned), metric, aggregate };
}

/** @param {string} metric @returns {Column} */
function atStep(metric) {
  return column(`@at ${metric}`, { heading: metric, kind: "at", natural: 112 }, false, null);
}

/**
 * @param {string} name
 * @param {Look} look
 * @param {boolean} pinned
 * @param {string | null} [sort]
 * @returns {Column}
 */
function column(name, look, pinned, sort = UNSORTABLE.has(name) ? null : name) {
  const heading = look.heading || name;
  // Longer headings get an ellipsis.
  const natural = Math.max(look.natural, Math.min(200, Math.ceil(heading.length * 6.6) + 46));
  return { name, heading, kind: look.kind, natural, width: natural, pinned, sort, metric: null, aggregate: null };
}

/** Insert a new column after the columns of the main metric, where it is visible. @param {Entry[]} entries @param {string} name */
function insert(entries, name) {
  const figure = entries.findLastIndex((entry) => ["name", "state", "@value", "@interval", "@spark"].includes(entry.name));
  entries.splice(figure + 1, 0, { name, width: null, pinned: false });
}

/** @param {Entry[]} entries @param {string} name @param {number} by */
function move(entries, name, by) {
  const from = entries.findIndex((entry) => entry.name === name);
  if (from < 0) return;
  const [entry] = entries.splice(from, 1);
  entries.splice(Math.min(entries.length, Math.max(0, from + by)), 0, entry);
}

/** @param {number} width */
function clamp(width) {
  return Math.min(WIDEST, Math.max(NARROWEST, Math.round(width)));
}
