// Everything the desk knows, as signals. What changes it: loads.js (asked for), stream.js (told), acts.js (done here).
import { computed, signal } from "./html.js";
import { now } from "./times.js";
import * as kept from "./kept.js";

/** Who is signed in, as GET /v1/session says; undefined: not asked yet; null: nobody. */
export const session = signal(undefined);
/** Whether it was asked in vain. */
export const isUnanswered = signal(false);
export const me = computed(() => session.value?.agent.id ?? "");
export const supervises = computed(() => session.value?.role === "supervisor");
export const rules = computed(() => session.value?.desk ?? {});

/** `live`, `reconnecting` or `offline`. */
export const line = signal("reconnecting");
/** How often the stream had to begin anew: what was loaded before is loaded again. */
export const reloads = signal(0);

/** By id. Interactions carry `last`, as lists give it. */
export const interactions = signal(new Map());
export const contacts = signal(new Map());
export const agents = signal(new Map());
export const senders = signal([]);
export const responses = signal([]);
/** By interaction id: who else has it in view. */
export const presences = signal(new Map());
/** By contact id: {entries, earlier, later, isLoading}. */
export const transcripts = signal(new Map());

export const status = computed(() => agents.value.get(me.value) ?? session.value?.status ?? null);
export const isReady = computed(() => Boolean(status.value?.ready));

/** Where we are: {place: "desk" | "communication" | "team", tab, id}. */
export const place = signal(readPlace());
export const tab = signal("mine");
/** On narrow desks: whether the list is shown, and whether the panel lies over the transcript. */
export const isPanelOpen = signal(false);
export const isFinding = signal(false);
export const dialog = signal(null);
export const toast = signal(null);
/** Said at the door to somebody who did not leave by it. */
export const farewell = signal("");
/** For a screen reader: a text that came, at the next pause; a failure, at once. */
export const heard = signal("");
export const failed = signal("");
/** Answers of contacts that are not in view: [{contact_id, text}]. */
export const replies = signal([]);
/** Offers that this agent does not want now. */
export const declined = signal(new Set());

export const settings = signal({ sound: true, letters: true, enterSends: true, ...kept.read("settings", {}) });

export function set(name, value) {
  settings.value = { ...settings.value, [name]: value };
  kept.write("settings", settings.value);
}

const all = computed(() => [...interactions.value.values()]);
const byActivity = (one, other) => other.last_activity_at.localeCompare(one.last_activity_at);

export const waiting = computed(() =>
  all.value.filter((each) => each.state === "waiting").sort((one, other) => one.opened_at.localeCompare(other.opened_at)),
);
export const active = computed(() => all.value.filter((each) => each.state === "active" && isMine(each)).sort(byActivity));
export const ended = computed(() => all.value.filter((each) => each.state === "ended" && isMine(each)).sort(byActivity));
export const done = computed(() => all.value.filter((each) => each.state === "done" && isMine(each)).sort(byActivity));

const OFFER_LASTS_MS = 30_000;

/** What is offered to this agent at this moment, as [interaction, milliseconds left]. */
export const offers = computed(() => {
  if (!isReady.value) return [];
  return waiting.value
    .map((each) => [each, Math.min(OFFER_LASTS_MS, offerEnds(each) - now.value)])
    .filter(([each, left]) => left > 0 && !declined.value.has(each.id) && isOfferedToMe(each));
});

/** An offer counts down from when it was made to this agent; then it is in the queue like any other. */
function offerEnds(interaction) {
  const began = Math.max(new Date(interaction.last_activity_at), new Date(status.value?.changed_at ?? 0), seenAt(interaction.id));
  return began + OFFER_LASTS_MS;
}

const seen = new Map();
function seenAt(id) {
  if (!seen.has(id)) seen.set(id, Date.now());
  return seen.get(id);
}

function isOfferedToMe(interaction) {
  if (!interaction.offered_to || interaction.offered_to === me.value) return true;
  return now.value >= new Date(interaction.offered_until);
}

export const isMine = (interaction) => interaction.agent?.id === me.value;

/** The unread texts of what is mine, for the place and the window's title. */
export const unreadHere = computed(() => {
  const people = new Map(active.value.concat(ended.value).map((each) => [each.contact_id, unreadOf(each.contact_id)]));
  return [...people.values()].reduce((sum, count) => sum + count, 0);
});
export const unreadAssigned = computed(() =>
  [...contacts.value.values()]
    .filter((contact) => contact.assigned_to === me.value)
    .reduce((sum, contact) => sum + (contact.unread_count ?? 0), 0),
);

export const unreadOf = (contactId) => contacts.value.get(contactId)?.unread_count ?? 0;

/** The interaction in view, if there is one. */
export const current = computed(() => (place.value.place === "desk" ? interactions.value.get(place.value.id) : null) ?? null);
export const currentContactId = computed(() => {
  if (place.value.place === "communication") return place.value.id;
  return current.value?.contact_id ?? "";
});

function readPlace() {
  const [where, id] = location.hash.replace(/^#\/?/, "").split("/");
  return ["communication", "team"].includes(where) ? { place: where, id: id ?? "" } : { place: "desk", id: id ?? "" };
}

let arrivedAt = location.hash;

function arrive() {
  arrivedAt = location.hash;
  isPanelOpen.value = isFinding.value = false;
  place.value = readPlace();
}

addEventListener("hashchange", () => location.hash !== arrivedAt && arrive());

/** At once: browsers tell of it a moment later, and what happens in between must not go by where we were. */
export function go(where, id = "") {
  const hash = `#/${where}${id ? `/${id}` : ""}`;
  if (location.hash === hash) return void (place.value = readPlace());
  location.hash = hash;
  arrive();
}

/** The interaction whose composer takes the keys as soon as it stands; empty for none. */
export const writesTo = signal("");

export const isNothingOpen = () => place.value.place === "desk" && !place.value.id;

/** A new map with some entries changed: signals compare by identity. */
export function merge(map, entries) {
  map.value = new Map([...map.value, ...entries]);
}
