// One phone: what is on its screen, and a line to text us.
import { html, Icon, useRef, useState } from "/desk/assets/lib/html.js";
import { at, day, now } from "/desk/assets/lib/times.js";
import { number as spaced } from "/desk/assets/lib/words.js";
import { drafts, ownNumber, text as send } from "../lib/phones.js";
import { Picture } from "./picture.js";
import { Samples } from "./samples.js";

const BUSINESS = "Harbour Cycles";
const PAUSE_MS = 10 * 60_000;

export function Phone({ phone }) {
  return html`<div class="phone" role="tabpanel" id="screen" aria-labelledby=${`tab-${phone.number.slice(1)}`}>
    <div class="screen">
      <p class="status" aria-hidden="true"><span>${at(now.value)}</span><span><${Icon} name="radio-tower" />SIM</span></p>
      <p class="to">${BUSINESS}<small><span class="number">${spaced(ownNumber.value)}</span></small></p>
      <div class="texts" tabindex="0" role="log" aria-label=${`Texts on ${phone.label}`}>
        <ol>${linesOf(phone).map((line) => html`<${Line} key=${line.key} line=${line} />`)}</ol>
      </div>
      ${phone.trouble && html`<p class="trouble" role="alert"><${Icon} name="triangle-alert" /><span>${phone.trouble}</span></p>`}
      <${Type} phone=${phone} />
    </div>
  </div>`;
}

function Line({ line }) {
  if (line.say) return html`<li class=${line.kind}>${line.say}</li>`;
  const { text, media, direction } = line.text;
  const mine = direction === "sent" ? " mine" : "";
  return html`${media.map((each) => html`<li key=${each.url} class=${`pic${mine}`}><${Picture} media=${each} isMine=${direction === "sent"} /></li>`)}
    ${text && html`<li class=${mine.trim()} dir="auto">${text}</li>`}`;
}

/** Texts in order, with the time where there was a pause, and who the phone became in between. */
function linesOf({ texts, changes, word, isSending }) {
  const lines = [];
  let before = 0;
  const become = (seq) =>
    changes.filter((each) => each.after === seq).forEach((each) =>
      lines.push({ key: each.at, kind: "at", say: `${each.persona === "mobile" ? "A mobile again" : `Became: ${each.title.toLowerCase()}`}, ${at(each.at)}` }));
  become(0);
  for (const text of texts) {
    const time = new Date(text.at).getTime();
    if (time - before > PAUSE_MS) lines.push({ key: `at ${text.seq}`, kind: "at", say: `${day(text.at)} ${at(text.at)}` });
    before = time;
    lines.push({ key: text.seq, text });
    become(text.seq);
  }
  if (word && (isSending || texts.at(-1)?.direction === "sent")) lines.push({ key: "word", kind: "word", say: word });
  return lines;
}

function Type({ phone }) {
  const [words, setWords] = useState(drafts.get(phone.number) ?? "");
  const [isChoosing, choose] = useState(false);
  const field = useRef(null);
  const camera = useRef(null);

  function write(value) {
    drafts.set(phone.number, value);
    setWords(value);
  }

  async function submit(event) {
    event.preventDefault();
    field.current.focus();
    if (drafts.get(phone.number)?.trim()) await go();
  }

  async function go(media = []) {
    const said = drafts.get(phone.number) ?? ""; // a second click is faster than the field
    write("");
    if (!(await send(phone.number, said, media)) && !drafts.get(phone.number)) write(said);
  }

  function close() {
    choose(false);
    camera.current.focus();
  }

  function pick(file) {
    close();
    go([file]);
  }

  return html`${isChoosing && html`<${Samples} phone=${phone} opener=${camera} onPick=${pick} onClose=${close} />`}
    <form class="type" aria-label="Text us" onSubmit=${submit}>
      <button type="button" class="icon-button" aria-label="Send a photo or a file" title="Send a photo or a file" aria-expanded=${isChoosing}
        ref=${camera} onClick=${() => choose(!isChoosing)}><${Icon} name="camera" /></button>
      <input type="text" placeholder="Text us…" aria-label="Text us" autocomplete="off" enterkeyhint="send" maxlength="1600" ref=${field}
        value=${words} onInput=${(event) => write(event.target.value)} />
      <button class="icon-button send" aria-label="Send text" title="Send text"><${Icon} name="arrow-up" /></button>
    </form>`;
}
