// A face for a name: two letters on one of six tints, or a phone where there is only a number.
import { html, Icon } from "../lib/html.js";
import { initials, tint } from "../lib/words.js";

export function Avatar({ name, id, size = "" }) {
  const letters = initials(name);
  return html`<span class=${`avatar ${size}`} data-tint=${letters ? tint(id) : undefined} aria-hidden="true">
    ${letters || html`<${Icon} name="smartphone" />`}
  </span>`;
}
