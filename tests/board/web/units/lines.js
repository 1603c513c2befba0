import { panned, zoomed } from "../charts/gestures.js";
import { countText, extendLines, extent, readLines } from "../charts/lines.js";
import { nextSmoothing } from "../charts/smoothing.js";
import { decodeSpark, sparkPath } from "../charts/spark.js";
import { chartSentence, summarise } from "../charts/summary.js";
import { tipRows } from "../charts/tip.js";
import { panelGroups, searchPanels } from "../charts/panels.js";
import { equal } from "./check.js";

const SPLITS = new Map([["val/acc", "val"]]);

/** Answer of the server with one line per list of values. */
function answer(...values) {
  const data = [];
  const lines = values.map((y, i) => {
    const x = data.length;
    data.push(...y.map((_, step) => step * 10), ...y);
    return { run: `run${i}`, group: null, label: `run ${i}`, metric: "val/acc", attempt: 0, total: 2 * y.length, within: 2 * y.length, shown: y.length, n: y.length, x, y: x + y.length, raw: null, low: null, high: null, count: null, broken: [], resumes: [] };
  });
  return { head: { lines }, data: Float64Array.from(data) };
}

const read = (...values) => readLines(answer(...values), SPLITS);
const metric = (name, quantity, split, prefix) => ({ name, quantity, split, prefix, group: "metrics", mode: "max" });

export const tests = {
  "an answer becomes lines whose columns are not copied"() {
    const got = answer([1, 2], [3, NaN]);
    const [first, second] = readLines(got, SPLITS);
    equal([first.key, first.split, first.x, first.y, second.y], ["run0", "val", [0, 10], [1, 2], [3, NaN]]);
    equal(first.y.buffer === got.data.buffer, true);
  },
  "new points extend their line, and a new line is added"() {
    const [line] = read([1, 2]);
    const more = { ...line, x: Float64Array.of(20), y: Float64Array.of(5), resumes: [20] };
    const [extended, added] = extendLines([line], [more, { ...line, id: "other" }]);
    equal([extended.x, extended.y, extended.total, extended.shown, extended.resumes], [[0, 10, 20], [1, 2, 5], 5, 3, [20]]);
    equal(added.id, "other");
    equal(extendLines([line], [])[0] === line, true);
  },
  "limits are those of finite values in a range, and positive ones on a logarithmic axis"() {
    const lines = read([1, 5, NaN, 3], [Infinity, -2]);
    equal(extent(lines), { x: [0, 30], y: [-2, 5] });
    equal(extent(lines, { range: [15, 30] }), { x: [0, 30], y: [3, 3] });
    equal(extent(lines, { logX: true, logY: true }), { x: [10, 30], y: [3, 5] });
  },
  "the status says how many points are shown"() {
    const [line] = read([1]);
    equal(countText([{ ...line, shown: 1800, within: 1e6, total: 1e6 }]), "1,800 of 1,000,000 points; zoom in to see all");
    equal(countText([{ ...line, shown: 320, within: 320, total: 900 }]), "All 320 points of this range");
    equal(countText([{ ...line, shown: 1, within: 1, total: 1 }]), "1 point");
  },
  "a zoom keeps the place under the cursor, a pan the width"() {
    equal(zoomed({ min: 0, max: 100, log: false }, 0.5, 0.25), [12.5, 62.5]);
    equal(zoomed({ min: 1, max: 100, log: true }, 0.5, 0).map(Math.round), [1, 10]);
    equal(panned({ min: 0, max: 100, log: false }, 0.1), [10, 110]);
  },
  "smoothing goes up and down in steps"() {
    equal([nextSmoothing(0, 1), nextSmoothing(0.7, 1), nextSmoothing(0.7, -1), nextSmoothing(0, -1), nextSmoothing(0.99, 1)], [0.3, 0.8, 0.6, 0, 0.99]);
  },
  "the tip has ten rows, largest first, and always the line under the cursor"() {
    const lines = read(...Array.from({ length: 14 }, (_, i) => [i, i]));
    const { rows, more } = tipRows(lines, 9, { key: "run2", reach: 5 });
    equal(rows.map((row) => row.y), [13, 12, 11, 10, 9, 8, 7, 6, 5, 2]);
    equal([more, rows[0].x], [4, 10]);
    equal(tipRows(lines, 99, { key: null, reach: 5 }).rows, []);
  },
  "a chart is described in a sentence with its leader"() {
    const summaries = summarise(read([0.1, 0.9], [0.5, 0.8, NaN], [NaN]));
    const name = (line) => line.label;
    equal(summaries.map(({ last, lastX }) => [last, lastX]), [[0.9, 10], [0.8, 10]]);
    equal(chartSentence("acc", "step", summaries, { name, mode: "max" }), "acc over step: 2 lines, from 0.1 to 0.9. run 0 val ends highest, with 0.9.");
    equal(chartSentence("acc", "step", summaries, { name, mode: "min" }), "acc over step: 2 lines, from 0.1 to 0.9. run 1 val ends lowest, with 0.8.");
    equal(chartSentence("acc", "step", [], { name, mode: null }), "acc over step: no values.");
  },
  "a sparkline has gaps, and dots between gaps"() {
    const values = decodeSpark(btoa(String.fromCharCode(...new Uint8Array(Float32Array.of(0, 1, NaN, 0.5, NaN).buffer))));
    equal(sparkPath(values), "M2.0 18.0L25.0 2.0M71.0 10.0h0");
    equal(sparkPath([NaN]), "");
    equal(sparkPath([1, NaN, NaN, NaN, 0]), "M2.0 2.0L94.0 18.0");
    equal(sparkPath([NaN, 1, NaN]), "M48.0 10.0h0");
  },
  "one panel per quantity, the main metric first, in groups by prefix"() {
    const columns = [
      metric("grad/b", "grad/b", null, "grad"),
      metric("train/loss", "loss", "train", ""),
      metric("val/acc", "acc", "validation", ""),
      metric("val/loss", "loss", "validation", ""),
      metric("epoch", null, null, ""),
      { name: "params.lr", group: "params" },
    ];
    const groups = panelGroups(columns, "val/acc");
    equal(groups.map(({ prefix, panels }) => [prefix, panels.map(({ quantity }) => quantity)]), [["", ["acc", "loss"]], ["grad", ["grad/b"]]]);
    equal(groups[0].panels[1].metrics.map(({ name }) => name), ["train/loss", "val/loss"]);
    equal(searchPanels(groups, "Grad b").map(({ prefix }) => prefix), ["grad"]);
    equal(searchPanels(groups, "nothing"), []);
  },
};
