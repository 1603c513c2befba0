import { ConsoleLines } from "../pages/run/console_lines.js";
import { occurrences } from "../pages/run/lines.js";
import { equal } from "./check.js";

/** Console of a server that has the given lines, and the requests that it received. */
function consoleOf(lines) {
  const requests = [];
  const fetchPage = async (from, limit) => {
    requests.push([from, limit]);
    const first = from < 0 ? Math.max(0, lines.length + from) : from;
    return { rows: lines.length, from: first, lines: lines.slice(first, first + limit), attempts: [], error: null };
  };
  const console = new ConsoleLines(fetchPage);
  return { requests, console, takeNewest: async () => console.take(await fetchPage(-100, 100)) };
}

const numbered = (count) => Array.from({ length: count }, (_, index) => `line ${index}`);

export const tests = {
  async "only blocks in view are loaded, and each once"() {
    const { requests, console, takeNewest } = consoleOf(numbered(100_000));
    await takeNewest();
    equal([console.rows, console.line(0)], [100_000, null]);
    await Promise.all([console.need(70_010, 70_050), console.need(70_010, 70_050)]);
    equal(console.line(70_020), "line 70020");
    await console.need(99_990, 100_000);
    equal(console.line(99_999), "line 99999");
    equal(requests, [[-100, 100], [70_000, 500], [99_500, 500]]);
  },
  async "lines that arrive continue the last block"() {
    const lines = numbered(10);
    const { console, takeNewest } = consoleOf(lines);
    await takeNewest();
    await console.need(0, 10);
    lines.push("line 10", "line 11");
    await takeNewest();
    equal([console.rows, console.line(9), console.line(11)], [12, "line 9", "line 11"]);
  },
  async "a gap after many new lines is loaded when it comes into view"() {
    const lines = numbered(10);
    const { console, takeNewest } = consoleOf(lines);
    await takeNewest();
    await console.need(0, 10);
    lines.push(...numbered(2_010).slice(10));
    await takeNewest();
    equal(console.line(1_600), null);
    await console.need(1_590, 1_610);
    equal(console.line(1_600), "line 1600");
    await console.need(490, 520);
    equal([console.line(499), console.line(510)], ["line 499", "line 510"]);
  },
  "occurrences are found whatever their case"() {
    equal(occurrences("Loss and loss", "LOSS").map(({ text, found }) => [text, found]), [["Loss", true], [" and ", false], ["loss", true]]);
    equal(occurrences("none", "x"), [{ text: "none", found: false }]);
    equal(occurrences("all", ""), [{ text: "all", found: false }]);
    equal(occurrences("a.b aXb (a.b)", "(A.B)").map(({ text }) => text), ["a.b aXb ", "(a.b)"]);
    equal(occurrences("\u0130stanbul i", "i").map(({ text }) => text).join(""), "\u0130stanbul i");
  },
};
