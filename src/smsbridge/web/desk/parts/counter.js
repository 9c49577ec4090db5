// What the text costs, live: encoding, segments, units left; one bar for each segment.
import { html } from "../lib/html.js";
import { plural } from "../lib/words.js";

const MOST_BARS = 6;

export function Counter({ segments }) {
  const { count, encoding, units, unitsLeft } = segments;
  const shown = Math.max(1, count);
  const whole = shown === 1 ? (encoding === "GSM-7" ? 160 : 70) : encoding === "GSM-7" ? 153 : 67;
  const used = (whole - unitsLeft) / whole;
  return html`<span class=${`counter${encoding === "UCS-2" || shown > 1 ? " is-dear" : ""}`} title=${`${units} of ${units + unitsLeft} units`}>
    <span class="gauge" aria-hidden="true">
      ${Array.from({ length: Math.min(shown, MOST_BARS) }, (_, at) => html`<svg viewBox="0 0 22 5" preserveAspectRatio="none">
        <rect class="rest" width="22" height="5" rx="2" />
        <rect class="used" width=${(22 * (at < shown - 1 ? 1 : used)).toFixed(1)} height="5" rx="2" />
      </svg>`)}
    </span>
    <span><span class="long">${encoding}, </span><strong>${plural(shown, "segment")}</strong>, ${unitsLeft} left</span>
  </span>`;
}
