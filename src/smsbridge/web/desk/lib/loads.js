// What the desk asks for.
import { batch, untracked } from "./html.js";
import * as api from "./api.js";
import * as state from "./state.js";
import { dropArrived } from "./unsent.js";

const PAGE = 100;

let moment = 0;
const toldAt = new Map();

/** The stream has told something of these: an answer that was asked for before may be older than what is known. */
export function hear(...ids) {
  moment += 1;
  for (const id of ids) toldAt.set(id, moment);
}

/** Asked later: has the stream told something of it from now on? */
export function fromNow(id) {
  const asked = moment;
  return () => (toldAt.get(id) ?? 0) > asked;
}

/** What was asked for at a moment, less what we know better since. */
const newest = (items, known, asked) => items.filter(({ id }) => !known.has(id) || (toldAt.get(id) ?? 0) <= asked);

/** Who is signed in; null for nobody. */
export async function loadSession() {
  try {
    state.session.value = await api.get("/session");
  } catch (problem) {
    if (!(problem instanceof api.Problem) || api.mayPass(problem)) throw problem;
    state.session.value = null;
  }
}

/** All that the first screen shows. Also after a break that was too long for the stream to bridge. */
export async function loadDesk() {
  const me = state.me.value;
  const place = state.place.value;
  const [found, waiting, open, agents, contacts, senders, responses] = await Promise.all([
    findInView(),
    api.get("/interactions", { state: "waiting", limit: 200 }),
    api.get("/interactions", { state: ["active", "ended"], agent: me, limit: 200 }),
    api.get("/agents"),
    api.get("/contacts", { assigned_to: me, limit: 200 }),
    api.get("/senders"),
    api.get("/standard-responses"),
  ]);
  const inView = state.place.value === place ? found : await findInView(); // somebody went somewhere else meanwhile
  if (state.me.value !== me) return; // signed out meanwhile
  batch(() => {
    state.interactions.value = new Map();
    keepInteractions([...inView, ...waiting.items, ...open.items]);
    keepContacts(contacts.items);
    state.agents.value = new Map(agents.items.map((agent) => [agent.id, agent]));
    state.senders.value = senders.items;
    state.responses.value = responses.items;
  });
}

/** The interaction in view, whosever it is and however long it is done; nothing where there is none. */
async function findInView() {
  const { place, id } = state.place.value;
  if (place !== "desk" || !id) return [];
  const { last = null } = state.interactions.value.get(id) ?? {};
  let found = [];
  try {
    const shown = await api.get(`/interactions/${id}`);
    await loadContact(shown.contact_id);
    found = [{ last, ...shown }];
  } catch (problem) {
    if (!(problem instanceof api.Problem) || api.mayPass(problem)) throw problem;
  }
  return state.place.value.id === id ? found : findInView();
}

export const loadDone = () => loadInteractions({ state: "done", agent: state.me.value, limit: 100 });

export const loadOpen = () => loadInteractions({ state: ["waiting", "active", "ended"], limit: 200 });

export async function loadInteractions(query) {
  const asked = moment;
  const page = await api.get("/interactions", query);
  batch(() => {
    keepContacts(newest(page.items.map((each) => each.contact).filter(Boolean), state.contacts.value, asked));
    keepInteractions(newest(page.items, state.interactions.value, asked).map((each) => ({ ...each, contact: null })));
  });
  return page.items;
}

export async function loadInteraction(id) {
  const shown = await askUntilNew(id, `/interactions/${id}`);
  if (!state.contacts.value.has(shown.contact_id)) await loadContact(shown.contact_id);
  keepInteractions([{ last: null, ...state.interactions.value.get(id), ...shown }]);
  return shown;
}

export async function loadContact(id) {
  keepContacts([await askUntilNew(id, `/contacts/${id}`)]);
}

async function askUntilNew(id, path) {
  for (;;) {
    const wasTold = fromNow(id);
    const said = await api.get(path);
    if (!wasTold()) return said;
  }
}

export async function loadContacts(query) {
  const asked = moment;
  const page = await api.get("/contacts", query);
  keepContacts(newest(page.items, state.contacts.value, asked));
  return page;
}

export function keepInteractions(items) {
  batch(() => {
    keepContacts(items.map((each) => each.contact).filter(Boolean));
    state.merge(state.interactions, items.map(({ contact, ...each }) => [each.id, each])); // else an old one would come back
  });
}

export function keepContacts(items) {
  const known = state.contacts.value;
  state.merge(state.contacts, items.map((each) => [each.id, { ...known.get(each.id), ...each }]));
}

// --- transcripts: kept whole by contact, newest page first

/** Who comes back while it is on its way waits for the same answer. */
export function openTranscript(contactId) {
  const shown = state.transcripts.value.get(contactId);
  if (shown) return shown.coming ?? pullTranscript(contactId);
  const asked = { entries: [], earlier: null, isLoading: true };
  keepTranscript(contactId, asked);
  asked.coming = loadTranscript(contactId, asked);
  return asked.coming;
}

