// The transcript: everything ever said with a contact, newest at the foot; earlier pages come as one scrolls up.
import { html, Icon, useEffect, useLayoutEffect, useMemo, useRef, useState } from "../lib/html.js";
import { isLookedAt } from "../lib/attention.js";
import { loadEarlier, openTranscript } from "../lib/loads.js";
import { at, day, isSameDay } from "../lib/times.js";
import { agentName, nameOf, number, plural } from "../lib/words.js";
import { unsent } from "../lib/unsent.js";
import * as acts from "../lib/acts.js";
import * as state from "../lib/state.js";
import { Avatar } from "./avatar.js";
import { Border } from "./border.js";
import { Composer } from "./composer.js";
import { FindIn } from "./find_in.js";
import { Message, Unsent } from "./message.js";
import { Notice } from "./notice.js";
import { Person } from "./person.js";

const NEAR_PX = 60;
const LOOK_EVERY_MS = 20_000;

export function Transcript({ interaction, contact }) {
  usePresence(interaction);
  return html`<section class="transcript" aria-label=${`Transcript with ${nameOf(contact)}`}>
    <${Head} interaction=${interaction} contact=${contact} />
    ${state.isFinding.value && html`<${FindIn} contact=${contact} />`}
    <${Lines} contact=${contact} interaction=${interaction} />
    <${Others} interaction=${interaction} />
    <${Composer} key=${interaction.id} interaction=${interaction} contact=${contact} />
  </section>`;
}

function Head({ interaction, contact }) {
  const { agent, sender } = interaction;
  const others = othersHere(interaction);
  const isMine = state.isMine(interaction);
  return html`<div class="head">
    <a class="icon-button back" href="#/desk" aria-label="Back to the list"><${Icon} name="chevron-left" big turns /></a>
    <${Avatar} name=${nameOf(contact)} id=${contact.id} />
    <div class="who">
      <h2><${Person} contact=${contact} /></h2>
      <p>${contact.name && html`<span class="number">${number(contact.number)}</span> <span aria-hidden="true">·</span> `}to${" "}
        <span class="number">${number(sender)}</span> <span aria-hidden="true">·</span> ${stateWords(interaction)}</p>
    </div>
    <div class="acts">
      ${contact.sms_capability === "no" && html`<span class="chip warn only-wide"><${Icon} name="phone-off" /><span class="word">Cannot receive texts</span></span>`}
      ${others.length > 0 && html`<span class="chip open only-wide"><${Icon} name="eye" /><span class="word">${others.map(agentName).join(", ")} ${others.length > 1 ? "are" : "is"} here too</span></span>`}
      ${interaction.state === "active" && agent && !isMine && html`<span class="chip only-wide">with ${agentName(agent)}</span>`}
      ${["ended", "done"].includes(interaction.state) && html`<span class="chip only-wide">${interaction.state === "done" ? "Done" : "Ended"}</span>`}
      <button class="icon-button" aria-label="Search in transcript" title="Search in transcript (Ctrl F)" aria-pressed=${state.isFinding.value}
        onClick=${() => (state.isFinding.value = !state.isFinding.value)}><${Icon} name="search" /></button>
      ${interaction.state === "waiting" && html`<button class="button primary" onClick=${() => acts.accept(interaction, { isToWrite: true })}>Accept</button>`}
      ${interaction.state === "active" && (isMine || state.supervises.value) && html`<button class="button" onClick=${() => acts.end(interaction)}>End <kbd>e</kbd></button>`}
      <button class="icon-button" aria-label="Contact, case and history" aria-expanded=${state.isPanelOpen.value}
        onClick=${() => (state.isPanelOpen.value = !state.isPanelOpen.value)}><${Icon} name="panel-right" turns /></button>
    </div>
  </div>`;
}

function stateWords(interaction) {
  const since = { waiting: interaction.opened_at, active: interaction.accepted_at ?? interaction.opened_at, ended: interaction.ended_at, done: interaction.done_at }[interaction.state];
  const words = { waiting: "waiting since", active: "active since", ended: "ended", done: "done" }[interaction.state];
  return `${words} ${isSameDay(since, Date.now()) ? at(since) : day(since)}`;
}

