// The agent's desk inside the demo: the very same desk, in a smaller window.
import { html } from "/desk/assets/lib/html.js";
import { Desk } from "/desk/assets/parts/app.js";

export function DeskWindow() {
  return html`<section class="window" id="desk" aria-label="Agent desk">
    <h2 class="unseen">Agent desk</h2>
    <${Desk} embedded />
  </section>`;
}
