import { ago, bytes, column, duration, integer, middle, number, stepValue } from "../format.js";
import { equal } from "./check.js";

export const tests = {
  "numbers have four significant digits and no zeros at their end"() {
    equal([0.97888, 0.5, 1234.5678, 0.00012346, 12].map((value) => number(value)), ["0.9789", "0.5", "1,235", "0.0001235", "12"]);
  },
  "very large and very small numbers have an exponent"() {
    equal([1.5e9 + 0.5, 3e-7, 1e300].map((value) => number(value)), ["1.5e9", "3e-7", "1e300"]);
  },
  "values that are not finite are named"() {
    equal(["NaN", "Infinity", "-Infinity", null, NaN].map((value) => number(value)), ["NaN", "∞", "−∞", "", "NaN"]);
  },
  "negative numbers have a minus sign"() {
    equal([number(-0.25), number(-1234)], ["−0.25", "−1,234"]);
  },
  "a column has the same digits in every row"() {
    equal(column([0.979, 0.9, 0.58333, null, "NaN"]), ["0.979", "0.900", "0.583", "", "NaN"]);
    equal(column([29354, 3466]), ["29,354", "3,466"]);
    equal(column([1.87, 0.04, 12.5]), ["1.87", "0.04", "12.50"]);
  },
  "a column over many magnitudes keeps the digits of each value"() {
    equal(column([0.1, 3e-4, 1e-7]), ["0.1", "0.0003", "1e-7"]);
  },
  "integers and steps have commas"() {
    equal([integer(1000000), stepValue(1800), stepValue(0.25)], ["1,000,000", "1,800", "0.25"]);
  },
  "durations have their two largest units"() {
    equal([0.1512, 12, 62, 3600, 3720, 90000].map(duration), ["0.151 s", "12 s", "1 min 2 s", "1 h", "1 h 2 min", "1 d 1 h"]);
  },
  "times say how long ago they were"() {
    equal([0, 42, 180, 7200, 200000].map((past) => ago(1e9 - past, 1e9)), ["just now", "42 s ago", "3 min ago", "2 h ago", "2 d ago"]);
  },
  "sizes have a unit"() {
    equal([999, 1400, 48256, 1.5e9].map(bytes), ["999 B", "1.4 kB", "48.3 kB", "1.5 GB"]);
  },
  "a long name loses its middle, and no half of a character"() {
    equal(middle("resnet18-adam-lr0.1-seed3", 11), "resne…seed3");
    equal(middle("short", 11), "short");
    equal(middle("🦊🦊🦊🦊🦊🦊", 3), "🦊…🦊");
  },
};