const othersHere = (interaction) =>
  (state.presences.value.get(interaction.id) ?? []).filter((each) => each.id !== state.me.value && Date.now() - new Date(each.at) < 60_000);

/** Who writes to the same contact at this moment. */
function Others({ interaction }) {
  const writing = othersHere(interaction).find((each) => each.writing);
  if (!writing) return null;
  return html`<p class="typing-also" role="status">
    <${Avatar} name=${agentName(writing)} id=${writing.id} size="small" />${agentName(writing)} is writing to this contact too.
  </p>`;
}

function usePresence(interaction) {
  useEffect(() => {
    const say = () => isLookedAt() && acts.look(interaction, false);
    say();
    const timer = setInterval(say, LOOK_EVERY_MS);
    return () => {
      clearInterval(timer);
      acts.lookAway(interaction.id);
    };
  }, [interaction.id]);
}

/** The lines themselves. `interaction` is null where only the contact is in view. */
export function Lines({ contact, interaction }) {
  const shown = state.transcripts.value.get(contact.id);
  const scroll = useRef(null);
  const [below, setBelow] = useState(0);
  const unreadAtOpen = useMemo(() => state.unreadOf(contact.id), [contact.id]);
  const entries = shown?.entries ?? [];
  const waiting = unsent.value.filter((each) => each.contactId === contact.id);
  useEffect(() => acts.need(() => openTranscript(contact.id)), [contact.id, state.reloads.value]);
  useSteadyScroll(scroll, entries, waiting, setBelow);
  useReadMarks(scroll, interaction, contact, entries);
  const onScroll = ({ currentTarget }) => {
    const { scrollTop, scrollHeight, clientHeight } = currentTarget; // the ref may be gone: browsers tell of it a frame later
    if (scrollTop > -NEAR_PX) setBelow(0);
    if (scrollHeight + scrollTop - clientHeight < clientHeight) acts.attempt(() => loadEarlier(contact.id, 200));
  };
  const firstNew = useRef(null);
  if (firstNew.current === null && entries.length) firstNew.current = nthLastInbound(entries, unreadAtOpen);
  const drawn = useMemo(() => draw(entries, firstNew.current, contact), [entries, contact.name, state.session.value]);
  return html`<div class="with-map">
    <div class="scroll" tabindex="0" role="log" aria-live="off" aria-label=${`Transcript with ${nameOf(contact)}`} ref=${scroll} onScroll=${onScroll}>
      <ol class="lines">
        ${(!shown || shown.isLoading) && !entries.length && html`<li class="day">Looking for what was said…</li>`}
        ${shown?.earlier && html`<li class="day earlier">Earlier texts come as you scroll up.</li>`}
        ${drawn}
        ${waiting.map((each) => html`<${Unsent} key=${each.key} item=${each} />`)}
      </ol>
    </div>
    ${below > 0 && html`<button class="jump" onClick=${() => (scroll.current.scrollTop = 0)}>${plural(below, "new message")} <${Icon} name="arrow-down" /></button>`}
  </div>`;
}

/** Entries as lines: the first of a day says so, and a rule stands before what was unread when it was opened. */
function draw(entries, firstNew, contact) {
  const messages = new Map(entries.map(({ message }) => [message?.id, message]));
  const newest = new Map(entries.map(({ notice, seq }) => [notice?.message_id, seq]));
  const lines = [];
  let lastAt = null;
  entries.forEach((entry, index) => {
    const begins = entry.kind === "interaction" && entry.interaction.border === "opened";
    if (!lastAt || (!isSameDay(lastAt, entry.at) && !begins)) {
      if (!begins) lines.push(html`<li class="day" key=${`day-${entry.seq}`}>${day(entry.at)}</li>`);
    }
    lastAt = entry.at;
    if (entry.seq === firstNew) lines.push(html`<li class="new-line" key="new">New</li>`);
    lines.push(line(entry, entries[index - 1], entries[index + 1], messages, newest, contact));
  });
  return lines;
}

