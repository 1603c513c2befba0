import { complete } from "../table/completion.js";
import { and, conditions, quotedValue, tagCondition, without } from "../table/filter_text.js";
import { equal } from "./check.js";

const LISTED = [
  { name: "state", heading: "state", group: "run", kind: "text", varies: true, values: [["finished", 6], ["failed", 1]] },
  { name: "created", heading: "created", group: "run", kind: "time", varies: true, values: [] },
  { name: "params.lr", heading: "lr", group: "params", kind: "number", varies: true, low: 0.01, high: 0.1, values: [[0.01, 4], [0.1, 3]] },
  { name: "params.batch size", filter: 'params."batch size"', heading: "batch size", group: "params", kind: "number", varies: false, values: [[32, 7]] },
  { name: "val/acc", heading: "val/acc", group: "metrics", kind: "number", varies: true, low: 0.1, high: 0.9, values: [] },
];
const options = (filter, caret = filter.length) => complete(filter, caret, LISTED).options.map(({ text }) => text);
/** The filter after taking the first completion. */
const taken = (filter) => {
  const { from, to, options: [first] } = complete(filter, filter.length, LISTED);
  return filter.slice(0, from) + first.text + filter.slice(to);
};

export const tests = {
  "names are found at their beginning, at a part, or anywhere"() {
    equal(options("st"), ["state"]);
    equal(options("acc"), ["val/acc"]);
    equal(options("r"), ["created", "params.lr", 'params."batch size"']);
    equal(options("x > 1 AND l"), ["params.lr", "val/acc"]);
  },
  "a metric is completed by its aggregates"() {
    equal(options("val/acc.m"), ["val/acc.min", "val/acc.max", "val/acc.mean"]);
    equal(taken("lr < 1 AND val/acc.b"), "lr < 1 AND val/acc.best");
  },
  "after a name come the operators of its kind"() {
    equal(options("state ").slice(0, 3), ["=", "!=", "IN"]);
    equal(options("val/acc.best ").slice(0, 3), ["<", "<=", ">"]);
    equal(options("lr >"), [">", ">="]);
  },
  "after an operator come the values, the commonest first"() {
    equal(options("state = "), ["'finished'", "'failed'"]);
    equal(options("state = 'fa"), ["'failed'"]);
    equal(taken("state = 'fa"), "state = 'failed'");
    equal(options("state IN ('finished', "), ["'finished'", "'failed'"]);
    equal(options("lr = "), ["0.01", "0.1"]);
    equal(options("created > ")[0], "now() - interval '1 hour'");
  },
  "after a condition come the connectives, but not inside a list or a range"() {
    equal(options("lr < 0.1 "), ["AND", "OR"]);
    equal(options("lr BETWEEN 0.01 AND "), ["0.01", "0.1"]);
    equal(options("state IN ('failed' "), []);
    equal(options("state IS "), ["NULL", "NOT NULL"]);
    equal(options("NOT (st"), ["state"]);
  },
  "only the word before the caret is replaced"() {
    equal(complete("st = 'failed'", 2, LISTED), { from: 0, to: 2, options: [{ text: "state", detail: "2 values" }] });
  },
  "details say what a column holds and how often a value occurs"() {
    equal(complete("params.l", 8, LISTED).options[0].detail, "setting, 0.01 to 0.1");
    equal(complete("state = ", 8, LISTED).options.map(({ detail }) => detail), ["6 runs", "1 run"]);
  },
  "anything typed is accepted"() {
    for (const filter of ["'", '"', "((", "a = 'it''s", "x IN (", "~ ü § 1.2.3", "AND AND", ")))", "lr <"]) {
      for (let caret = 0; caret <= filter.length; caret += 1) complete(filter, caret, LISTED);
      conditions(filter);
    }
  },
  "a filter falls into the conditions that AND joins"() {
    const filter = "lr BETWEEN 1 AND 2 AND (a = 1 OR b = 2) and name = 'x AND y'";
    equal(conditions(filter).map(({ text }) => text), ["lr BETWEEN 1 AND 2", "(a = 1 OR b = 2)", "name = 'x AND y'"]);
    equal(without(filter, 1), "lr BETWEEN 1 AND 2 AND name = 'x AND y'");
    equal(conditions("a = 1 AND b = 2 OR c = 3").length, 1);
    equal(conditions("  "), []);
  },
  "a condition is added once, and binds as it is read"() {
    equal(and("", "lr = 1"), "lr = 1");
    equal(and("lr = 1", "lr = 1"), "lr = 1");
    equal(and("a = 1 OR b = 2", "lr = 1"), "(a = 1 OR b = 2) AND lr = 1");
  },
  "values are quoted where the grammar needs it"() {
    equal([0.1, true, "it's"].map(quotedValue), ["0.1", "true", "'it''s'"]);
    equal(["baseline", "team=vision", "a b"].map(tagCondition), ["tags.baseline", "tags.team = 'vision'", 'tags["a b"]']);
  },
};