async function loadTranscript(contactId, asked) {
  const isWanted = () => state.transcripts.value.get(contactId) === asked; // else it was let go, or loaded anew, meanwhile
  try {
    const page = await api.get(`/contacts/${contactId}/transcript`, { limit: PAGE });
    if (isWanted()) {
      keepTranscript(contactId, { entries: asTold(page.items), earlier: page.previous_cursor, isLoading: false });
      dropArrived(page.items);
    }
    return await pullTranscript(contactId); // what was told while the page was on its way
  } catch (problem) {
    if (!isWanted()) throw problem;
    const others = new Map(state.transcripts.value);
    others.delete(contactId);
    state.transcripts.value = others;
    throw problem;
  }
}

export async function loadEarlier(contactId, limit = PAGE) {
  const shown = state.transcripts.value.get(contactId);
  if (!shown?.earlier || shown.isLoading) return;
  keepTranscript(contactId, { ...shown, isLoading: true });
  try {
    const page = await api.get(`/contacts/${contactId}/transcript`, { before: shown.earlier, limit });
    const now = state.transcripts.value.get(contactId);
    if (now?.earlier !== shown.earlier) return; // loaded anew meanwhile: it does not belong there
    keepTranscript(contactId, { entries: [...asTold(page.items), ...now.entries], earlier: page.previous_cursor, isLoading: false });
  } catch (problem) {
    const now = state.transcripts.value.get(contactId);
    if (now) keepTranscript(contactId, { ...now, isLoading: false });
    if (!(problem instanceof api.LineDown)) throw problem;
  }
}

const pulls = new Map();

/** Adds what came since. Many calls at once become two: the one under way, and one after it. */
export function pullTranscript(contactId) {
  const under = pulls.get(contactId);
  if (under) {
    under.again = true;
    return under.done;
  }
  const pull = { again: false };
  pulls.set(contactId, pull);
  pull.done = (async () => {
    try {
      do {
        pull.again = false;
        await pullOnce(contactId);
      } while (pull.again);
    } finally {
      pulls.delete(contactId);
    }
  })();
  return pull.done;
}

async function pullOnce(contactId) {
  for (;;) {
    const shown = state.transcripts.value.get(contactId);
    if (!shown || (shown.isLoading && !shown.entries.length)) return;
    const after = shown.entries.at(-1)?.seq ?? 0;
    const page = await api.get(`/contacts/${contactId}/transcript`, { after, limit: 200 });
    const now = state.transcripts.value.get(contactId);
    if (!now) return; // let go meanwhile: it is loaded when it is opened
    const last = now.entries.at(-1)?.seq ?? 0;
    const fresh = asTold(page.items.filter((entry) => entry.seq > last));
    if (fresh.length) {
      batch(() => {
        keepTranscript(contactId, { ...now, entries: [...now.entries, ...fresh] });
        dropArrived(fresh);
      });
    }
    if (page.next_cursor === null) return;
  }
}

/** What became of texts that are not shown yet, by id: the page that they are on was perhaps read before. */
const told = new Map();

function asTold(entries) {
  return entries.map((entry) => {
    const message = told.get(entry.message?.id);
    return told.delete(entry.message?.id) ? { ...entry, message } : entry;
  });
}

/** A message as it is now, wherever it is shown. */
export function keepMessage(message) {
  const shown = state.transcripts.value.get(message.contact_id);
  if (!shown) return;
  const at = shown.entries.findLastIndex((entry) => entry.message?.id === message.id);
  if (at < 0) return void told.set(message.id, message);
  const entries = shown.entries.slice();
  entries[at] = { ...entries[at], message };
  keepTranscript(message.contact_id, { ...shown, entries });
}

function keepTranscript(contactId, transcript) {
  state.merge(state.transcripts, [[contactId, transcript]]);
}

/** After the stream lost its place: what is in view is brought up to date where it stands, the rest when it is opened. */
export async function refreshTranscripts() {
  told.clear();
  const contactId = untracked(() => state.currentContactId.value);
  const shown = state.transcripts.value.get(contactId);
  state.transcripts.value = new Map(shown?.entries.length ? [[contactId, shown]] : []);
  if (!contactId) return;
  try {
    await (shown?.entries.length ? renewTranscript(contactId) : openTranscript(contactId));
  } catch (problem) {
    if (problem.status !== 404) throw problem; // there is no such contact, or not any more: nothing to bring up to date
  }
}

async function renewTranscript(contactId) {
  const page = await api.get(`/contacts/${contactId}/transcript`, { limit: PAGE });
  const now = state.transcripts.value.get(contactId);
  if (!now) return; // signed out meanwhile
  const { entries, earlier } = now;
  const [first, last] = [page.items[0]?.seq ?? 0, page.items.at(-1)?.seq ?? 0];
  const isOverlapping = entries.some((entry) => entry.seq >= first);
  const before = isOverlapping ? entries.filter((entry) => entry.seq < first) : [];
  const after = entries.filter((entry) => entry.seq > last); // came while the page was on its way
  keepTranscript(contactId, {
    entries: [...before, ...page.items, ...after],
    earlier: before.length ? earlier : page.previous_cursor,
    isLoading: false,
  });
  dropArrived(page.items);
}
