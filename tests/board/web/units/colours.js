import { COLOURS, assign, assigned, colourIndex, css, dash } from "../colours.js";
import { equal } from "./check.js";

const keys = (count, from = 0) => Array.from({ length: count }, (_, index) => `run ${index + from}`);

function fresh() {
  assigned.value = new Map();
}

export const tests = {
  "the first eight runs have the eight colours in order"() {
    fresh();
    assign(keys(8));
    equal(keys(8).map(colourIndex), [0, 1, 2, 3, 4, 5, 6, 7]);
  },
  "a run keeps its colour when the order changes and others come"() {
    fresh();
    assign(keys(4));
    assign(["new", "run 3", "run 0"]);
    equal(["run 3", "run 0", "new"].map(colourIndex), [3, 0, 4]);
  },
  "two runs that are drawn together never share an index"() {
    fresh();
    assign(keys(8));
    assign(keys(8, 4));
    assign([...keys(4), ...keys(8, 4)]);
    const drawn = [...keys(4), ...keys(8, 4)].map(colourIndex);
    equal(new Set(drawn).size, 12);
  },
  "a run that comes and goes keeps its colour, and a run that comes has a colour of its own"() {
    fresh();
    assign(keys(8));
    assign(keys(8, 1));
    equal(colourIndex("run 8"), COLOURS);
    assign(keys(8));
    equal(keys(9).map(colourIndex), [0, 1, 2, 3, 4, 5, 6, 7, COLOURS]);
    assign(keys(8, 100));
    equal(keys(8, 100).map(colourIndex), [0, 1, 2, 3, 4, 5, 6, 7]);
    assign(keys(8));
    equal(keys(8).map(colourIndex), [0, 1, 2, 3, 4, 5, 6, 7]);
  },
  "when all colours have owners, the colour of a run that is not drawn is taken"() {
    fresh();
    for (let from = 0; from < 40; from++) assign(keys(8, from));
    const drawn = keys(8, 39).map(colourIndex);
    equal([new Set(drawn).size, Math.max(...drawn) < 4 * COLOURS], [8, true]);
  },
  "after eight runs the colours repeat with dashes, and end in grey"() {
    equal([css(0), css(COLOURS), css(4 * COLOURS), css(-1)], ["run-0", "run-0", "run-more", "run-more"]);
    equal([dash("val", 0), dash("train", 0), dash("test", 0), dash("val", COLOURS).length > 0], [[], [6, 3], [2, 2], true]);
  },
};
