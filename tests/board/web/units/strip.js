import { bandStretches } from "../charts/band.js";
import { countOutside } from "../charts/marks.js";
import { drawStrip, indexesInView, lowerBound, nearestIndex, nearestStrip, projection, toPixel, toValue } from "../charts/strip.js";
import { equal } from "./check.js";

const strip = (x, y) => ({ x: Float64Array.from(x), y: Float64Array.from(y) });
const view = (x, y, { log = "", width = 100, height = 100 } = {}) => ({
  width,
  height,
  ratio: 1,
  x: projection(x[0], x[1], 0, width, log.includes("x")),
  y: projection(y[0], y[1], height, 0, log.includes("y")),
});
const INK = { stroke: "#000", width: 0, dash: [] };

/** Context that writes down the lines it is asked to draw, one list of points per stretch. */
function recorder() {
  const lines = [];
  const dots = [];
  return {
    lines,
    dots,
    strokes: 0,
    save() {},
    restore() {},
    setLineDash() {},
    beginPath() {},
    fill() {},
    stroke() {
      this.strokes += 1;
    },
    moveTo: (x, y) => lines.push([[x, y]]),
    lineTo: (x, y) => lines[lines.length - 1].push([x, y]),
    arc: (x, y) => dots.push([x, y]),
  };
}

function drawn(line, place, ink = INK) {
  const context = recorder();
  drawStrip(/** @type {any} */ (context), line, place, ink);
  return context;
}

export const tests = {
  "a pixel and its value belong together on linear and logarithmic axes"() {
    for (const log of [false, true]) {
      const scale = projection(0.01, 100, 0, 400, log);
      equal([0.01, 100].map((value) => Math.round(toPixel(scale, value))), [0, 400]);
      equal(Math.round(toValue(scale, toPixel(scale, 7)) * 1e9), 7e9);
    }
    equal(toPixel(projection(0.01, 100, 0, 400, true), 1), 200);
    equal(toPixel(projection(5, 5, 0, 400, false), 5), 200);
  },
  "only the points in view and one neighbour on each side are drawn"() {
    const x = [0, 10, 20, 30, 40, 50];
    equal(indexesInView(strip(x, x), 15, 35), [1, 5]);
    equal(indexesInView(strip(x, x), -5, 90), [0, 6]);
    equal(indexesInView(strip(x, x), 60, 90), [5, 6]);
    equal([9, 10, 10.5, 60].map((value) => lowerBound(Float64Array.from(x), value)), [1, 1, 2, 6]);
  },
  "gaps are never bridged, and a point between gaps is a dot"() {
    const line = strip([0, 20, 40, 60, 80, 100], [0, 50, NaN, 100, Infinity, 50]);
    const { lines, dots } = drawn(line, view([0, 100], [0, 100]));
    equal(lines, [[[0, 100], [20, 50]], [[60, 0]], [[100, 50]]]);
    equal(dots, [[60, 0], [100, 50]]);
  },
  "values at or below zero are gaps on a logarithmic axis"() {
    const { lines } = drawn(strip([0, 50, 100], [1, 0, 100]), view([0, 100], [1, 100], { log: "y" }));
    equal(lines.map((points) => points.length), [1, 1]);
  },
  "a wide line is stroked in chunks that join, and drawn in full"() {
    const x = [...Array(100).keys()];
    const { lines, strokes } = drawn(strip(x, x), view([0, 99], [0, 99]), { ...INK, width: 1.5 });
    equal(strokes, 7);
    equal(lines.every((points, i) => i === 0 || String(points[0]) === String(lines[i - 1].at(-1))), true);
    equal(lines.reduce((sum, points) => sum + points.length - 1, 0), 99);
  },
  "the line under the cursor is found, also between points and beside gaps"() {
    const flat = strip([0, 100], [50, 50]);
    const broken = strip([0, 40, 60, 100], [20, 20, NaN, 20]);
    const place = view([0, 100], [0, 100]);
    equal(nearestStrip([flat, broken], place, 50, 48, 20)?.strip === flat, true);
    equal(nearestStrip([flat, broken], place, 20, 78, 20)?.strip === broken, true);
    equal(nearestStrip([broken], place, 70, 80, 20), null);
    equal(nearestStrip([flat], place, 50, 5, 20), null);
  },
  "the nearest finite point is found in sorted and unsorted lines"() {
    const line = strip([0, 10, 20, 30], [1, NaN, 3, 4]);
    equal([-5, 4, 9, 12, 26, 99].map((x) => nearestIndex(line, x)), [0, 0, 0, 2, 3, 3]);
    equal(nearestIndex(strip([3, 1, 2], [0, 0, 0]), 1.2), 1);
    equal(nearestIndex(strip([1], [NaN]), 1), -1);
  },
  "points outside the limits in view are counted"() {
    const line = strip([0, 1, 2, 3, 9], [5, -5, 0.5, NaN, 5]);
    equal(countOutside([line], view([0, 3], [0, 1])), { above: 1, below: 1 });
  },
  "a band has a gap where a limit is missing"() {
    const band = { ...strip([0, 1, 2, 3, 4], [0, 0, 0, 0, 0]), low: Float64Array.from([0, 0, NaN, 0, 0]), high: Float64Array.from([1, 1, 1, 1, 1]) };
    equal(bandStretches(band, view([0, 4], [0, 1])), [[0, 2], [3, 5]]);
  },
};
