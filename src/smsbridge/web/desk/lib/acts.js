// What an agent does. Each act asks the bridge, keeps what it answers, and says in words what went wrong.
import { batch } from "./html.js";
import * as api from "./api.js";
import { beginDrafts, dropAllDrafts } from "./drafts.js";
import * as loads from "./loads.js";
import * as state from "./state.js";
import * as unsent from "./unsent.js";
import { follow, unfollow } from "./stream.js";

const RETRY_MS = 2_000;

export async function begin() {
  try {
    await loads.loadSession();
  } catch (problem) {
    if (!api.mayPass(problem)) throw problem;
    state.isUnanswered.value = true;
    setTimeout(begin, RETRY_MS);
  }
  if (state.session.value) enter();
}

function enter() {
  const { agent, status, last_event_id } = state.session.value;
  api.turnOver();
  beginDrafts(agent.id);
  state.merge(state.agents, [[agent.id, { role: state.session.value.role, ...status }]]);
  follow(last_event_id);
  unsent.begin(agent.id, (message) => attempt(() => loads.pullTranscript(message.contact_id), { quietly: true }));
}

export async function signIn(name, passcode) {
  state.farewell.value = "";
  state.session.value = await api.post("/session", { name, passcode });
  enter();
}

export async function signOut() {
  const isOver = await attempt(() => api.remove("/session"), { quietly: true });
  if (!isOver && state.session.value) return say("You are still signed in: the bridge does not answer. Try again in a moment.", { bad: true, lasts: 6_000 });
  dropAllDrafts();
  leave();
  state.farewell.value = "";
}

/** Whoever comes next at this window finds nothing of this agent but the theme and the address. */
function leave() {
  api.turnOver();
  unfollow();
  unsent.rest();
  reading.clear();
  writingUntil.clear();
  batch(() => {
    state.session.value = null;
    state.reloads.value = 0;
    state.interactions.value = new Map();
    state.contacts.value = new Map();
    state.transcripts.value = new Map();
    state.replies.value = [];
    state.declined.value = new Set();
    state.heard.value = state.failed.value = "";
    state.toast.value = state.dialog.value = null;
  });
}

api.whenSignedOut(() => {
  if (!state.session.value) return;
  leave();
  state.farewell.value = "Your session has ended. What you had half written is still here when you sign in again.";
});

export function setReady(ready, reason = "") {
  return attempt(() => saveStatus(() => ({ ready, reason: ready ? null : reason || null })));
}

export const setAutoAnswer = (auto_answer) =>
  attempt(() => saveStatus(() => ({ ready: state.isReady.value, auto_answer })));

const under = new Map();

/** Acts on one thing go out one at a time: two in quick succession could overtake each other, and the older one would hold. */
function inTurn(id, work) {
  const done = (under.get(id) ?? Promise.resolve()).then(work);
  const over = done.catch(() => {}); // whoever asked for it is told
  under.set(id, over);
  over.then(() => under.get(id) === over && under.delete(id));
  return done;
}

function saveStatus(write) {
  const agent = state.session.value?.agent;
  return inTurn("status", async () => {
    if (!agent || state.me.value !== agent.id) return; // signed out meanwhile: it is not meant for whoever came in
    const said = await api.put(`/agents/${encodeURIComponent(agent.id)}/status`, { ...write(), name: agent.name });
    state.merge(state.agents, [[said.id, { ...state.agents.value.get(said.id), ...said }]]);
  });
}

// --- interactions

const accepting = new Set();
const hasKeys = matchMedia("(hover: hover)"); // on a touch screen they would cover what was said

/** It comes into view where its agent still waits for it. `isAuto`: nobody has pressed anything; then if nothing else is there.
    `isToWrite`: with its button, and not with a letter. What is typed then is meant for the contact. */
export async function accept(interaction, { isAuto = false, isToWrite = false } = {}) {
  if (accepting.has(interaction.id)) return;
  accepting.add(interaction.id);
  const place = state.place.value;
  try {
    await change(interaction, () => api.post(`/interactions/${interaction.id}/accept`, {}), { quietly: isAuto });
    if (isAuto ? !state.isNothingOpen() : state.place.value !== place) return; // they have gone elsewhere meanwhile
    if (!state.isMine(state.interactions.value.get(interaction.id) ?? {})) return;
    state.tab.value = "mine"; // where it stands now
    if (isToWrite && hasKeys.matches) state.writesTo.value = interaction.id;
    open(interaction);
  } finally {
    accepting.delete(interaction.id);
  }
}

export function decline(interaction) {
  state.declined.value = new Set([...state.declined.value, interaction.id]);
}

export async function end(interaction) {
  const said = await change(interaction, () => api.post(`/interactions/${interaction.id}/end`, {}));
  if (said && state.rules.value.asynchronous) {
    say("Interaction ended", { undo: () => reactivate(interaction), lasts: 5_000 });
  }
}

export const reactivate = (interaction) =>
  change(interaction, () => api.post(`/interactions/${interaction.id}/reactivate`, {}));

const doneHere = new Set();

export async function markDone(interaction, disposition, note) {
  const finished = await inTurn(interaction.id, async () => {
    if (doneHere.has(interaction.id)) return null; // a second press
    const said = await change(interaction, () => api.post(`/interactions/${interaction.id}/done`, { disposition, note }));
    if (said) doneHere.add(interaction.id);
    return said;
  });
  if (finished) say(`Done: ${disposition || "no disposition"}`);
  return finished;
}

