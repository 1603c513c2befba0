import { asCsv, asLatex, asMarkdown } from "../table/copy_text.js";
import { nextSort } from "../table/header.js";
import { scale } from "../table/interval.js";
import { Rows } from "../table/rows.js";
import { NOTHING, extended, moved, range, replaced, toggled } from "../table/selection.js";
import { equal } from "./check.js";

const reply = (offset, limit, total = 10_000) => {
  const keys = Array.from({ length: Math.min(limit, total - offset) }, (_, index) => `run ${offset + index}`);
  return { total, offset, keys, fields: { name: keys }, columns: [{ name: "lr" }], values: [keys.map(() => 0.1)], sparks: [] };
};
const wait = () => new Promise((done) => setTimeout(done));

export const tests = {
  async "pages are loaded when they are wanted, each once"() {
    const asked = [];
    const rows = new Rows(async (offset, limit) => (asked.push(offset), reply(offset, limit)));
    rows.start(reply(0, 100));
    rows.want(0, 40);
    rows.want(950, 1010);
    rows.want(952, 1012);
    await wait();
    equal(asked, [900, 1000]);
    equal([rows.row(0).name, rows.row(1005).name, rows.row(1005).cells.lr, rows.row(5000)], ["run 0", "run 1005", 0.1, null]);
  },
  async "a change of the store keeps the rows on screen and loads the wanted pages again"() {
    const asked = [];
    const rows = new Rows(async (offset, limit) => (asked.push(offset), reply(offset, limit)));
    rows.start(reply(0, 100));
    rows.want(200, 240);
    await wait();
    rows.start(reply(0, 100, 9999));
    equal([rows.row(210).name, rows.total.value], ["run 210", 9999]);
    rows.want(200, 240);
    await wait();
    equal(asked, [200, 200]);
  },
  async "the number of pages is bounded, and the first one stays"() {
    const rows = new Rows(async (offset, limit) => reply(offset, limit));
    rows.start(reply(0, 100));
    for (let first = 100; first < 9000; first += 100) {
      rows.want(first, first + 30);
      await wait();
    }
    equal([rows.loaded().length, rows.row(0)?.name, rows.row(150), rows.row(8950)?.name], [2400, "run 0", null, "run 8950"]);
  },
  async "a range that is not loaded is asked for in large parts"() {
    const asked = [];
    const rows = new Rows(async (offset, limit) => (asked.push([offset, limit]), reply(offset, limit)));
    rows.start(reply(0, 100));
    equal((await rows.range(10, 20)).map(({ name }) => name).at(-1), "run 19");
    equal((await rows.range(0, 700)).length, 700);
    equal(asked, [[0, 500], [500, 200]]);
  },
  "the cursor stays in the table"() {
    equal(moved(NOTHING, 1, 5).cursor, 0);
    equal(moved({ ...NOTHING, cursor: 3 }, 12, 5).cursor, 4);
    equal(moved({ ...NOTHING, cursor: 3 }, -Infinity, 5).cursor, 0);
    equal(moved(NOTHING, 1, 0).cursor, -1);
  },
  "a range goes from the row that was selected last, in both directions"() {
    const first = toggled(NOTHING, 5, ["f"]);
    equal(range(first, 2), [2, 5]);
    equal(range(first, 8), [5, 8]);
    equal(extended(first, 8, ["g", "h"]), { cursor: 8, anchor: 5, keys: new Set(["f", "g", "h"]) });
  },
  "selecting twice takes out, and a group counts as its runs"() {
    const both = toggled(toggled(NOTHING, 0, ["a", "b"]), 1, ["c"]);
    equal(both.keys, new Set(["a", "b", "c"]));
    equal(toggled(both, 0, ["a", "b"]).keys, new Set(["c"]));
    equal(toggled(replaced(both, ["a"]), 0, ["a", "b"]).keys, new Set(["a", "b"]));
  },
  "a header sorts its way first, then the other way, then by rank"() {
    const column = { sort: "params.lr" };
    equal([nextSort("", column, ""), nextSort("params.lr", column, ""), nextSort("-params.lr", column, "")], ["params.lr", "-params.lr", ""]);
    equal([nextSort("", column, "-"), nextSort("x", column, "-")], ["-params.lr", "-params.lr"]);
    equal([nextSort("", { sort: "rank" }, "-"), nextSort("-rank", { sort: "rank" }, "-"), nextSort("x", { sort: "rank" }, "-")], ["-rank", "", ""]);
  },
  "intervals share one scale, whose ends keep a distance from the edges"() {
    const x = scale([0.5, 1], 184);
    equal([x(0.5), x(0.75), x(1), x(7)], [10, 92, 174, 182]);
    equal(scale([3, 3], 100)(3), 50);
  },
  "copies are quoted for where they are pasted"() {
    const table = { headings: ["run", "val/acc"], numeric: [false, true], rows: [["a|b_1", "0.98"], ["=cmd()", "-1"]] };
    equal(asMarkdown(table), "| run | val/acc |\n| --- | ---: |\n| a\\|b_1 | 0.98 |\n| =cmd() | -1 |\n");
    const plain = { headings: ["run", "val/acc", "mark"], rows: [["a|b_1", 0.9812345678, "="], ["=cmd()", -1, null], ["-b", "NaN", "=?"]] };
    equal(asCsv(plain), "run,val/acc,mark\r\na|b_1,0.9812345678,=\r\n'=cmd(),-1,\r\n'-b,NaN,=?\r\n");
    equal(asLatex(table).split("\n")[5], "a|b\\_1 & 0.98 \\\\");
    equal(asCsv({ ...table, rows: [['say "hi", x', ""]] }).split("\r\n")[1], '"say ""hi"", x",');
  },
};
