// @ts-check
import { Empty } from "../parts/empty.js";
import { html } from "../parts/html.js";
import { store } from "../store.js";

const LINES = `import runfolio
run = runfolio.init("first", experiment="my-experiment", config={"lr": 0.1})
run.log({"train/loss": 0.5}, step=0)`;

/** Page of an empty store. It explains how to record the first run. */
export function NoRuns() {
  const folder = store.data.value?.folder;
  const code = [
    { text: LINES, label: "three lines of Python" },
    { text: "runfolio train digits", label: "command that trains a small classifier" },
  ];
  return html`<${Empty} title="No runs yet" code=${code}>
    ${folder && html`<p>The store <code>${folder}</code> is empty. </p>`}
    <p>Add three lines to a training script, or train a small classifier with one command. The run appears here after its first step.</p>
  </${Empty}>`;
}
