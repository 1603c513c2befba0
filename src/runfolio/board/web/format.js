// @ts-check
/** Formats numbers, times and sizes as text. */

const MINUTE = 60;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const integers = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 });
const dates = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });
const days = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", year: "numeric" });

/**
 * Format an integer with commas between thousands, as in 29,354.
 * @param {number} value
 */
export function integer(value) {
  return integers.format(value);
}

/**
 * Format a step. A value that is not an integer has up to six significant digits.
 * @param {number} value
 */
export function stepValue(value) {
  return Number.isInteger(value) ? integer(value) : number(value, 6);
}

/**
 * Format a number with at most `digits` significant digits.
 * @param {number | string | null} value a string is "NaN", "Infinity" or "-Infinity"
 * @param {number} [digits]
 */
export function number(value, digits = 4) {
  if (value === null || value === undefined) return "";
  if (typeof value === "string") return value.replace("Infinity", "∞").replace("-", "−");
  if (!Number.isFinite(value)) return number(String(value));
  if (value === 0) return "0";
  const size = Math.abs(value);
  if (Number.isInteger(value) && size < 1e12) return minus(integer(value));
  if (size >= 1e6 || size < 1e-4) return minus(value.toExponential(digits - 1).replace(/\.?0+e/, "e").replace("e+", "e"));
  const decimals = Math.max(0, digits - 1 - Math.floor(Math.log10(size)));
  return minus(group(value.toFixed(decimals).replace(/(\.\d*?)0+$/, "$1").replace(/\.$/, "")));
}

/**
 * Format the numbers of a column with the same number of decimals, so that the decimal points line up.
 * @param {(number | string | null)[]} values
 * @param {number} [digits] significant digits of the largest value
 * @returns {string[]}
 */
export function column(values, digits = 4) {
  return values.map(columnFormat(values, digits));
}

/**
 * Return a function that formats the numbers of a column. Values that arrive later get the same number of decimals.
 * @param {(number | string | null)[]} values
 * @param {number} [digits] significant digits of the largest value
 * @returns {(value: number | string | null) => string}
 */
export function columnFormat(values, digits = 4) {
  const finite = values.filter((value) => typeof value === "number" && Number.isFinite(value)).map(Number);
  const largest = Math.max(0, ...finite.map(Math.abs));
  const smallest = Math.min(Infinity, ...finite.filter(Boolean).map(Math.abs));
  if (finite.every(Number.isInteger) && largest < 1e12) return (value) => number(value);
  if (largest >= 1e7 || smallest < largest * 1e-5 || largest < 1e-4) return (value) => number(value, digits);
  const decimals = Math.max(0, digits - Math.max(1, Math.floor(Math.log10(largest)) + 1));
  return (value) => (typeof value === "number" && Number.isFinite(value) ? minus(group(value.toFixed(decimals))) : number(value));
}

/**
 * Format the time since a moment, as in "3 min ago".
 * @param {number} seconds seconds since 1970
 * @param {number} [now]
 */
export function ago(seconds, now = Date.now() / 1000) {
  const past = now - seconds;
  if (past < 10) return "just now";
  if (past < MINUTE) return `${Math.floor(past)} s ago`;
  if (past < HOUR) return `${Math.floor(past / MINUTE)} min ago`;
  if (past < DAY) return `${Math.floor(past / HOUR)} h ago`;
  if (past < 7 * DAY) return `${Math.floor(past / DAY)} d ago`;
  return days.format(seconds * 1000);
}

/**
 * Format a moment in full, for tooltips.
 * @param {number} seconds seconds since 1970
 */
export function moment(seconds) {
  return dates.format(seconds * 1000);
}

/**
 * Format a duration with its two largest units, as in "1 h 4 min", "12 s" or "0.15 s".
 * @param {number | null} seconds
 */
export function duration(seconds) {
  if (seconds === null || seconds === undefined || !Number.isFinite(seconds)) return "";
  if (seconds < 10) return `${number(seconds, 3)} s`;
  const whole = Math.round(seconds);
  if (whole < MINUTE) return `${whole} s`;
  if (whole < HOUR) return twoUnits(Math.floor(whole / MINUTE), "min", whole % MINUTE, "s");
  if (whole < DAY) return twoUnits(Math.floor(whole / HOUR), "h", Math.floor((whole % HOUR) / MINUTE), "min");
  return twoUnits(Math.floor(whole / DAY), "d", Math.floor((whole % DAY) / HOUR), "h");
}

/**
 * Format a number of bytes, as in "1.4 MB".
 * @param {number} size
 */
export function bytes(size) {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let value = size;
  let unit = 0;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${unit === 0 ? value : number(value, value < 10 ? 2 : 3)} ${units[unit]}`;
}

/**
 * Format a share as a percentage, as in "62 %".
 * @param {number} share
 */
export function percent(share) {
  return `${Math.floor(share * 100)} %`;
}

/**
 * Shorten a text in its middle, since names of runs often differ only at the end.
 * @param {string} text
 * @param {number} length
 */
export function middle(text, length) {
  const characters = [...text];
  if (characters.length <= length) return text;
  const head = Math.ceil((length - 1) / 2);
  return `${characters.slice(0, head).join("")}…${characters.slice(characters.length - (length - 1 - head)).join("")}`;
}

/**
 * Format a count with its noun, as in "1 run" or "24 runs".
 * @param {number} count
 * @param {string} one
 * @param {string} [many]
 */
export function plural(count, one, many = `${one}s`) {
  return `${integer(count)} ${count === 1 ? one : many}`;
}

/**
 * Return a message of the server as a sentence with a full stop. The sentence gets a capital letter unless it
 * begins with a name.
 * @param {string} message
 */
export function sentence(message) {
  if (!message) return "";
  const begin = /^[a-z]+[ ,]/.test(message) ? message[0].toUpperCase() + message.slice(1) : message;
  return /[.!?:]$/.test(begin) ? begin : `${begin}.`;
}

/** @param {number} large @param {string} unit @param {number} small @param {string} smallUnit */
function twoUnits(large, unit, small, smallUnit) {
  return small ? `${large} ${unit} ${small} ${smallUnit}` : `${large} ${unit}`;
}

/** @param {string} text */
function minus(text) {
  return text.replace(/^-/, "−");
}

/** Put commas between the thousands. @param {string} text */
export function group(text) {
  const [whole, fraction] = text.split(".");
  const grouped = whole.replace(/\B(?=(\d{3})+(?!\d))/g, ",");
  return fraction ? `${grouped}.${fraction}` : grouped;
}
