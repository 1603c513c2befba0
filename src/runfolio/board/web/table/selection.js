// @ts-check
/** Selection of rows: the row with the cursor, the row where a range starts, and the keys of the selected runs. */

/**
 * @typedef {object} Selection
 * @property {number} cursor Index of the row on which keys act, or -1.
 * @property {number} anchor Index of the row where a range starts, or -1.
 * @property {ReadonlySet<string>} keys
 */

/** @type {Selection} */
export const NOTHING = { cursor: -1, anchor: -1, keys: new Set() };

/**
 * Move the cursor by some rows within the table. The first move goes to the first row.
 * @param {Selection} selection
 * @param {number} by
 * @param {number} total Number of rows.
 * @returns {Selection}
 */
export function moved(selection, by, total) {
  if (!total) return { ...selection, cursor: -1 };
  const from = selection.cursor < 0 ? (by > 0 ? -1 : 0) : selection.cursor;
  return { ...selection, cursor: Math.min(total - 1, Math.max(0, from + by)) };
}

/**
 * Select a row, or deselect it if it was selected. The next range selected with Shift starts at this row.
 * @param {Selection} selection
 * @param {number} index
 * @param {string[]} keys Key of the run, or keys of the group's runs.
 * @returns {Selection}
 */
export function toggled(selection, index, keys) {
  const all = keys.every((key) => selection.keys.has(key));
  const next = all ? without(selection.keys, keys) : new Set([...selection.keys, ...keys]);
  return { cursor: index, anchor: index, keys: next };
}

/**
 * Return the first and last row of the range that ends at a row. Both rows are part of the range.
 * @param {Selection} selection
 * @param {number} index
 * @returns {[number, number]}
 */
export function range(selection, index) {
  const anchor = selection.anchor < 0 ? Math.max(0, selection.cursor) : selection.anchor;
  return [Math.min(anchor, index), Math.max(anchor, index)];
}

/**
 * Add the runs of a range to the selection.
 * @param {Selection} selection
 * @param {number} index Row at which the range ends.
 * @param {Iterable<string>} keys
 * @returns {Selection}
 */
export function extended(selection, index, keys) {
  const anchor = selection.anchor < 0 ? Math.max(0, selection.cursor) : selection.anchor;
  return { cursor: index, anchor, keys: new Set([...selection.keys, ...keys]) };
}

/**
 * Select only these runs.
 * @param {Selection} selection
 * @param {Iterable<string>} keys
 * @returns {Selection}
 */
export function replaced(selection, keys) {
  return { ...selection, keys: new Set(keys) };
}

/** @param {ReadonlySet<string>} keys @param {string[]} removed */
function without(keys, removed) {
  return new Set([...keys].filter((key) => !removed.includes(key)));
}
