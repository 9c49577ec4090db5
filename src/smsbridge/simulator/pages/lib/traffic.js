// What goes over the wire, newest first, and the faults that are in it on purpose.
import { signal } from "/desk/assets/lib/html.js";
import * as simulator from "./simulator.js";

const MOST = 300;

/** Exchanges of the simulator, and what the bridge tells of its own accord: {key, at, direction, path, kind, status, ms, say, body}. */
export const lines = signal([]);
export const faults = signal({});

let clearedAt = "";

export function add(line) {
  if (line.at <= clearedAt || lines.value.some((each) => each.key === line.key)) return;
  const later = lines.value.filter((each) => each.at > line.at);
  lines.value = [...later, line, ...lines.value.slice(later.length)].slice(0, MOST);
}

export async function clear() {
  clearedAt = new Date().toISOString();
  lines.value = [];
  await simulator.remove("/api/traffic").catch(() => {});
}

export const readExchange = (exchange) => ({
  key: `wire ${exchange.seq}`,
  at: exchange.at,
  direction: exchange.direction === "carrier→bridge" ? "in" : "out",
  kind: exchange.kind,
  path: `${exchange.method} ${shorten(exchange.path)}`,
  status: exchange.status,
  ms: exchange.ms,
  say: say(exchange),
  body: exchange.body,
});

/** Without query and account, which say nothing here. */
const shorten = (path) => path.replace(/\?.*/, "").replace(/\/Accounts\/AC[0-9a-f]+\//, "/…/").replace(/\.json$/, "");

function say({ kind, status, signature, summary }) {
  if (signature !== "valid" || (kind !== "webhook" && kind !== "callback")) return summary;
  if (status === 403) return `signature refused: ${summary}`;
  return status !== null && status < 300 ? `signature ok, ${summary}` : summary;
}

export async function loadFaults() {
  faults.value = (await simulator.get("/api/faults")).faults;
}

/** Without an answer they are shown as they were: the phones say that the simulator is gone. */
export async function setFault(name, chance) {
  await change(() => simulator.patch("/api/faults", { [name]: chance }));
}

export async function endFaults() {
  await change(() => simulator.put("/api/faults", {}));
}

async function change(call) {
  try {
    faults.value = (await call()).faults;
  } catch {
    faults.value = { ...faults.value };
  }
}
