// A dialog in the middle: Esc and the ground behind it close it, and the focus goes back where it was.
import { html, Icon, useLayoutEffect, useRef } from "../lib/html.js";
import * as state from "../lib/state.js";

export function Dialog({ title, children, classes = "", onKeyDown }) {
  const box = useRef(null);
  useLayoutEffect(() => { // before the next key
    box.current.showModal();
    (box.current.querySelector("[autofocus]") ?? box.current.querySelector("h2")).focus();
  }, []);
  const close = () => (state.dialog.value = null);
  return html`<dialog class=${`dialog ${classes}`} aria-label=${title} ref=${box} onClose=${close} onKeyDown=${onKeyDown}
    onClick=${(event) => event.target === box.current && close()}>
    <div class="sheet-inner">
      <header><h2 tabindex="-1">${title}</h2><button class="icon-button" aria-label="Close" onClick=${close}><${Icon} name="x" /></button></header>
      ${children}
    </div>
  </dialog>`;
}
