// @ts-check
/** Page of an experiment: a sentence about the best run, the charts, and the table of runs. */
import { useEffect } from "preact/hooks";
import { useKeys } from "../../keys.js";
import { Empty } from "../../parts/empty.js";
import { ErrorBoundary, Failure } from "../../parts/error_boundary.js";
import { html } from "../../parts/html.js";
import { Later } from "../../parts/later.js";
import { Segmented } from "../../parts/segmented.js";
import { Split } from "../../parts/split.js";
import { splitShare } from "../../preferences.js";
import { narrow } from "../../screen.js";
import { patch, view } from "../../url.js";
import { RunsFilter } from "./runs_filter.js";
import { RunsTable } from "./runs_table.js";
import { runs } from "./state.js";

/** @type {[string, string][]} */
const LAYOUTS = [
  ["table", "Table"],
  ["split", "Split"],
  ["charts", "Charts"],
];

/** Load the charts separately. The charts are a third of the modules, and the table does not need these modules. */
const loadCharts = () => import("./charts.js");

/** The page of the experiment that the URL names, or the page of all runs. */
export function Page() {
  const name = view.experiment.value ?? "All runs";
  useKeys("Experiment", {
    1: { does: "Show only the table", run: () => patch({ layout: "table" }) },
    2: { does: "Show charts and table", run: () => patch({ layout: "split" }) },
    3: { does: "Show only the charts", run: () => patch({ layout: "charts" }) },
  });
  useEffect(() => {
    document.title = `${name} · runfolio`;
  }, [name]);
  return html`<div class="experiment">
    <${Head} name=${name} />
    <${Body} />
  </div>`;
}

/** @param {{name: string}} properties */
function Head({ name }) {
  return html`<div class="experiment-head">
    <div class="experiment-title"><h1>${name}</h1><${Sentence} /></div>
    <div class="experiment-tools">
      <${RunsFilter} />
      <${Segmented} label="Layout" options=${LAYOUTS} value=${view.layout.value} choose=${(/** @type {string} */ layout) => patch({ layout })} />
    </div>
  </div>`;
}

/** Sentence that names the best run, and the runs that cannot be distinguished from it. */
function Sentence() {
  const data = runs.data.value;
  if (!data) return html`<p class="sentence soft">${runs.loading.value ? "Loading the runs …" : " "}</p>`;
  return html`<p class="sentence text" aria-live="polite">
    ${data.sentence.map((/** @type {[string, boolean]} */ [text, isStrong]) => (isStrong ? html`<strong>${text}</strong>` : text))}
  </p>`;
}

function Body() {
  const { data, error } = runs;
  if (error.value?.status === 404) return html`<${NoRunsHere} />`;
  if (error.value && !data.value && error.value.position === null) return html`<${Failure} error=${error.value} retry=${runs.refresh} />`;
  if (data.value?.total === 0 && !view.where.value) return html`<${NoRunsHere} />`;
  const chartPane = html`<section class="pane charts" aria-label="Charts"><${ErrorBoundary} name="The charts">${data.value && html`<${Later} load=${loadCharts} name="ExperimentCharts" />`}</${ErrorBoundary}></section>`;
  const tablePane = html`<section class="pane" aria-label="Runs"><${ErrorBoundary} name="The table"><${RunsTable} /></${ErrorBoundary}></section>`;
  if (view.layout.value === "charts") return chartPane;
  if (view.layout.value === "table") return tablePane;
  if (narrow.value) return [tablePane, chartPane];
  return html`<${Split} label="Height of the charts" share=${splitShare} top=${chartPane} bottom=${tablePane} />`;
}

/** Message for an experiment without runs. */
function NoRunsHere() {
  const name = view.experiment.value;
  if (name === null) return html`<${Empty} title="No runs yet">Runs appear here after their first step.</${Empty}>`;
  const code = [{ text: `import runfolio\nrun = runfolio.init(experiment=${JSON.stringify(name)}, config={"lr": 0.1})\nrun.log({"train/loss": 0.5}, step=0)`, label: "three lines of Python" }];
  return html`<${Empty} title=${`No runs in ${name}`} code=${code}>Its runs may have been archived, renamed or moved to the trash. These lines record a new run.</${Empty}>`;
}
