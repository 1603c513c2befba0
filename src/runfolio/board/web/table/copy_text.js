// @ts-check
/** Writes tables as text for a paper, a spreadsheet or an issue. */

/**
 * @typedef {object} Copied
 * @property {string[]} headings
 * @property {boolean[]} numeric True for columns of numbers.
 * @property {string[][]} rows
 */

/** Return a number in a form that programs can read, with a hyphen as minus sign and without commas. @param {string} text */
function plainNumber(text) {
  return text.replace(/^−/, "-").replace(/,(?=\d{3})/g, "");
}

/** @param {Copied} table */
export function asMarkdown({ headings, numeric, rows }) {
  const line = (/** @type {string[]} */ cells) => `| ${cells.map(escaped).join(" | ")} |`;
  const rule = `| ${numeric.map((isNumber) => (isNumber ? "---:" : "---")).join(" | ")} |`;
  return `${[line(headings), rule, ...rows.map(line)].join("\n")}\n`;

  /** @param {string} cell */
  function escaped(cell) {
    return cell.replace(/\\/g, "\\\\").replace(/\|/g, "\\|").replace(/\s+/g, " ");
  }
}

/** @param {Copied} table */
export function asCsv({ headings, numeric, rows }) {
  const lines = [headings.map((cell) => quoted(cell, false)), ...rows.map((row) => row.map((cell, place) => quoted(cell, numeric[place])))];
  return `${lines.map((cells) => cells.join(",")).join("\r\n")}\r\n`;

  /**
   * Quote a cell if needed. Spreadsheets would run a leading `=`, `+`, `-` or `@` as a formula, so an apostrophe is
   * added.
   * @param {string} cell
   * @param {boolean} isNumber
   */
  function quoted(cell, isNumber) {
    const plain = isNumber ? plainNumber(cell) : cell;
    const isSafe = isNumber && Number.isFinite(Number(plain));
    const text = !isSafe && /^[=+\-@\t\r]/.test(plain) ? `'${plain}` : plain;
    return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  }
}

/** @type {Record<string, string>} */
const LATEX = {
  "\\": "\\textbackslash{}",
  "~": "\\textasciitilde{}",
  "^": "\\textasciicircum{}",
  "±": "$\\pm$",
  "−": "$-$",
};

/** @param {Copied} table */
export function asLatex({ headings, numeric, rows }) {
  const line = (/** @type {string[]} */ cells) => `${cells.map(escaped).join(" & ")} \\\\`;
  const head = [`\\begin{tabular}{${numeric.map((isNumber) => (isNumber ? "r" : "l")).join("")}}`, "\\toprule"];
  return `${[...head, line(headings), "\\midrule", ...rows.map(line), "\\bottomrule", "\\end{tabular}"].join("\n")}\n`;

  /** @param {string} cell */
  function escaped(cell) {
    return cell.replace(/[\\&%$#_{}~^±−]/g, (mark) => LATEX[mark] ?? `\\${mark}`).replace(/\s+/g, " ");
  }
}
