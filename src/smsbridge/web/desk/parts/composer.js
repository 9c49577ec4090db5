// Where an agent writes. Nothing here waits for the bridge: what is sent is kept, and goes out in order.
import { html, Icon, useEffect, useLayoutEffect, useRef, useState } from "../lib/html.js";
import { newKey, upload } from "../lib/api.js";
import { keepDraft, keepUploads, draftOf, dropDraft, uploads } from "../lib/drafts.js";
import { doing } from "../lib/keys.js";
import { countSegments, culprits, markCulprits, plain } from "../lib/sms.js";
import { agentName, firstWord, nameOf, number, plural, size } from "../lib/words.js";
import * as acts from "../lib/acts.js";
import * as state from "../lib/state.js";
import * as unsent from "../lib/unsent.js";
import { Attachment } from "./attachment.js";
import { Counter } from "./counter.js";
import { Emoji } from "./emoji.js";
import { Responses, unfilledIn } from "./responses.js";

const WRITING_MS = 8_000;

/** `interaction` is null for a quick reply: then the text goes to the contact, outside any interaction's window. */
export function Composer({ interaction, contact }) {
  const key = interaction?.id ?? contact.id;
  const draft = draftOf(key);
  const pending = uploads.value.get(key) ?? [];
  const [opened, setOpened] = useState(""); // "emoji", "responses" or nothing
  const [isAllTheSame, setAllTheSame] = useState(false);
  const [why, setWhy] = useState("");
  const field = useRef(null);
  const file = useRef(null);
  const segments = countSegments(draft.text);
  const isWarned = contact.sms_capability === "no" && !isAllTheSame;
  const isBusy = pending.some((each) => !each.problem);
  const sender = interaction?.sender;

  const write = (text) => keepDraft(key, { text });
  useWriting(interaction, draft.text);
  useLayoutEffect(() => {
    const mine = {
      reply: () => field.current?.focus(),
      emoji: () => setOpened(opened === "emoji" ? "" : "emoji"),
      responses: () => (field.current?.focus(), setOpened("responses")),
      back: () => opened && (setOpened(""), field.current?.focus(), true),
    };
    Object.assign(doing, mine);
    return () => Object.keys(mine).forEach((name) => doing[name] === mine[name] && delete doing[name]);
  }, [opened]);

  useLayoutEffect(() => {
    if (state.writesTo.value !== key) return;
    state.writesTo.value = "";
    field.current?.focus();
  }, [state.writesTo.value]);

  const insert = (words) => {
    const box = field.current;
    box.setRangeText(words, box.selectionStart, box.selectionEnd, "end");
    box.focus(); // before the next key
    write(box.value);
  };

  const send = (event) => {
    event?.preventDefault();
    const now = draftOf(key); // not what was drawn: a second press finds nothing
    const text = now.text.trim();
    if (isBusy) return setWhy("A file is still on its way. It goes with the text once it is here.");
    if (!text && !now.attachments.length) return undefined;
    if (isWarned) return setWhy("Choose above: send all the same, or leave it.");
    const missing = unfilledIn(text);
    if (missing) return setWhy(`${missing} is still to fill.`);
    if (text.length > state.rules.value.max_text_chars) return setWhy(`The text has ${text.length} characters; ${state.rules.value.max_text_chars} can go at once.`);
    dropDraft(key);
    setWhy("");
    unsent.add({ contactId: contact.id, interactionId: interaction?.id, to: contact.number, quick: !interaction, text, attachments: now.attachments, force: isAllTheSame });
    field.current?.focus();
    return undefined;
  };

  const attach = (files) => {
    for (const each of files) takeFile(key, each);
    setWhy("");
  };

  const owner = interaction?.agent;
  if (interaction && owner && interaction.state === "active" && !state.isMine(interaction)) return html`<${Owned} interaction=${interaction} />`;
  if (interaction?.state === "done") return html`<${Over} interaction=${interaction} contact=${contact} />`;
  if (interaction?.state === "ended" && !state.rules.value.asynchronous) return html`<${Over} interaction=${interaction} contact=${contact} />`;

  const dear = segments.encoding === "UCS-2" ? culprits(draft.text) : [];
  const plainText = dear.length ? plain(draft.text) : draft.text;
  const plainSegments = countSegments(plainText);
  const helps = dear.length > 0 && plainSegments.count < segments.count || (dear.length > 0 && plainSegments.encoding === "GSM-7");
  const isEmpty = !draft.text.trim() && !draft.attachments.length;
  const onKeyDown = (event) => {
    if (event.isComposing) return;
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) return send(event);
    if (opened === "responses") return; // the list has the keys
    if (event.key === "Enter" && state.settings.value.enterSends !== event.shiftKey) return send(event);
    if (event.key === "/" && !draft.text) setOpened("responses");
  };
  return html`<form class="composer" aria-label="Write to the contact" onSubmit=${send} onDragOver=${allowDrop} onDrop=${(event) => (event.preventDefault(), attach(event.dataTransfer.files))}>
    ${opened === "responses" && html`<${Responses} text=${draft.text} contact=${contact} field=${field}
      onChoose=${(words) => { draft.text.startsWith("/") ? write(words) : insert(words); setOpened(""); field.current?.focus(); }} onClose=${() => setOpened("")} />`}
    ${opened === "emoji" && html`<${Emoji} onChoose=${insert} isDear=${segments.encoding === "GSM-7"} />`}
    ${isWarned && html`<${BeforeSend} contact=${contact} onInsist=${() => { setAllTheSame(true); setWhy(""); field.current?.focus(); }} />`}
    ${interaction?.state === "ended" && html`<p class="reactivate"><${Icon} name="undo-2" />This interaction has ended. A text from either side makes it active again, until you mark it Done.</p>`}
    <div class=${`write${interaction?.state === "ended" ? " is-quiet" : ""}`}>
      ${draft.attachments.length + pending.length > 0 && html`<div class="chips">
        ${draft.attachments.map((each) => html`<${Attachment} key=${each.id} attachment=${each} onRemove=${() => keepDraft(key, { attachments: draft.attachments.filter((other) => other !== each) })} />`)}
        ${pending.map((each) => html`<${Attachment} key=${each.local} upload=${each} onRemove=${() => dropUpload(key, each)} />`)}
      </div>`}
      <div class="page">
        ${helps && html`<div class="ghost" aria-hidden="true">${markCulprits(draft.text).map(([piece, isDear]) => (isDear ? html`<span class="culprit">${piece}</span>` : piece))}${" "}</div>`}
        <textarea aria-label="Message" rows="1" ref=${field} value=${draft.text} dir="auto"
          aria-controls=${opened === "responses" ? "responses" : undefined}
          aria-autocomplete=${opened === "responses" ? "list" : undefined}
          placeholder=${!interaction ? "Write a quick reply…" : interaction.state === "ended" ? "Write to reactivate…" : "Write something…"}
          onInput=${(event) => { write(event.target.value); setWhy(""); if (opened === "responses" && !event.target.value.startsWith("/")) setOpened(""); }}
          onKeyDown=${onKeyDown} onPaste=${(event) => event.clipboardData.files.length && (event.preventDefault(), attach(event.clipboardData.files))}></textarea>
      </div>
      ${helps && html`<div class="culprit-line"><${Icon} name="triangle-alert" />
        <span>${dear.slice(0, 5).map((each) => html`<b>${each}</b> `)}${plural(dear.length, "makes", "make")
          .replace(/^\d+ /, "")} this ${plural(segments.count, "segment")}: plain, it is ${plural(plainSegments.count, "segment")}.</span>
        <button type="button" class="button small" onClick=${() => write(plainText)}>Use plain quotes</button></div>`}
      <div class="tools">
        <button type="button" class="icon-button" aria-label="Standard responses" title="Standard responses (/)" aria-expanded=${opened === "responses"}
          onClick=${() => { setOpened(opened === "responses" ? "" : "responses"); field.current.focus(); }}><${Icon} name="message-square-quote" /></button>
        <button type="button" class="icon-button" aria-label="Emoji" title="Emoji (Ctrl E)" aria-expanded=${opened === "emoji"} onClick=${() => setOpened(opened === "emoji" ? "" : "emoji")}><${Icon} name="smile" /></button>
        <button type="button" class="icon-button" aria-label="Attach a file" title="Attach" onClick=${() => file.current.click()}><${Icon} name="paperclip" /></button>
        <input type="file" hidden multiple ref=${file} aria-label="Files to attach" onChange=${(event) => { attach(event.target.files); event.target.value = ""; }} />
        <div class="end">
          <${Counter} segments=${segments} />
          <button class="button primary send" aria-label="Send" disabled=${isEmpty || isBusy}><span class="word">Send</span><${Icon} name="send-horizontal" /></button>
        </div>
      </div>
    </div>
    <div class="under">
      <span role="status">${why || (interaction ? html`From <span class="number">${number(sender)}</span>` : "Quick reply. Your time is not measured here; for that, create an interaction.")}</span>
      <span class="only-wide">${state.settings.value.enterSends ? html`<kbd>Enter</kbd> sends, <kbd>Shift Enter</kbd> new line` : html`<kbd>Ctrl Enter</kbd> sends`}</span>
    </div>
  </form>`;
}

