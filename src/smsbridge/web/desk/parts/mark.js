// Our mark: an arch over a line, and three texts that cross it.
import { html } from "../lib/html.js";

export const Mark = () => html`<svg width="22" height="22" viewBox="0 0 22 22" fill="none" stroke="currentColor"
  stroke-width="2" stroke-linecap="round" aria-hidden="true">
  <path d="M1.5 18V15.5a9.5 9.5 0 0 1 19 0V18" /><path d="M1.5 18h19" />
  <path d="M6.2 12.6V18M11 11.5V18M15.8 12.6V18" stroke-width="1.5" />
  <circle cx="6.2" cy="3.2" r="1.25" fill="currentColor" stroke="none" />
  <circle cx="11" cy="2.2" r="1.25" fill="currentColor" stroke="none" />
  <circle cx="15.8" cy="3.2" r="1.25" fill="currentColor" stroke="none" />
</svg>`;
