// What the desk is told: the event stream, from the moment the session was read. After a break it goes on where it was.
import { batch } from "./html.js";
import * as api from "./api.js";
import * as loads from "./loads.js";
import { chime } from "./sound.js";
import * as state from "./state.js";
import { isInView, notify } from "./attention.js";
import { sendAll } from "./unsent.js";
import { firstWord, nameOf } from "./words.js";

const SILENT_MS = 40_000; // the bridge says something every 15 seconds
const RETRY_MS = 2_000;

let source = null;
let position = 0;
let isBehind = false; // something that we were told of could not be asked for
let held = null; // what we are told while everything is loaded: heard afterwards
let isRepeated = false;
let heardAt = 0;
let watch = 0;

export function follow(lastEventId) {
  position = lastEventId;
  isBehind = true;
  connect();
  clearInterval(watch);
  watch = setInterval(look, 1_000);
}

export function unfollow() {
  clearInterval(watch);
  source?.close();
  source = null;
}

function connect() {
  source?.close();
  heardAt = Date.now();
  const now = new EventSource(`/v1/events?last_event_id=${position}`);
  source = now;
  now.onopen = () => {
    heardAt = Date.now();
    state.line.value = "live";
    if (isBehind) ask(catchUp());
    sendAll();
  };
  now.onerror = () => {
    now.close(); // our own hands: the browser gives up for good on some errors
    if (source === now) lose();
  };
  now.addEventListener("resync", resync);
  for (const [type, work] of Object.entries(HEARD)) {
    now.addEventListener(type, (event) => {
      heardAt = Date.now();
      position = Number(event.lastEventId) || position;
      const told = JSON.parse(event.data);
      loads.hear(told.data.id, told.data.contact_id, told.data.interaction_id);
      if (held) held.push([work, told]);
      else batch(() => work(told));
    });
  }
}

/** The clock may have been set meanwhile: then it is time at once, and not only when the clock is there again. */
const isPast = (since, ms) => Math.abs(Date.now() - since) > ms;

function drop() {
  source?.close();
  lose();
}

function lose() {
  source = null;
  state.line.value = navigator.onLine ? "reconnecting" : "offline";
}

function look() {
  if (source === null) {
    if (navigator.onLine || state.line.value !== "offline") tryAgain();
  } else if (isPast(heardAt, SILENT_MS)) {
    if (source.readyState === EventSource.OPEN) check();
    else drop(); // asked for, and nobody has said a word
  }
}

let triedAt = 0;
/** A stream that is refused does not say why: the question before it tells whether the session has ended, or is somebody else's by
    now, who came in by another window. */
async function tryAgain() {
  if (!isPast(triedAt, RETRY_MS)) return;
  triedAt = Date.now();
  const session = await api.get("/session").catch(() => undefined);
  if (session === undefined) return;
  if (session?.agent.id !== state.me.value) api.sayGoodbye();
  else if (source === null) connect();
}

/** The stream's heartbeat is a comment that scripts do not hear: a small question tells whether the line is alive. */
async function check() {
  heardAt = Date.now();
  try {
    const session = await api.get("/session");
    if (session?.agent.id !== state.me.value) api.sayGoodbye();
  } catch (problem) {
    if (problem instanceof api.LineDown) drop();
  }
}

addEventListener("online", () => state.session.value && source === null && connect());
addEventListener("offline", () => {
  drop();
  state.line.value = "offline";
});

/** The stream could not tell everything: what is shown is loaded anew. */
function resync(event) {
  position = Number(event.lastEventId) || position;
  ask(catchUp());
}

/** Loads what is shown. What is told meanwhile may be in it or not, and is heard when it is there. */
async function catchUp() {
  if (held) return;
  const session = state.session.value;
  held = [];
  try {
    await loads.loadDesk();
    await loads.refreshTranscripts();
    isBehind = false;
    state.reloads.value += 1;
  } catch (problem) {
    // half of it is not shown as if it were all: a refusal comes from something in between or passes, and it is asked again
    throw problem instanceof api.Problem && problem.status !== 401 ? new api.LineDown() : problem;
  } finally {
    const told = held;
    held = null;
    isRepeated = true;
    if (state.session.value === session) batch(() => told.forEach(([work, event]) => work(event)));
    isRepeated = false;
    if (state.session.value && state.session.value !== session) ask(catchUp()); // somebody else came in meanwhile
  }
}

/** For what an event needs to be asked. If the line breaks meanwhile, all is loaded when it is back: nothing is missed. */
function ask(answer) {
  Promise.resolve(answer).catch((problem) => {
    if (api.mayPass(problem)) {
      isBehind = true;
      drop();
    } else if (!(problem instanceof api.Problem)) throw problem; // a problem: it is gone meanwhile, or not ours
  });
}

