// One picture, full size.
import { html, Icon, useEffect, useRef, useState } from "../lib/html.js";
import { size } from "../lib/words.js";

export function Lightbox({ pictures, first, maySave, onClose }) {
  const [shown, setShown] = useState(first);
  const box = useRef(null);
  useEffect(() => box.current.showModal(), []);
  const step = (by) => setShown((shown + by + pictures.length) % pictures.length);
  const onKeyDown = (event) => {
    const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (by) step(by);
    event.stopPropagation(); // the desk's single letters rest meanwhile
  };
  const { filename, url, size_bytes } = pictures[shown];
  const name = filename || "Picture";
  return html`<dialog class="lightbox" aria-label=${`${name}, full size`} ref=${box} onClose=${onClose} onKeyDown=${onKeyDown}
    onClick=${(event) => event.target === box.current && box.current.close()}>
    <div class="acts">
      <span class="one-line">${name}, ${shown + 1} of ${pictures.length}${size_bytes ? `, ${size(size_bytes)}` : ""}</span>
      ${maySave && html`<a class="button small" href=${url} download=${name}><${Icon} name="download" />Save</a>`}
      <button class="icon-button" aria-label="Close" onClick=${() => box.current.close()}><${Icon} name="x" /></button>
    </div>
    <img src=${url} alt=${name} />
    ${pictures.length > 1 && html`<div class="acts">
      <button class="icon-button" aria-label="Previous" onClick=${() => step(-1)}><${Icon} name="chevron-left" turns /></button>
      <button class="icon-button" aria-label="Next" onClick=${() => step(1)}><${Icon} name="chevron-right" turns /></button>
    </div>`}
  </dialog>`;
}
