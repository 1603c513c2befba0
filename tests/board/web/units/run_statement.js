import { afterState, relationTexts, timelineRows } from "../pages/run/statement.js";
import { equal } from "./check.js";

const RUN = { state: "finished", duration_s: 200, step: 99, total_steps: null, progress: null, seconds_left: null, attempts: [], children: [], series: null };
const ATTEMPT = { attempt: 1, inherited: null, purpose: null, first_step: null, last_step: null, abandoned_steps: 0 };

export const tests = {
  "the end of a run says how long it took"() {
    equal(afterState(RUN), " in 3 min 20 s");
    equal(afterState({ ...RUN, state: "failed" }), " after 3 min 20 s");
    equal(afterState({ ...RUN, state: "crashed", duration_s: null }), "");
  },
  "a running run says how far it is"() {
    const running = { ...RUN, state: "running", duration_s: 720, step: 620, total_steps: 1000, progress: 0.62, seconds_left: 240 };
    equal(afterState(running), " for 12 min: step 620 of 1,000, 62 %, about 4 min left");
    equal(afterState({ ...running, total_steps: null, progress: null, seconds_left: null }), " for 12 min: step 620");
    equal(afterState({ ...running, step: null }), " for 12 min");
  },
  "relations count own attempts, forks and reproductions"() {
    const attempts = [{ ...ATTEMPT, inherited: "k3f9x2ab" }, ATTEMPT, ATTEMPT, { ...ATTEMPT, purpose: "test" }];
    const children = [{ kind: "fork" }, { kind: "reproduction" }, { kind: "fork" }];
    equal(relationTexts({ ...RUN, attempts, children, series: "lr" }), ["2 attempts", "tested in an attempt of its own", "2 forks", "1 reproduction", "series lr"]);
    equal(relationTexts({ ...RUN, attempts: [ATTEMPT] }), []);
  },
  "an abandoned attempt ends where the next one began"() {
    const first = { ...ATTEMPT, first_step: 0, last_step: 99, abandoned_steps: 40 };
    const second = { ...ATTEMPT, attempt: 2, first_step: 60, last_step: 199 };
    const rows = timelineRows({ ...RUN, step: 199, attempts: [first, second], children: [{ kind: "fork", step: 99 }] });
    equal(rows.map(({ kind, from, lost, to }) => [kind, from, lost, to]), [["attempt", 0, 0.3, 0.5], ["attempt", 0.3, 1, 1], ["child", 0.5, 0.5, 0.5]]);
  },
  "a single attempt reaches the last step of the run"() {
    const [row] = timelineRows({ ...RUN, attempts: [ATTEMPT] });
    equal([row.from, row.to], [0, 1]);
    equal(timelineRows({ ...RUN, step: null, attempts: [ATTEMPT] })[0].to, 0);
  },
};
