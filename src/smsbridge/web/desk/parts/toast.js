// A word at the edge that goes by itself; nothing that must be kept is said here.
import { html } from "../lib/html.js";
import { now } from "../lib/times.js";
import * as state from "../lib/state.js";

export function Toast() {
  const toast = state.toast.value;
  return html`<div class="toasts" role="status" aria-live="polite">
    ${toast && html`<p class="toast" key=${toast.id}>${toast.text}
      ${toast.undo && html`${" "}<span class="left" aria-hidden="true">${Math.max(1, Math.ceil((toast.until - now.value) / 1000))} s</span>${" "}
        <button class="button small" onClick=${() => { state.toast.value = null; toast.undo(); }}>Undo</button>`}
      ${!toast.undo && html`<span></span>`}
    </p>`}
  </div>`;
}
