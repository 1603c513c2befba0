import { visibleRange } from "../parts/virtual.js";
import { equal } from "./check.js";

export const tests = {
  "the range covers what is in view, with spare rows"() {
    equal(visibleRange(10_000, 30, 3000, 600), { first: 94, last: 126 });
  },
  "the range ends with the list"() {
    equal(visibleRange(10, 30, 0, 600), { first: 0, last: 10 });
    equal(visibleRange(0, 30, 0, 600), { first: 0, last: 0 });
    equal(visibleRange(10, 30, 9000, 600).last, 10);
  },
};