const allowDrop = (event) => event.dataTransfer.types.includes("Files") && event.preventDefault();

function BeforeSend({ contact, onInsist }) {
  return html`<div class="before-send" role="alert"><${Icon} name="phone-off" /><div>
    <p><strong>This number cannot receive texts.</strong> ${number(contact.number)} is believed to be a landline, or refused a text before.</p>
    <p class="advice">Use another number of ${contact.name ? firstWord(nameOf(contact)) : "this contact"}, call, or send all the same.</p>
    <div class="acts"><button type="button" class="button small quiet" onClick=${onInsist}>Send all the same</button></div>
  </div></div>`;
}

/** Somebody else has it: said kindly, with the ways out that there are. */
function Owned({ interaction }) {
  const name = agentName(interaction.agent);
  return html`<div class="composer"><p class="reactivate"><${Icon} name="eye" />${name} has this interaction. You can read along.
    ${state.supervises.value && html`<button class="button small" onClick=${() => acts.assign(interaction, state.session.value.agent)}>Take it over</button>`}
  </p></div>`;
}

/** For good: the next text needs an interaction of its own. */
function Over({ contact, interaction }) {
  const create = () => acts.attempt(() => acts.createInteraction(contact.number, { from: interaction.sender }));
  return html`<div class="composer"><p class="reactivate"><${Icon} name="circle-check" />This interaction is ${interaction.state === "done" ? "done" : "over"}. To write again, create a new one.
    <button class="button small primary" onClick=${create}><${Icon} name="message-square-plus" />Create SMS interaction</button>
  </p></div>`;
}

