// What an agent has half written, by the interaction or contact it is for. It survives reloads, and goes only when it is sent.
import { signal } from "./html.js";
import * as kept from "./kept.js";

/** By key: {text, attachments: [{id, name, size, thumbnail}]}. */
export const drafts = signal(new Map());

let owner = "";
const name = () => `drafts.${owner}`;

/** Takes up what this agent has half written in this window. */
export function beginDrafts(agentId) {
  if (agentId !== owner) uploads.value = new Map(); // what is still on its way finds nobody who waits for it
  owner = agentId;
  drafts.value = new Map(Object.entries(kept.read(name(), {}, "session")));
}

const EMPTY = { text: "", attachments: [] };

export const draftOf = (key) => drafts.value.get(key) ?? EMPTY;

export function keepDraft(key, what) {
  const changed = new Map(drafts.value);
  const draft = { ...(changed.get(key) ?? EMPTY), ...what };
  if (draft.text || draft.attachments.length) changed.set(key, draft);
  else changed.delete(key);
  drafts.value = changed;
  kept.write(name(), Object.fromEntries(changed), "session");
}

export const dropDraft = (key) => keepDraft(key, EMPTY);

/** Whoever signs out leaves nothing half written to the next one at this window. */
export function dropAllDrafts() {
  drafts.value = new Map();
  uploads.value = new Map();
  kept.forget(name(), "session");
}

/** Attachments that are still on their way or refused: of this page only. By key: [{local, file, progress, problem}]. */
export const uploads = signal(new Map());

export function keepUploads(key, change) {
  uploads.value = new Map([...uploads.value, [key, change(uploads.value.get(key) ?? [])]]);
}
