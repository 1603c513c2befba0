import { ConsoleLines } from "../pages/run/console_lines.js";
import { occurrences } from "../pages/run/lines.js";
import { equal } from "./check.js";

/** Console of a server that has the given lines, and the requests that it received. */
function consoleOf(lines) {
  const requests = [];
  const fetchPage = async (from, limit) => {
    requests.push([from, limit]);
    return { rows: lines.length, from, lines: lines.slice(from, from + limit), attempts: [], error: null };
  };
  return { requests, console: new ConsoleLines(fetchPage) };
}

const numbered = (count) => Array.from({ length: count }, (_, index) => `line ${index}`);

export const tests = {
  async "only blocks in view are loaded, and each once"() {
    const { requests, console } = consoleOf(numbered(100_000));
    await console.poll();
    equal([console.rows.value, console.line(0)], [100_000, null]);
    await Promise.all([console.need(70_010, 70_050), console.need(70_010, 70_050)]);
    equal(console.line(70_020), "line 70020");
    await console.need(99_990, 100_000);
    equal(console.line(99_999), "line 99999");
    equal(requests, [[0, 0], [70_000, 500], [99_500, 500]]);
  },
  async "lines that arrive continue the last block"() {
    const lines = numbered(10);
    const { console } = consoleOf(lines);
    await console.poll();
    await console.need(0, 10);
    lines.push("line 10", "line 11");
    await console.poll();
    equal([console.rows.value, console.line(9), console.line(11)], [12, "line 9", "line 11"]);
  },
  async "a gap after many new lines is loaded when it comes into view"() {
    const lines = numbered(10);
    const { console } = consoleOf(lines);
    await console.poll();
    await console.need(0, 10);
    lines.push(...numbered(2_010).slice(10));
    await console.poll();
    equal(console.line(1_600), null);
    await console.need(1_590, 1_610);
    equal(console.line(1_600), "line 1600");
    await console.need(500, 520);
    equal([console.line(499), console.line(510)], ["line 499", "line 510"]);
  },
  "occurrences are found whatever their case"() {
    equal(occurrences("Loss and loss", "LOSS").map(({ text, found }) => [text, found]), [["Loss", true], [" and ", false], ["loss", true]]);
    equal(occurrences("none", "x"), [{ text: "none", found: false }]);
    equal(occurrences("all", ""), [{ text: "all", found: false }]);
    equal(occurrences("\u0130stanbul i", "i").map(({ text }) => text).join(""), "\u0130stanbul i");
  },
};