function line(entry, before, after, messages, newest, contact) {
  if (entry.kind === "message") {
    const [isContinued, isContinuing] = [follows(before, entry), follows(entry, after)];
    return once(entry, [isContinued, isContinuing, contact.name], () => html`<${Message} key=${entry.seq} seq=${entry.seq} message=${entry.message} contact=${contact} isContinued=${isContinued} isContinuing=${isContinuing} />`);
  }
  if (entry.kind === "notice") {
    const about = messages.get(entry.notice.message_id);
    const isNewest = newest.get(entry.notice.message_id) === entry.seq;
    return once(entry, [about, isNewest], () => html`<${Notice} key=${entry.seq} seq=${entry.seq} notice=${entry.notice} about=${about} isNewest=${isNewest} />`);
  }
  return once(entry, [], () => html`<${Border} key=${entry.seq} entry=${entry} />`);
}

/** By entry: its line, and what else the line shows. A line that is the same object again costs nothing to draw. */
const drawn = new WeakMap();

function once(entry, shows, write) {
  const known = drawn.get(entry);
  if (known && known.shows.every((each, index) => each === shows[index])) return known.line;
  const line = write();
  drawn.set(entry, { shows, line });
  return line;
}

/** Whether two texts were said in one breath by one side. */
function follows(one, other) {
  if (one?.kind !== "message" || other?.kind !== "message") return false;
  const [first, second] = [one.message, other.message];
  return (
    first.direction === "inbound" && second.direction === "inbound" && new Date(other.at) - new Date(one.at) < 60_000 &&
    first.interaction_id === second.interaction_id
  );
}

/** The `seq` of the inbound text after which `count - 1` more came; 0 for none. */
function nthLastInbound(entries, count) {
  if (!count) return 0;
  return entries.findLast((entry) => entry.message?.direction === "inbound" && --count === 0)?.seq ?? 0;
}

/** Stays at the foot if it is there; else what is being read stays where it is, and new texts are only counted. */
function useSteadyScroll(scroll, entries, waiting, setBelow) {
  const before = useRef({ last: 0, waiting: 0 });
  useLayoutEffect(() => {
    const last = entries.at(-1)?.seq ?? 0;
    const box = scroll.current;
    const fresh = entries.filter((entry) => entry.seq > before.current.last && entry.message?.direction === "inbound").length;
    const isFirst = before.current.last === 0;
    if (box && last > before.current.last && !isFirst && box.scrollTop < -NEAR_PX && fresh) setBelow((count) => count + fresh);
    if (box && waiting.length > before.current.waiting) box.scrollTop = 0; // what I have just written
    before.current = { last: Math.max(last, before.current.last), waiting: waiting.length };
  }, [entries, waiting.length]);
}

/** What was really in view, in a window that is looked at, is read. */
function useReadMarks(scroll, interaction, contact, entries) {
  const last = entries.at(-1)?.seq ?? 0;
  useEffect(() => {
    if (!interaction || !last) return undefined;
    const mark = () => {
      if (isLookedAt() && scroll.current && scroll.current.scrollTop > -NEAR_PX) acts.markRead(interaction, last);
    };
    const timer = setTimeout(mark, 400);
    const box = scroll.current;
    box?.addEventListener("scroll", mark, { passive: true });
    addEventListener("focus", mark);
    return () => {
      clearTimeout(timer);
      box?.removeEventListener("scroll", mark);
      removeEventListener("focus", mark);
    };
  }, [interaction?.id, contact.id, last]);
}

/** Where nothing is open: the next step. */
export function Empty() {
  const isReady = state.isReady.value;
  const waiting = state.waiting.value.length;
  return html`<section class="transcript" aria-label="Nothing is open">
    <div class="empty not-ready">
      <h2>${isReady ? "Ready for texts" : "You are not ready"}</h2>
      <p>${isReady
        ? "New texts are offered to you as they come. Choose an interaction at the left to go on with it."
        : "New texts are offered to agents who are Ready. Those you have stay with you."}</p>
      ${!isReady && html`<button class="button primary large" onClick=${() => acts.setReady(true)}>Go ready <kbd>y</kbd></button>`}
      <dl class="tally">
        <div><dt>waiting</dt><dd>${waiting}</dd></div>
        <div><dt>active with you</dt><dd>${state.active.value.length}</dd></div>
        <div><dt>ended, not done</dt><dd>${state.ended.value.length}</dd></div>
      </dl>
    </div>
  </section>`;
}
