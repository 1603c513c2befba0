// @ts-check
/**
 * Changes of the store, as the server reports them.
 *
 * A browser allows only six connections per host for all its tabs. Only one tab, the leader, therefore holds the event
 * stream of the server. It passes the events to the other tabs.
 */
import { signal } from "@preact/signals";
import { root } from "./url.js";

const RETRY_DELAY = 3000;
const LOST_AFTER = 2500;
const CHANNEL = `runfolio.live.${root.pathname}`;

/** Latest generation (version number) of the store's index that the server reported. */
export const generation = signal(/** @type {number | null} */ (null));

/**
 * Latest change. `runs` holds the keys of the changed runs, or null if any run may have changed.
 * @type {import("@preact/signals").Signal<{generation: number | null, runs: Set<string> | null}>}
 */
export const changed = signal({ generation: null, runs: new Set() });

/** Keys of the runs in the latest event about new points. */
export const points = signal(/** @type {Set<string>} */ (new Set()));

/** False if the server has not been reachable for some seconds. */
export const connected = signal(true);

const channel = typeof BroadcastChannel === "undefined" ? null : new BroadcastChannel(CHANNEL);
let leads = false;
let lostTimer = 0;

/** Connect to the server, either as the leader of this browser's tabs or through the leader. */
export function start() {
  if (!channel || !navigator.locks) {
    lead();
    return;
  }
  channel.onmessage = ({ data }) => (data.type === "hello" ? greet() : receive(data));
  channel.postMessage({ type: "hello" });
  navigator.locks.request(CHANNEL, () => {
    lead();
    return new Promise(() => {});
  });
}

function lead() {
  leads = true;
  open();
}

function greet() {
  if (leads) channel?.postMessage({ type: "connected", value: connected.peek(), generation: generation.peek() });
}

function open() {
  const source = new EventSource(new URL("api/live", root));
  source.addEventListener("changed", ({ data }) => share({ type: "changed", ...JSON.parse(data) }));
  source.addEventListener("points", ({ data }) => share({ type: "points", runs: Object.keys(JSON.parse(data)) }));
  source.onopen = () => share({ type: "connected", value: true });
  source.onerror = () => {
    share({ type: "connected", value: false });
    if (source.readyState !== EventSource.CLOSED) return;
    // The browser gives up after an answer such as 403. A restarted server may accept the connection, so try again.
    source.close();
    setTimeout(open, RETRY_DELAY);
  };
}

/** @param {any} message */
function share(message) {
  receive(message);
  channel?.postMessage(message);
}

/** @param {any} message */
function receive(message) {
  if (message.type === "connected") setConnected(message.value);
  else if (message.type === "points") points.value = new Set(message.runs);
  else if (message.type === "changed") {
    const runs = message.runs === "all" ? null : new Set(message.runs);
    generation.value = message.generation;
    changed.value = { generation: message.generation, runs: /** @type {Set<string> | null} */ (runs) };
  }
}

/**
 * Record whether the server is reachable. A failure counts only after some seconds. Further failures do not extend this
 * time.
 * @param {boolean} value
 */
function setConnected(value) {
  if (value) {
    clearTimeout(lostTimer);
    lostTimer = 0;
    connected.value = true;
  } else if (!lostTimer) {
    lostTimer = window.setTimeout(() => (connected.value = false), LOST_AFTER);
  }
}