/** Nothing is left to take once it was done here: Done has carried it. Where somebody else did it, the bridge says so. */
export const takeNote = (interaction, what) =>
  inTurn(interaction.id, () => doneHere.has(interaction.id) || change(interaction, () => api.patch(`/interactions/${interaction.id}`, what)));

export const assign = (interaction, agent) =>
  change(interaction, () => api.post(`/interactions/${interaction.id}/assign`, { agent: agent && { id: agent.id, name: agent.name ?? "" } }));

async function change(interaction, ask, how) {
  const wasTold = loads.fromNow(interaction.id);
  const said = await attempt(ask, how);
  if (!said) {
    attempt(() => loads.loadInteraction(interaction.id), how);
    return null;
  }
  // somebody else may have acted after it was answered
  if (wasTold()) await attempt(() => loads.loadInteraction(interaction.id), how);
  else loads.keepInteractions([{ ...state.interactions.value.get(interaction.id), ...said }]);
  return said;
}

export function open(interaction) {
  state.go("desk", interaction.id);
}

/** "Create SMS interaction". Answers the problem when the number is not fit for it, so that the agent may insist. */
export async function createInteraction(to, { from, force = false } = {}) {
  const place = state.place.value;
  const said = await api.post("/interactions", { to, from: from || undefined, force }, api.newKey());
  await loads.loadInteraction(said.id);
  if (state.place.value === place) open(said);
  return said;
}

// --- contacts and messages

export async function changeContact(contact, what) {
  const said = await attempt(() => api.patch(`/contacts/${contact.id}`, what));
  if (said) keepChanged(said);
  return said;
}

export const setOptOut = (contact, sender, opted_out) =>
  inTurn(contact.id, () =>
    attempt(async () => {
      keepChanged(await api.post(`/contacts/${contact.id}/opt-out`, { sender, opted_out }));
    }),
  );

/** What is unread is counted here: it may have been read, or more have come, while the answer was on its way. */
function keepChanged(contact) {
  loads.keepContacts([{ ...contact, unread_count: state.contacts.value.get(contact.id)?.unread_count ?? 0 }]);
}

export const cancel = (message) => attempt(async () => loads.keepMessage(await api.post(`/messages/${message.id}/cancel`)));

export const retry = (message) =>
  attempt(async () => loads.keepMessage(await api.post(`/messages/${message.id}/retry`, {}, api.newKey())));

const reading = new Map();

/** What was in view is read, soon and once. */
export function markRead(interaction, seq) {
  const contact = state.contacts.value.get(interaction.contact_id);
  const before = reading.get(interaction.contact_id) ?? 0;
  if (seq <= before) return;
  reading.set(interaction.contact_id, seq);
  if (contact?.unread_count) loads.keepContacts([{ ...contact, unread_count: 0 }]);
  attempt(() => api.post(`/interactions/${interaction.id}/read`, { up_to_seq: seq }), { quietly: true }).then(
    (said) => said ?? reading.delete(interaction.contact_id), // the next look says it again
  );
}

const WRITING_LASTS_MS = 10_000;
const writingUntil = new Map();

/** `isWriting`: just now. Who has written a moment ago writes still, when the next look is only to say who is here. */
export function look(interaction, isWriting) {
  if (isWriting) writingUntil.set(interaction.id, Date.now() + WRITING_LASTS_MS);
  const writing = Date.now() < (writingUntil.get(interaction.id) ?? 0);
  return attempt(
    async () => {
      const said = await api.put(`/interactions/${interaction.id}/presence`, { writing });
      state.merge(state.presences, [[interaction.id, said.agents]]);
    },
    { quietly: true },
  );
}

/** Who signs out is no longer here either way. */
export const lookAway = (interactionId) =>
  state.session.value && attempt(() => api.remove(`/interactions/${interactionId}/presence`, {}), { quietly: true });

// --- what a part of the page shows

/** Asks for it, and again after a moment where no answer came or the refusal passes: the stream may live on, and nothing else would ask.
    `work` is given a function that says whether nobody waits any more. Answers what ends it, when the part goes. */
export function need(work, { quietly = false } = {}) {
  let timer = 0;
  let isOver = false;
  const ask = async (quietly) => {
    let isLost = false;
    const once = () => work(() => isOver).catch((problem) => {
      isLost = api.mayPass(problem);
      throw problem;
    });
    await attempt(once, { quietly: quietly || state.line.value !== "live" }); // the banner says it
    if (isLost && !isOver) timer = setTimeout(ask, RETRY_MS, true);
  };
  ask(quietly);
  return () => {
    isOver = true;
    clearTimeout(timer);
  };
}

// --- saying so

let toasts = 0;

export function say(text, { undo = null, lasts = 4_000, bad = false } = {}) {
  toasts += 1;
  const toast = { id: toasts, text, undo, bad, until: Date.now() + lasts };
  state.toast.value = toast;
  setTimeout(() => state.toast.value?.id === toast.id && (state.toast.value = null), lasts);
}

/** What `work` answers, or null after the agent was told why not. */
export async function attempt(work, { quietly = false } = {}) {
  try {
    return (await work()) ?? true;
  } catch (problem) {
    if (!(problem instanceof api.Problem || problem instanceof api.LineDown)) throw problem;
    if (!quietly && problem.status !== 401) say(problem.message, { bad: true, lasts: 6_000 });
    return null;
  }
}
