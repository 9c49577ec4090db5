// What a phone can send: good files, broken ones, one of your own.
import { html, Icon, useEffect, useRef, useState } from "/desk/assets/lib/html.js";
import { samples } from "../lib/phones.js";
import { NOT_TO_BE_OPENED } from "./picture.js";

const GOOD = ["photo.jpg", "photo.png", "animation.gif", "contact.vcf", "note.pdf"];
const MOST_BYTES = 16 * 1024 * 1024;
const ICONS = { "contact.vcf": "contact", "note.pdf": "file-text", "huge.mp4": "file-text" };

export function Samples({ opener, onPick, onClose }) {
  const menu = useRef(null);
  const own = useRef(null);
  const [problem, setProblem] = useState("");

  useEffect(() => {
    menu.current.querySelector("button").focus();
    const outside = ({ target }) => !menu.current.contains(target) && !opener.current.contains(target) && onClose();
    addEventListener("pointerdown", outside);
    return () => removeEventListener("pointerdown", outside);
  }, []);

  function keys(event) {
    if (event.key === "Escape") return onClose();
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    const buttons = [...menu.current.querySelectorAll("button")];
    buttons.at((buttons.indexOf(document.activeElement) + step) % buttons.length).focus();
  }

  function take({ target }) {
    const file = target.files[0];
    if (!file) return;
    if (file.size > MOST_BYTES) return setProblem("A file of at most 16 MB, please.");
    const reader = new FileReader();
    reader.onload = () => onPick(reader.result);
    reader.onerror = () => setProblem("This file cannot be read.");
    reader.readAsDataURL(file);
  }

  const [good, bad] = [true, false].map((wanted) => samples.value.filter(({ name }) => GOOD.includes(name) === wanted));
  return html`<div class="samples menu" role="group" aria-label="What to send" ref=${menu} onKeyDown=${keys}>
    <p class="heading">Good</p>
    ${good.map((sample) => html`<${Sample} sample=${sample} onPick=${onPick} />`)}
    <p class="heading">Trouble</p>
    ${bad.map((sample) => html`<${Sample} sample=${sample} onPick=${onPick} />`)}
    <hr />
    <button type="button" class="item" onClick=${() => own.current.click()}><span class="look"><${Icon} name="plus" /></span><span>A file of your own…</span></button>
    <input type="file" hidden ref=${own} onChange=${take} aria-label="A file of your own" />
    ${problem && html`<p class="trouble" role="alert"><${Icon} name="triangle-alert" /><span>${problem}</span></p>`}
  </div>`;
}

function Sample({ sample, onPick }) {
  return html`<button type="button" class="item" onClick=${() => onPick(sample.name)}>
    <span class="look"><${Look} sample=${sample} /></span>
    <span>${sample.title}<small>${sample.description}</small></span>
  </button>`;
}

function Look({ sample: { name, content_type, url } }) {
  const [isShown, show] = useState(content_type.startsWith("image/") && name !== NOT_TO_BE_OPENED);
  if (isShown) return html`<img src=${url} alt="" onError=${() => show(false)} />`;
  return html`<${Icon} name=${ICONS[name] ?? "image-off"} />`;
}
