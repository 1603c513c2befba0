import { DEFAULTS, format, parse } from "../view_format.js";
import { equal } from "./check.js";

const VIEWS = [
  {},
  { experiment: "digits" },
  { experiment: "a/b ü?#&=+%,<script>" },
  { page: "run", run: "00000000000000ff", tab: "console" },
  { page: "trash" },
  { where: "lr < 0.1 AND name LIKE '50%_+&=#'", sort: "-val/acc.best", columns: ["params.lr", "a,b", "val/acc.last"] },
  { layout: "charts", smooth: 0.6, log: "xy", from: -3, to: 1e300, at: 500.25, archived: true },
  { show: ["00000000000000ff", "00000000000000fe"], only: ["00000000000000fd"], baseline: "00000000000000fc" },
  { panels: { "val/acc & co": { log: "y", ylim: [0, 1] } }, theme: "dark" },
];

export const tests = {
  "every view is read as it was written"() {
    for (const changes of VIEWS) {
      const view = { ...DEFAULTS, ...changes };
      const [path, search] = format(view).split("?");
      equal(parse(path, `?${search}`), view);
    }
  },
  "defaults are left out of the query"() {
    equal(format(DEFAULTS), "all?v=1");
    equal(format({ ...DEFAULTS, experiment: "digits", layout: "split" }), "e/digits?v=1");
  },
  "queries stay readable"() {
    equal(format({ ...DEFAULTS, where: "val/acc.max > 0.5" }), "all?v=1&where=val/acc.max+%3E+0.5");
  },
  "values that are not allowed count as defaults"() {
    equal(parse("all", "?v=1&layout=side&smooth=2&from=x&panels=[1]&log=z&theme=pink&what=1&__proto__=1"), DEFAULTS);
  },
  "a damaged encoding is read as it is"() {
    equal(parse("e/%E0%A4%A", "?where=%ZZ").where, "%ZZ");
  },
};
