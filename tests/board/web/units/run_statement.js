import { afterState, relationTexts, timelineRows } from "../pages/run/statement.js";
import { equal } from "./check.js";

const RUN = { state: "finished", duration_s: 200, step: 99, total_steps: null, progress: null, seconds_left: null, attempts: [], children: [], series: null };
const ATTEMPT = { attempt: 1, inherited: null, purpose: null, started: 0, seconds: 1, lost_s: 0 };

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
    equal(relationTexts({ ...RUN, attempts, children, series: "lr" }), ["2 attempts", "tested in a separate attempt", "2 forks", "1 reproduction", "series lr"]);
    equal(relationTexts({ ...RUN, attempts: [ATTEMPT] }), []);
  },
  "attempts follow each other on the time of work, with short gaps"() {
    const first = { ...ATTEMPT, started: 1000, seconds: 50, lost_s: 10 };
    const second = { ...ATTEMPT, attempt: 2, started: 5000, seconds: 47 };
    const rows = timelineRows({ ...RUN, attempts: [first, second], children: [{ kind: "fork", created: 5023.5 }] });
    const rounded = rows.map(({ kind, from, lost, to, pause }) => [kind, ...[from, lost, to, pause].map((value) => Number(value.toFixed(6)))]);
    equal(rounded, [["attempt", 0, 0.4, 0.5, 0], ["attempt", 0.53, 1, 1, 3950], ["child", 0.765, 0.765, 0.765, 0]]);
  },
  "a single attempt takes the whole axis, even if its length is unknown"() {
    for (const seconds of [null, 0, 12]) {
      const [row] = timelineRows({ ...RUN, attempts: [{ ...ATTEMPT, seconds }] });
      equal([row.from, row.lost, row.to], [0, 1, 1]);
    }
    equal(timelineRows({ ...RUN, children: [{ kind: "fork", created: 1 }] })[0].to, 0);
  },
};
