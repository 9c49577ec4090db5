// Texts written here that the bridge has not taken yet. Each has a key: said again, it is still the same text, so a
// double click, a reload, a second tab or a broken line sends nothing twice. They go out in order, one at a time.
// Each is kept by itself, under its key, and every tab of this agent has them all: whichever lives longest sends them.
import { signal } from "./html.js";
import * as api from "./api.js";
import * as kept from "./kept.js";

const RETRY_MS = 2_000;
const PAUSE_MS = 400;

/** [{key, contactId, to, interactionId, text, attachments, quick, force, state, detail, overridable, at}] */
export const unsent = signal([]);

let owner = "";
let isSending = false;
let again = 0;
let onTaken = () => {};

/** Takes up what an earlier page of this agent left behind. `work` hears of every message that was taken. */
export function begin(agentId, work) {
  owner = agentId;
  onTaken = work;
  unsent.value = kept.keys(nameOf("")).map((name) => kept.read(name, null)).filter(Boolean).sort(byTime);
  sendAll();
}

/** Its agent has left: what waits stays kept for them, and is not sent by whoever comes next. */
export function rest() {
  owner = "";
  unsent.value = [];
}

const nameOf = (key) => `unsent.${owner}.${key}`;
const byTime = (one, other) => one.at.localeCompare(other.at);

export function add(text) {
  const item = { key: api.newKey(), state: "unsent", at: new Date().toISOString(), ...text };
  kept.write(nameOf(item.key), item);
  unsent.value = [...unsent.value, item];
  sendAll();
}

export function drop(key) {
  kept.forget(nameOf(key));
  unsent.value = unsent.value.filter((each) => each.key !== key);
}

/** The same text once more, after the agent has read why not. */
export function insist(key) {
  const item = unsent.value.find((each) => each.key === key);
  if (!item) return;
  drop(key);
  add({ ...item, key: api.newKey(), at: new Date().toISOString(), state: "unsent", force: true, detail: "" });
}

export async function sendAll() {
  if (isSending) return;
  isSending = true;
  try {
    for (;;) {
      const next = unsent.value.find((each) => each.state === "unsent");
      if (!next || !(await sendOne(next))) return;
    }
  } finally {
    isSending = false;
  }
}

/** False when the line is down: then everything waits. */
async function sendOne(item) {
  const { text, interactionId, to, attachments = [], quick, force } = item;
  const name = nameOf(item.key); // its agent may have left by the time of the answer
  const where = quick ? { to, quick_reply: true } : { interaction_id: interactionId };
  const media = attachments.map((each) => ({ attachment_id: each.id }));
  try {
    const said = { ...where, text, media, force: Boolean(force), client_reference: item.key };
    const message = await api.post("/messages", said, item.key);
    kept.forget(name);
    change(item.key, { state: "taken" });
    onTaken(message);
  } catch (problem) {
    if (problem instanceof api.LineDown) {
      clearTimeout(again);
      again = setTimeout(sendAll, RETRY_MS); // the stream may live on: nothing else would call
      return false;
    }
    if (problem.status === 401) return false;
    if (problem.status === 409 && problem.code === undefined) return pause(); // another tab says the same just now
    const refusal = { state: "refused", detail: problem.message, overridable: Boolean(problem.overridable) };
    if (kept.read(name, null)) kept.write(name, { ...item, ...refusal });
    change(item.key, refusal);
  }
  return true;
}

const pause = () => new Promise((resolve) => setTimeout(() => resolve(true), PAUSE_MS));

function change(key, what) {
  unsent.value = unsent.value.map((each) => (each.key === key ? { ...each, ...what } : each));
}

/** Those that the transcript shows now: the message bears the key with which it was sent. */
export function dropArrived(entries) {
  const arrived = new Set(entries.map((entry) => entry.message?.client_reference));
  for (const { key } of unsent.value) if (arrived.has(key)) drop(key);
}

// Another tab of this agent wrote, sent or dropped one. It sends it itself; this tab does if the other is gone by then.
addEventListener("storage", ({ key, newValue }) => {
  const prefix = `smsbridge.${nameOf("")}`;
  if (!owner || !key?.startsWith(prefix)) return;
  const name = key.slice(prefix.length);
  const known = unsent.value.find((each) => each.key === name);
  if (known?.state === "taken") return;
  const others = unsent.value.filter((each) => each.key !== name);
  unsent.value = newValue === null ? others : [...others, JSON.parse(newValue)].sort(byTime);
  if (newValue !== null) setTimeout(sendAll, RETRY_MS);
});
