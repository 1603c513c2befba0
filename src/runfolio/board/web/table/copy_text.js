// @ts-check
/** Writes tables as text for a paper, a spreadsheet or an issue. */

/**
 * @typedef {object} Copied
 * @property {string[]} headings
 * @property {boolean[]} numeric True for columns of numbers.
 * @property {string[][]} rows
 */

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

/**
 * Write values as CSV, with all digits of the numbers.
 * @param {{headings: string[], rows: unknown[][]}} table
 */
export function asCsv({ headings, rows }) {
  return [headings, ...rows].map((cells) => `${cells.map(quoted).join(",")}\r\n`).join("");
}

/**
 * Quote a cell if needed. Spreadsheets would run a text that begins with `=`, `+`, `-` or `@` as a formula, so an
 * apostrophe is added.
 * @param {unknown} cell
 */
function quoted(cell) {
  if (cell === null || cell === undefined) return "";
  const plain = typeof cell === "object" ? JSON.stringify(cell) : String(cell);
  const isFormula = typeof cell === "string" && /^[=+\-@\t\r](?![!~?*]*$)/.test(cell) && cell !== "-Infinity";
  const text = isFormula ? `'${plain}` : plain;
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
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
  const head = ["% \\usepackage{booktabs}", `\\begin{tabular}{${numeric.map((isNumber) => (isNumber ? "r" : "l")).join("")}}`, "\\toprule"];
  return `${[...head, line(headings), "\\midrule", ...rows.map(line), "\\bottomrule", "\\end{tabular}"].join("\n")}\n`;

  /** @param {string} cell */
  function escaped(cell) {
    return cell.replace(/[\\&%$#_{}~^±−]/g, (mark) => LATEX[mark] ?? `\\${mark}`).replace(/\s+/g, " ");
  }
}
