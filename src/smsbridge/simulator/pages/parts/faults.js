// What goes wrong at the carrier, and how often in 100.
import { html, useState } from "/desk/assets/lib/html.js";
import { endFaults, faults, setFault } from "../lib/traffic.js";

const SLIDERS = [
  ["send_429", "429, slow down"],
  ["send_500", "500, carrier down"],
  ["send_timeout_before", "Time-out, not sent"],
  ["send_timeout_after", "Time-out, then sent"],
  ["callback_duplicate", "Receipts twice"],
  ["callback_late", "Receipts late"],
  ["callback_lost", "Receipts lost"],
  ["webhook_duplicate", "Texts twice"],
  ["media_broken", "Broken pictures"],
];

export function Faults() {
  const isAny = SLIDERS.some(([name]) => faults.value[name] > 0);
  return html`<section class="card">
    <h2>Break it <span class="end"><button class="link" disabled=${!isAny} onClick=${endFaults}>All off</button></span></h2>
    <div class="faults">${SLIDERS.map(([name, title]) => html`<${Slider} key=${name} name=${name} title=${title} chance=${faults.value[name] ?? 0} />`)}</div>
  </section>`;
}

function Slider({ name, title, chance }) {
  const [moving, move] = useState(null);
  const shown = moving ?? chance;

  async function settle(event) {
    await setFault(name, Number(event.target.value));
    move(null);
  }

  return html`<label class=${shown > 0 ? "is-on" : ""}>
    <span>${title}</span>
    <input type="range" min="0" max="100" step="5" value=${shown} aria-valuetext=${`${shown} %`}
      onInput=${(event) => move(Number(event.target.value))} onChange=${settle} />
    <output>${shown} %</output>
  </label>`;
}
