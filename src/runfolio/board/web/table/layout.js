// @ts-check
/** Computes the rows and columns that are on screen, and the widths of columns. */

/** @typedef {{first: number, end: number}} Range Indexes from `first` up to, but without, `end`. */

/**
 * Return the rows to draw. The range moves in blocks, so that scrolling by one row rarely changes it.
 * @param {number} top Scrolled distance in pixels.
 * @param {number} height Height of the visible part in pixels.
 * @param {number} row Height of a row in pixels.
 * @param {number} total Number of rows.
 * @param {number} [block]
 * @returns {Range}
 */
export function rowRange(top, height, row, total, block = 4) {
  const first = Math.max(0, Math.floor(top / row / block - 1) * block);
  const end = Math.ceil((top + height) / row / block + 1) * block;
  return { first: Math.min(first, Math.max(0, total - 1)), end: Math.min(total, end) };
}

/**
 * Return the columns to draw after the pinned ones, and the widths of the gaps at both sides.
 * @param {number[]} widths Widths of the columns that are not pinned.
 * @param {number} left Scrolled distance in pixels.
 * @param {number} width Width in pixels without the pinned columns.
 * @returns {Range & {before: number, after: number}}
 */
export function columnRange(widths, left, width) {
  const margin = 160;
  let [position, first, end, before] = [0, -1, 0, 0];
  for (const [index, size] of widths.entries()) {
    if (first < 0 && position + size > left - margin) [first, before] = [index, position];
    if (position < left + width + margin) end = index + 1;
    position += size;
  }
  if (first < 0) return { first: widths.length, end: widths.length, before: position, after: 0 };
  const drawn = widths.slice(first, end).reduce((sum, size) => sum + size, 0);
  return { first, end, before, after: position - before - drawn };
}

const NARROWEST_TEXT = 160;

/**
 * Return the columns, stretched to the width of the table. The column that says why a run ended, or else the interval,
 * gets the free space. If the columns are a little too wide, the column that says why a run ended shrinks.
 * @template {{width: number, natural: number, kind: string}} C
 * @param {C[]} columns
 * @param {number} width Width of the table in pixels.
 * @returns {C[]}
 */
export function stretched(columns, width) {
  const left = width - columns.reduce((sum, column) => sum + column.width, 0);
  const place = columns.findLastIndex(({ kind }) => kind === "why" || (kind === "interval" && left > 0));
  const { kind, width: now = 0, natural = 0 } = columns[place] ?? {};
  const canShrink = kind === "why" && now === natural && now + left >= NARROWEST_TEXT;
  if (place < 0 || (left < 0 && !canShrink)) return columns;
  return columns.map((column, index) => (index === place ? { ...column, width: now + left } : column));
}

/**
 * Find the group and run at a place (row number) of the table if groups are opened.
 * @param {number} place Index among all rows, including the runs of opened groups.
 * @param {Map<number, number>} opened Number of runs shown below a group, by the group's index.
 * @returns {{group: number, child: number}} `child` is -1 for the row of the group itself.
 */
export function groupAt(place, opened) {
  let shift = 0;
  for (const [group, count] of [...opened].sort(([a], [b]) => a - b)) {
    const row = group + shift;
    if (place <= row) break;
    if (place <= row + count) return { group, child: place - row - 1 };
    shift += count;
  }
  return { group: place - shift, child: -1 };
}
