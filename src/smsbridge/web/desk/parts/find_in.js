// Searching in the transcript in view: all of it, also what is not loaded yet. Hits are highlighted, not rewritten.
import { html, Icon, useEffect, useLayoutEffect, useRef, useState } from "../lib/html.js";
import * as api from "../lib/api.js";
import { loadEarlier } from "../lib/loads.js";
import { nameOf } from "../lib/words.js";
import * as acts from "../lib/acts.js";
import * as state from "../lib/state.js";

const MOST_HITS = 1_000;
const PAGE = 200;
const PAUSE_MS = 150;

export function FindIn({ contact }) {
  const [words, setWords] = useState("");
  const [hits, setHits] = useState(null); // the `seq` of every entry that holds the words, oldest first
  const [at, setAt] = useState(-1);
  const field = useRef(null);
  const entries = state.transcripts.value.get(contact.id)?.entries ?? [];

  useLayoutEffect(() => field.current.focus(), []); // before the next key
  useEffect(() => {
    if (!words.trim()) return void (setHits(null), setAt(-1));
    let isOver = false; // an answer to fewer letters may come later than one to more
    const timer = setTimeout(async () => {
      const found = await acts.attempt(() => findAll(contact.id, words.trim()));
      if (isOver) return;
      setHits(found);
      setAt(found ? found.length - 1 : -1);
    }, PAUSE_MS);
    return () => {
      isOver = true;
      clearTimeout(timer);
    };
  }, [words, contact.id]);
  useEffect(() => {
    highlight(words.trim(), hits?.[at]);
    return () => highlight("");
  }, [words, hits, at, entries.length]);
  useEffect(() => {
    if (!hits?.[at]) return undefined;
    let isOver = false;
    bringIntoView(contact.id, hits[at], () => isOver).then(() => isOver || highlight(words.trim(), hits[at]));
    return () => (isOver = true);
  }, [hits, at]);

  const step = (by) => hits?.length && setAt((now) => (now + by + hits.length) % hits.length);
  const close = () => {
    state.isFinding.value = false;
  };
  const onKeyDown = (event) => {
    if (event.key === "Enter") {
      event.preventDefault();
      step(event.shiftKey ? 1 : -1);
    } else if (event.key === "Escape") {
      event.preventDefault();
      close();
    }
  };
  const found = hits === null ? "" : hits.length ? `${at + 1} of ${hits.length}` : `No “${words.trim()}” with ${nameOf(contact)}`;
  return html`<search class="find-in" aria-label="Search in this transcript">
    <label class="search-field"><${Icon} name="search" />
      <input type="search" aria-label="Words to find" ref=${field} value=${words} onInput=${(event) => setWords(event.target.value)} onKeyDown=${onKeyDown} />
    </label>
    <span class="found" role="status">${found}</span>
    <button class="icon-button" aria-label="Earlier hit" title="Earlier (Enter)" onClick=${() => step(-1)}><${Icon} name="chevron-up" /></button>
    <button class="icon-button" aria-label="Later hit" title="Later (Shift Enter)" onClick=${() => step(1)}><${Icon} name="chevron-down" /></button>
    <div class="end">
      <button class="button quiet small only-wide" onClick=${() => { close(); state.dialog.value = "find"; }}>Search all contacts <kbd>Ctrl K</kbd></button>
      <button class="icon-button" aria-label="Close search" title="Close (Esc)" onClick=${close}><${Icon} name="x" /></button>
    </div>
  </search>`;
}

async function findAll(contactId, query) {
  const hits = [];
  let before;
  do {
    const page = await api.get(`/contacts/${contactId}/transcript`, { query, before, limit: PAGE });
    hits.unshift(...page.items.map((entry) => entry.seq));
    before = page.previous_cursor;
  } while (before !== null && hits.length < MOST_HITS);
  return hits;
}

async function bringIntoView(contactId, seq, isOver) {
  while (!isOver()) {
    const shown = state.transcripts.value.get(contactId);
    if (!shown || shown.entries[0]?.seq <= seq || !shown.earlier) break;
    if (!shown.isLoading && !(await acts.attempt(() => loadEarlier(contactId, PAGE)))) return; // told why not, once
    const isFurther = state.transcripts.value.get(contactId)?.earlier !== shown.earlier;
    if (!isFurther) await new Promise((resolve) => setTimeout(resolve, PAUSE_MS)); // it is on its way, or the line is away
  }
  await new Promise(requestAnimationFrame);
  if (isOver()) return;
  document.querySelector(`.lines [data-seq="${seq}"]`)?.scrollIntoView({ block: "center" });
}

/** The CSS Custom Highlight API marks ranges and leaves the text alone. */
function highlight(query, now) {
  if (!CSS.highlights) return;
  CSS.highlights.delete("hit");
  CSS.highlights.delete("hit-now");
  if (!query) return;
  const wanted = fold(query);
  const [all, current] = [new Highlight(), new Highlight()];
  for (const part of document.querySelectorAll(".lines .bubble, .lines .notice .text")) {
    const isNow = part.closest("[data-seq]")?.dataset.seq === String(now);
    const walker = document.createTreeWalker(part, NodeFilter.SHOW_TEXT);
    for (let node = walker.nextNode(); node; node = walker.nextNode()) {
      for (const range of rangesOf(node, wanted)) (isNow ? current : all).add(range);
    }
  }
  CSS.highlights.set("hit", all);
  CSS.highlights.set("hit-now", current);
}

/** As the bridge folds: Python's casefold knows two letters more. */
const fold = (text) => text.normalize("NFKC").toLowerCase().replaceAll("ß", "ss").replaceAll("ς", "σ").normalize("NFKC");

/** Folding may change the length (\u2026 becomes three dots): `places` says where each folded unit stands in the text. */
function rangesOf(node, wanted) {
  const text = fold(node.data);
  const first = text.indexOf(wanted);
  if (first < 0) return [];
  const places = text.length === node.data.length ? null : placesOf(node.data);
  const ranges = [];
  for (let at = first; at >= 0; at = text.indexOf(wanted, at + wanted.length)) {
    const last = at + wanted.length - 1;
    const range = new Range();
    range.setStart(node, places ? places[at][0] : at);
    range.setEnd(node, places ? places[last][1] : last + 1);
    ranges.push(range);
  }
  return ranges;
}

/** For each unit of the folded text the [start, end] of the letter, with its accents, that it comes from. */
function placesOf(text) {
  return [...text.matchAll(/\P{M}\p{M}*|\p{M}/gsu)].flatMap(({ 0: letter, index }) =>
    Array.from(fold(letter), (each) => Array(each.length).fill([index, index + letter.length])).flat(),
  );
}
