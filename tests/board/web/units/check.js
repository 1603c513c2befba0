/** Assertions of the unit tests. */

/** @param {unknown} actual @param {unknown} expected */
export function equal(actual, expected) {
  const [a, b] = [text(actual), text(expected)];
  if (a !== b) throw new Error(`${a} is not ${b}`);
}

/** @param {unknown} value */
function text(value) {
  return JSON.stringify(value, (_, item) => {
    if (typeof item === "number" && !Number.isFinite(item)) return String(item);
    if (item instanceof Map || item instanceof Set) return [...item];
    return ArrayBuffer.isView(item) ? [.../** @type {any} */ (item)] : item;
  }) ?? String(value);
}
