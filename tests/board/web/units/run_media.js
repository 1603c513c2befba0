import { paint } from "../pages/run/mask.js";
import { placeOf, splitItem } from "../pages/run/media.js";
import { equal } from "./check.js";

export const tests = {
  "a step shows the last medium that is not after it"() {
    equal([null, 25, 20, 99, 0].map((at) => placeOf([0, 10, 20, 30], at)), [3, 2, 2, 3, 0]);
    equal(placeOf([5], 1), -1);
  },
  "names with slashes are read as they were written"() {
    equal(splitItem("image/val/samples/0"), ["image", "val/samples/0"]);
    equal(splitItem("figure"), ["figure", ""]);
    equal(splitItem(""), ["", ""]);
  },
  "the pixels of a mask take the colour of their class, and class 0 is clear"() {
    const data = new Uint8ClampedArray([0, 0, 0, 255, 1, 1, 1, 255, 3, 3, 3, 255]);
    paint(data, [[9, 9, 9], [10, 20, 30]]);
    equal(data, [9, 9, 9, 0, 10, 20, 30, 128, 10, 20, 30, 128]);
  },
};
