import { asked, changed, decode, encode, narrowColumns, tableColumns } from "../table/columns.js";
import { columnRange, groupAt, rowRange, stretched } from "../table/layout.js";
import { equal } from "./check.js";

const REPLY = {
  metric: "val/acc",
  band: [0.9, 0.98],
  sparks: ["AAAA"],
  fields: { tags: [["baseline"]], notes: [""] },
  columns: [
    { name: "params.lr", heading: "lr", kind: "number" },
    { name: "val/loss.last", heading: "val/loss last", kind: "number" },
  ],
};
const names = (columns) => columns.map(({ name }) => name);

export const tests = {
  "the default columns are those of the first reply"() {
    const columns = tableColumns([], REPLY);
    equal(names(columns), ["name", "state", "tags", "@value", "@interval", "@spark", "params.lr", "val/loss.last", "duration_s", "@why"]);
    equal(columns.filter(({ pinned }) => pinned).map(({ heading }) => heading), ["Run"]);
  },
  "without a metric there is no figure, interval or curve"() {
    equal(names(tableColumns([], { metric: null, band: null, columns: [] })), ["name", "state", "duration_s", "@why"]);
  },
  "an entry of the URL holds the name, the width and the pin"() {
    for (const text of ["val/acc.best", "params.lr~120", "name~p", "a~b~c~96p", "a~b~"]) equal(encode(decode(text)), text);
    equal(decode("params.lr~9999"), { name: "params.lr", width: 800, pinned: false });
  },
  "only columns that no reply has are asked for"() {
    equal(asked([]), null);
    equal(asked(["name~p", "@value", "params.lr~120", "state", "host"]), ["params.lr", "host"]);
  },
  "one change of the columns leaves the others as they were"() {
    const entries = ["name~p", "state", "params.lr", "@why"];
    const now = () => tableColumns(entries, REPLY);
    equal(changed(now(), { add: "val/acc.last" }), ["name~p", "state", "val/acc.last", "params.lr", "@why"]);
    equal(changed(now(), { remove: "state" }), ["name~p", "params.lr", "@why"]);
    equal(changed(now(), { move: ["params.lr", -1] }), ["name~p", "params.lr", "state", "@why"]);
    equal(changed(now(), { width: ["params.lr", 150.4] }), ["name~p", "state", "params.lr~150", "@why"]);
    equal(changed(now(), { pin: ["params.lr", true] }), ["name~p", "state", "params.lr~p", "@why"]);
    equal(changed(now(), { replace: ["params.lr", "seed"] }), ["name~p", "state", "seed", "@why"]);
  },
  "metrics at the pinned step come after the main figure, and never into the URL"() {
    const columns = tableColumns(["name", "@value", "params.lr"], REPLY, ["val/acc"]);
    equal(names(columns), ["name", "@value", "@at val/acc", "params.lr"]);
    equal(changed(columns, { remove: "params.lr" }), ["name", "@value"]);
  },
  "a narrow page has the run, the figure and its interval"() {
    const columns = narrowColumns(tableColumns([], REPLY), 368);
    equal(names(columns), ["name", "@value", "@interval"]);
    equal(columns.reduce((sum, { width }) => sum + width, 0), 368);
  },
  "rows on screen are drawn, and some around them"() {
    equal(rowRange(0, 600, 30, 10_000), { first: 0, end: 24 });
    equal(rowRange(3000, 600, 30, 10_000), { first: 96, end: 124 });
    equal(rowRange(299_400, 600, 30, 10_000).end, 10_000);
    equal(rowRange(9000, 600, 30, 5), { first: 4, end: 5 });
    equal(rowRange(0, 600, 30, 0), { first: 0, end: 0 });
  },
  "columns on screen are drawn, and gaps take the place of the others"() {
    const widths = Array.from({ length: 30 }, () => 100);
    const part = columnRange(widths, 1000, 600);
    equal(part, { first: 8, end: 18, before: 800, after: 1200 });
    equal(columnRange([], 0, 600), { first: 0, end: 0, before: 0, after: 0 });
    equal(columnRange([100, 100], 0, 600), { first: 0, end: 2, before: 0, after: 0 });
  },
  "the reason of the end takes the space that is left, and gives some"() {
    const widths = (name, width, natural = width) => stretched([{ width: name, kind: "name" }, { width, natural, kind: "why" }], 500).map((column) => column.width);
    equal([widths(100, 280), widths(300, 280), widths(400, 280), widths(300, 400, 280)], [[100, 400], [300, 200], [400, 280], [300, 400]]);
  },
  "a place of the table is a group or a run of an opened group"() {
    const opened = new Map([[4, 1], [1, 2]]);
    equal([0, 1, 2, 3, 4, 7, 8].map((place) => groupAt(place, opened)), [
      { group: 0, child: -1 },
      { group: 1, child: -1 },
      { group: 1, child: 0 },
      { group: 1, child: 1 },
      { group: 2, child: -1 },
      { group: 4, child: 0 },
      { group: 5, child: -1 },
    ]);
  },
};
