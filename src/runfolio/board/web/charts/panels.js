// @ts-check
/**
 * Builds one panel per quantity, grouped by the prefix of its metrics. The metrics of a quantity differ only in their
 * split.
 */

/**
 * @typedef {object} PanelOf
 * @property {string} quantity
 * @property {{name: string, split: string | null}[]} metrics
 * @property {"min" | "max" | null} mode
 *
 * @typedef {{prefix: string, panels: PanelOf[]}} PanelGroup
 */

/** @type {Record<string, string>} */
const SPLITS = { train: "train", validation: "val", test: "test" };
const ORDER = Object.values(SPLITS);

/**
 * Return the panels of metrics in groups. The panel of the main metric comes first, then the panel of the loss.
 * Groups are in the order of their first panels.
 * @param {any[]} columns Columns from the server. Only metrics are used; a metric without a quantity is an x axis.
 * @param {string} main Name of the main metric.
 * @returns {PanelGroup[]}
 */
export function panelGroups(columns, main) {
  /** @type {Map<string, PanelOf & {prefix: string}>} */
  const panels = new Map();
  for (const { name, group, quantity, split, prefix, mode } of columns) {
    if (group !== "metrics" || quantity === null) continue;
    const title = quantity || name;
    if (!panels.has(title)) panels.set(title, { quantity: title, metrics: [], mode: mode ?? null, prefix: prefix ?? "" });
    panels.get(title)?.metrics.push({ name, split: SPLITS[split] ?? null });
  }
  for (const { metrics } of panels.values()) metrics.sort((a, b) => splitOrder(a.split) - splitOrder(b.split));
  const sorted = [...panels.values()].sort((a, b) => rank(a, main) - rank(b, main) || compareNames(a.quantity, b.quantity));
  /** @type {Map<string, PanelGroup>} */
  const groups = new Map();
  for (const { prefix, ...panel } of sorted) {
    const found = groups.get(prefix) ?? { prefix, panels: [] };
    found.panels.push(panel);
    groups.set(prefix, found);
  }
  return [...groups.values()];
}

/** @param {string | null} split */
function splitOrder(split) {
  const index = ORDER.indexOf(split ?? "");
  return index < 0 ? ORDER.length : index;
}

/** @param {PanelOf & {prefix: string}} panel @param {string} main */
function rank(panel, main) {
  if (panel.metrics.some(({ name }) => name === main)) return 0;
  if (panel.quantity === "loss") return 1;
  if (panel.metrics.some(({ split }) => split === "val" || split === "test")) return 2;
  return panel.prefix === "system" ? 5 : panel.prefix ? 4 : 3;
}

/** @param {string} a @param {string} b */
function compareNames(a, b) {
  return a.localeCompare(b, "en", { numeric: true });
}

/**
 * Return the groups, reduced to the panels whose quantity or metric names contain every word of a text.
 * @param {PanelGroup[]} groups
 * @param {string} text
 */
export function searchPanels(groups, text) {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  if (!words.length) return groups;
  const matches = (/** @type {PanelOf} */ panel) => {
    const names = [panel.quantity, ...panel.metrics.map(({ name }) => name)].join(" ").toLowerCase();
    return words.every((word) => names.includes(word));
  };
  return groups.map((group) => ({ ...group, panels: group.panels.filter(matches) })).filter((group) => group.panels.length);
}
