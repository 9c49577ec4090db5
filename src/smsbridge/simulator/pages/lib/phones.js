// The phones: who they are and what is on their screens. The simulator knows; this is what was last heard of it.
import { computed, effect, signal, untracked } from "/desk/assets/lib/html.js";
import * as simulator from "./simulator.js";
import { isPhoneInView } from "./view.js";

const FIRST = 447_700_900_123; // numbers that belong to nobody, kept free for films and demos
export const MOST = 9;

/** By number: {number, label, persona, texts, changes, word, isSending, trouble}. */
const known = signal(new Map());
export const phones = computed(() => [...known.value.values()].sort((one, other) => one.number.localeCompare(other.number)));
export const current = signal(numberOf(0));
export const phone = computed(() => known.value.get(current.value) ?? blank(current.value));
export const personas = signal([]);
export const samples = signal([]);
export const ownNumber = signal("");

/** By number: the last text that somebody has looked at. */
const seen = signal(new Map());
export const unreadOf = ({ number, texts }) =>
  texts.filter((text) => text.direction === "received" && text.seq > (seen.value.get(number) ?? 0)).length;
export const unread = computed(() => phones.value.reduce((sum, each) => sum + unreadOf(each), 0));

/** Half-written texts, by number. */
export const drafts = new Map();

effect(() => {
  const { number, texts } = phone.value;
  const last = texts.at(-1)?.seq ?? 0;
  if (isPhoneInView.value && last > (untracked(() => seen.value).get(number) ?? 0)) look(number, last);
});

function numberOf(index) {
  return `+${FIRST + index}`;
}

function indexOf(number) {
  return Number(number.slice(1)) - FIRST;
}

function isOurs(number) {
  return indexOf(number) >= 0 && indexOf(number) < MOST;
}

function look(number, seq) {
  seen.value = new Map([...untracked(() => seen.value), [number, seq]]);
}

function blank(number) {
  return {
    number, label: `Phone ${indexOf(number) + 1}`, persona: "mobile", texts: [], changes: [], word: "", isSending: false, trouble: "",
  };
}

function change(number, what) {
  const before = known.value.get(number) ?? blank(number);
  known.value = new Map([...known.value, [number, { ...before, ...what }]]);
}

/** Everything anew; what is on the screens by now counts as seen, unless this page has shown it before. */
export async function loadAll() {
  const [there, own, people, files] = await Promise.all(
    ["/api/phones", "/api", "/api/personas", "/api/samples"].map(simulator.get),
  );
  ownNumber.value = own.senders[0];
  personas.value = people.items;
  samples.value = files.items;
  const numbers = new Set([current.value, ...there.items.map((each) => each.number).filter(isOurs)]);
  await Promise.all([...numbers].map(load));
  for (const { number, texts } of phones.value) if (!seen.value.has(number)) look(number, texts.at(-1)?.seq ?? 0);
}

const loading = new Map();

/** One after the other for each phone, so that an old answer never follows a new one. */
export function load(number) {
  if (!isOurs(number)) return Promise.resolve();
  const next = (loading.get(number) ?? Promise.resolve()).then(() => loadNow(number)).catch(() => {});
  loading.set(number, next);
  return next;
}

async function loadNow(number) {
  const before = known.value.get(number);
  const path = `/api/phones/${number.slice(1)}`;
  const now = await simulator.get(path);
  const last = before?.texts.at(-1)?.seq ?? 0;
  let texts = [...(before?.texts ?? []), ...(await simulator.get(`${path}/messages?after=${last}`)).items];
  if (texts.length !== now.received + now.sent) texts = (await simulator.get(`${path}/messages?after=0`)).items;
  const changes = [...(before?.changes ?? [])];
  if (before && before.persona !== now.persona) {
    changes.push({ after: texts.at(-1)?.seq ?? 0, title: now.title, persona: now.persona, at: new Date().toISOString() });
  }
  change(number, { texts, changes, persona: now.persona });
}

export async function addPhone() {
  const taken = new Set(phones.value.map((each) => each.number));
  const number = Array.from({ length: MOST }, (_, index) => numberOf(index)).find((each) => !taken.has(each));
  if (!number) return;
  look(number, 0);
  await load(number);
  current.value = number;
}

export async function become(number, persona) {
  try {
    await simulator.put(`/api/phones/${number.slice(1)}`, { persona });
    await load(number);
  } catch (problem) {
    change(number, { trouble: problem.message });
  }
}

/** Texts as this phone. Whether it was taken is the answer of the bridge to the carrier's webhook. */
export async function text(number, words, media = []) {
  change(number, { isSending: true, word: "Sending…", trouble: "" });
  try {
    const { webhook, detail } = await simulator.post(`/api/phones/${number.slice(1)}/messages`, { text: words, media });
    const isTaken = webhook?.ok;
    change(number, { word: isTaken ? "Delivered" : "Not delivered", trouble: isTaken ? "" : (webhook?.problem ?? detail ?? "") });
    await load(number);
    return true;
  } catch (problem) {
    change(number, { word: "", trouble: problem.message });
    return false;
  } finally {
    change(number, { isSending: false });
  }
}