const HEARD = {
  "message.received": ({ data }) => {
    const contact = state.contacts.value.get(data.contact_id);
    const last = state.interactions.value.get(data.interaction_id)?.last ?? contact?.last;
    const isCounted = isRepeated && last?.at >= data.created_at;
    if (!contact) ask(loads.loadContact(data.contact_id));
    else if (!isCounted) loads.keepContacts([{ ...contact, unread_count: (contact.unread_count ?? 0) + 1 }]);
    said(data);
    tellOfReply(data);
  },
  "message.created": ({ data }) => said(data),
  "message.updated": ({ data }) => loads.keepMessage(data),
  "message.status": ({ data }) => {
    loads.keepMessage(data);
    noteLast(data);
  },
  "notice.raised": ({ data }) => {
    // a text that waits is queued again, which is not told
    if (data.kind === "delayed") ask(api.get(`/messages/${data.message_id}`).then(loads.keepMessage));
    const interaction = state.interactions.value.get(data.interaction_id);
    if (interaction) {
      ask(loads.pullTranscript(interaction.contact_id));
      if (data.severity === "error" && state.isMine(interaction)) {
        state.failed.value = `${nameOf(state.contacts.value.get(interaction.contact_id))}: ${data.text}`;
      }
      if (data.severity === "error" && !isInView(interaction.contact_id)) chime("answer");
      setLast(interaction, {
        kind: "notice", at: data.created_at, text: data.text, severity: data.severity, notice_kind: data.kind,
      });
    } else ask(pullWhere(data.interaction_id));
  },
  "interaction.opened": interactionChanged,
  "interaction.updated": interactionChanged,
  "interaction.ended": interactionChanged,
  "interaction.done": interactionChanged,
  "interaction.presence": ({ data }) => state.merge(state.presences, [[data.interaction_id, data.agents]]),
  "contact.updated": ({ data }) => {
    if (!data.id || data.number.startsWith("erased:")) return;
    const known = state.contacts.value.get(data.id);
    loads.keepContacts([{ ...data, unread_count: known?.unread_count ?? 0 }]);
    const isElsewhere = known && known.assigned_to !== data.assigned_to;
    if (isElsewhere || known?.unread_count) ask(loads.loadContact(data.id)); // perhaps read in another window
  },
  "agent.status": ({ data }) => {
    const known = state.agents.value.get(data.id) ?? { role: null, open_interactions: 0 };
    state.merge(state.agents, [[data.id, { ...known, ...data }]]);
  },
};

function interactionChanged({ data }) {
  if (!data.id) return;
  const known = state.interactions.value.get(data.id);
  if (known) loads.keepInteractions([{ ...known, ...data }]);
  else ask(loads.loadInteraction(data.id).then(() => setFirstWords(data)));
  ask(loads.pullTranscript(data.contact_id));
  if (data.state === "waiting" && state.isReady.value && (!data.offered_to || data.offered_to === state.me.value)) {
    chime("offer");
    notify(`offer-${data.id}`, "A new text", "Somebody waits for an answer.");
  }
}

/** A new interaction is told before its first text: the text follows as an event of its own. */
async function setFirstWords(interaction) {
  const page = await api.get(`/interactions/${interaction.id}/transcript`, { limit: 5 });
  const said = page.items.findLast((entry) => entry.kind === "message")?.message;
  const known = state.interactions.value.get(interaction.id);
  if (said && known) setLast(known, previewOf(said));
}

function said(message) {
  ask(loads.pullTranscript(message.contact_id));
  const interaction = state.interactions.value.get(message.interaction_id);
  if (interaction) setLast({ ...interaction, last_activity_at: message.created_at }, previewOf(message));
  const contact = state.contacts.value.get(message.contact_id);
  if (contact) loads.keepContacts([{ ...contact, last: previewOf(message) }]);
}

function previewOf(message) {
  return {
    kind: "message",
    at: message.created_at,
    direction: message.direction,
    text: message.text.slice(0, 160),
    status: message.status,
    has_attachments: message.attachments.length > 0,
  };
}

function setLast(interaction, last) {
  state.merge(state.interactions, [[interaction.id, { ...interaction, last }]]);
}

/** In the list too: what became of the last text, if that is the one. */
function noteLast({ interaction_id, created_at, status }) {
  const interaction = state.interactions.value.get(interaction_id);
  const last = interaction?.last;
  if (last?.kind === "message" && last.at === created_at) setLast(interaction, { ...last, status });
}

async function pullWhere(interactionId) {
  const shown = await loads.loadInteraction(interactionId);
  await loads.pullTranscript(shown.contact_id);
}

function tellOfReply(message) {
  const interaction = state.interactions.value.get(message.interaction_id);
  const contact = state.contacts.value.get(message.contact_id);
  if (!interaction && contact && message.interaction_id) return; // it has just been opened, and is offered
  const concernsMe = (interaction && state.isMine(interaction)) || contact?.assigned_to === state.me.value;
  if (!concernsMe || interaction?.state === "waiting") return;
  state.heard.value = `${contact?.name ? firstWord(contact.name) : nameOf(contact)}: ${message.text || "a picture"}`;
  if (isInView(message.contact_id)) return;
  chime("answer");
  notify(`contact-${message.contact_id}`, "An answer", message.text.slice(0, 100) || "A picture");
  const others = state.replies.value.filter((each) => each.contactId !== message.contact_id);
  state.replies.value = [...others.slice(-2), { contactId: message.contact_id, interactionId: message.interaction_id, text: message.text, at: Date.now() }];
}
