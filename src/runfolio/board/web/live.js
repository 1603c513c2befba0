// @ts-check
/**
 * Changes of the store, pushed by the server.
 *
 * A browser keeps only six connections per host, and every tab counts. One tab, the leader, therefore holds the event
 * stream of the server and passes its events on to the other tabs.
 */
import { signal } from "@preact/signals";
import { root } from "./url.js";

const RETRY_DELAY = 3000;
const LOST_AFTER = 2500;
const CHANNEL = `runfolio.live.${root.pathname}`;

/** Newest generation of the store's index that the server reported. */
export const generation = signal(/** @type {number | null} */ (null));

/**
 * Newest change: the keys of the changed runs, or null when any may have changed.
 * @type {import("@preact/signals").Signal<{generation: number | null, runs: Set<string> | null}>}
 */
export const changed = signal({ generation: null, runs: new Set() });

/** Keys of the runs whose points grew last. */
export const points = signal(/** @type {Set<string>} */ (new Set()));

/** False when the server has not been reachable for some seconds. */
export const connected = signal(true);

const channel = typeof BroadcastChannel === "undefined" ? null : new BroadcastChannel(CHANNEL);
let leads = false;
let lostTimer = 0;

/** Connect: as the leader of this browser's tabs, or through it. */
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
    // The browser gives up after an answer such as 403; a server that was started again may let us in.
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
 * Further failures must not start the timer again, since the browser retries before it ends.
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
