// The one place that names the libraries: everything else says html`...` and signal().
import htm from "../vendor/htm.js";
import { h } from "../vendor/preact.js";

export { Fragment, createRef, render } from "../vendor/preact.js";
export { useCallback, useEffect, useLayoutEffect, useMemo, useRef, useState } from "../vendor/preact-hooks.js";
export { batch, computed, effect, signal, untracked } from "../vendor/signals.js";
export const html = htm.bind(h);

const RETRY_MS = 2_000;

/** Into the page once: an icon that is shown while the bridge is away cannot be fetched any more. */
async function loadIcons() {
  const answer = await fetch("/desk/assets/icons.svg").catch(() => null);
  if (!answer?.ok) return void setTimeout(loadIcons, RETRY_MS); // half of the buttons have no other face
  const icons = new DOMParser().parseFromString(await answer.text(), "image/svg+xml").documentElement;
  for (const icon of icons.children) icon.id = `icon-${icon.id}`;
  icons.setAttribute("class", "icons");
  icons.setAttribute("aria-hidden", "true");
  document.body.append(document.importNode(icons, true));
}
loadIcons();

/** An icon of icons.svg. It says nothing by itself: a word stands beside it, or its button has a label. */
export function Icon({ name, big, turns }) {
  return html`<svg class=${`icon${big ? " big" : ""}${turns ? " turns" : ""}`} aria-hidden="true">
    <use href=${`#icon-${name}`} />
  </svg>`;
}