function takeFile(key, file) {
  const rules = state.rules.value;
  const local = newKey();
  const entry = { local, name: file.name, size: file.size, progress: 0, problem: "" };
  const have = draftOf(key).attachments.length + (uploads.value.get(key) ?? []).length;
  if (file.size > rules.max_attachment_bytes) entry.problem = `Up to ${size(rules.max_attachment_bytes)} can go`;
  else if (have >= rules.max_attachments) entry.problem = `${rules.max_attachments} can go with one text`;
  keepUploads(key, (list) => [...list, entry]);
  if (entry.problem) return;
  const change = (what) => keepUploads(key, (list) => list.map((each) => (each.local === local ? { ...each, ...what } : each)));
  const { done, cancel } = upload(file, (progress) => change({ progress }));
  change({ cancel });
  done.then(
    (stored) => {
      if (!(uploads.value.get(key) ?? []).some((each) => each.local === local)) return; // taken away meanwhile
      keepUploads(key, (list) => list.filter((each) => each.local !== local));
      keepDraft(key, { attachments: [...draftOf(key).attachments, { ...stored, filename: stored.filename || file.name }] });
    },
    (problem) => change({ problem: problem.message }),
  );
}

function dropUpload(key, entry) {
  if (!entry.problem) entry.cancel?.();
  keepUploads(key, (list) => list.filter((each) => each.local !== entry.local));
}

/** Colleagues who look at the same interaction see that somebody writes. */
function useWriting(interaction, text) {
  const until = useRef(0);
  useEffect(() => {
    if (!interaction || !text || Date.now() < until.current) return;
    until.current = Date.now() + WRITING_MS;
    acts.look(interaction, true);
  }, [text]);
}
