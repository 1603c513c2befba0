import { bind, keyName } from "../keys.js";
import { equal } from "./check.js";

const press = (key, options = {}, target = document.body) =>
  target.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true, ...options }));

export const tests = {
  "keys are named as they are printed"() {
    const name = (key, options) => keyName(new KeyboardEvent("keydown", { key, ...options }));
    equal([name("?", { shiftKey: true }), name("k", { ctrlKey: true }), name("ArrowUp", { shiftKey: true }), name("Delete")], ["?", "Ctrl-K", "Shift-ArrowUp", "Del"]);
  },
  "the newest binding wins, until it is released"() {
    const seen = [];
    const first = bind("a", { q: { does: "", run: () => seen.push("first") } });
    const second = bind("b", { q: { does: "", run: () => seen.push("second") } });
    press("q");
    second();
    press("q");
    first();
    press("q");
    equal(seen, ["second", "first"]);
  },
  "a sequence of two keys acts at the second"() {
    const seen = [];
    const release = bind("a", { "g x": { does: "", run: () => seen.push("g x") } });
    press("g");
    press("x");
    press("x");
    release();
    equal(seen, ["g x"]);
  },
  "single keys do nothing while a field has the focus"() {
    const seen = [];
    const release = bind("a", { q: { does: "", run: () => seen.push("q") }, Escape: { does: "", run: () => seen.push("Escape") } });
    const field = document.body.appendChild(document.createElement("input"));
    press("q", {}, field);
    press("Escape", {}, field);
    field.remove();
    release();
    equal(seen, ["Escape"]);
  },
  "a modal binding hides those before it"() {
    const seen = [];
    const below = bind("a", { q: { does: "", run: () => seen.push("q") } });
    const modal = bind("b", { Escape: { does: "", run: () => seen.push("Escape") } }, { modal: true });
    press("q");
    press("Escape");
    modal();
    below();
    equal(seen, ["Escape"]);
  },
  "Enter on a button presses the button"() {
    const seen = [];
    const release = bind("a", { Enter: { does: "", run: () => seen.push("Enter") } });
    const button = document.body.appendChild(document.createElement("button"));
    press("Enter", {}, button);
    press("Enter");
    button.remove();
    release();
    equal(seen, ["Enter"]);
  },
};
