import { limitError } from "../charts/panel_header.js";
import { niceLimits, tickTexts, ticks } from "../charts/ticks.js";
import { equal } from "./check.js";

const texts = (min, max, options = {}) => {
  const { at, step } = ticks(min, max, { parts: 5, ...options });
  return tickTexts(at, step, options.time);
};

export const tests = {
  "ticks are round numbers with the decimals of their step"() {
    equal(texts(0, 1), ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]);
    equal(texts(0, 1200), ["0", "200", "400", "600", "800", "1,000", "1,200"]);
    equal(texts(-0.05, 0.05), ["-0.04", "-0.02", "0.00", "0.02", "0.04"]);
    equal(texts(0, 5e7), ["0", "1e7", "2e7", "3e7", "4e7", "5e7"]);
    equal(texts(0, 5e-5), ["0", "1e-5", "2e-5", "3e-5", "4e-5", "5e-5"]);
  },
  "steps have no ticks between them"() {
    equal(texts(0, 3, { whole: true }), ["0", "1", "2", "3"]);
    equal(texts(-0.5, 0.5, { whole: true }), ["0"]);
  },
  "logarithmic ticks are powers, or 1, 2 and 5 within two decades"() {
    equal(texts(1e-7, 1, { log: true }), ["1e-7", "1e-5", "0.001", "0.1"]);
    equal(texts(0.1, 4, { log: true }), ["0.1", "0.2", "0.5", "1", "2"]);
    equal(texts(2, 3, { log: true }), ["2.0", "2.2", "2.4", "2.6", "2.8", "3.0"]);
  },
  "times are in their largest units"() {
    equal(texts(0, 7200, { time: true }), ["0", "30 min", "1 h", "1 h 30 min", "2 h"]);
    equal(texts(0, 100, { time: true }), ["0", "30 s", "1 min", "1 min 30 s"]);
    equal(texts(0, 2, { time: true }), ["0", "0.5 s", "1.0 s", "1.5 s", "2.0 s"]);
  },
  "limits are round, and hold a constant or no value at all"() {
    equal(niceLimits(0.13, 0.97), [0, 1]);
    equal(niceLimits(5, 5), [2.5, 7.5]);
    equal(niceLimits(0, 0), [-0.5, 0.5]);
    equal(niceLimits(Infinity, -Infinity), [0, 1]);
    equal(niceLimits(-1e300, 1.7e308).every(Number.isFinite), true);
    const [low, high] = niceLimits(0.001, 10, { log: true });
    equal([low < 0.001, low > 0.0005, high > 10, high < 20], [true, true, true, true]);
  },
  "typed limits must be numbers in order"() {
    equal(["", "1e-3"].map((text) => limitError(text, "1")), ["", ""]);
    equal([limitError("a", ""), limitError("2", "1")], ["“a” is not a number.", "The lowest y must be less than the highest."]);
  },
};
