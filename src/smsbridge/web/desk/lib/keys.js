// The keyboard. Single letters act outside of fields only, and can be switched off (WCAG 2.1.4).
import * as acts from "./acts.js";
import * as state from "./state.js";

const SEQUENCE_MS = 1_200;
let first = "";
let firstAt = 0;

/** What the parts in view do for a key: they put a function here and take it away again. */
export const doing = {};

export function onKey(event) {
  if (event.defaultPrevented || event.isComposing) return;
  const control = event.ctrlKey || event.metaKey;
  const name = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  if (control && !event.altKey && !event.shiftKey) {
    const work = { k: () => openDialog("find"), f: findInTranscript, e: doing.emoji }[name];
    if (work && work() !== false) event.preventDefault();
    return;
  }
  if (event.key === "Escape") {
    if (stepBack()) event.preventDefault();
    return;
  }
  if (control || event.altKey || isField(event.target) || state.dialog.value) return;
  if (!state.settings.value.letters && event.key !== "?") return;
  const work = pick(event);
  if (work && work() !== false) event.preventDefault();
}

function pick(event) {
  const key = event.key;
  if (first === "g" && event.timeStamp - firstAt < SEQUENCE_MS) {
    first = "";
    return { q: () => showTab("queue"), m: () => showTab("mine"), d: () => showTab("done"), c: () => state.go("communication") }[key];
  }
  if (key === "g") {
    first = "g";
    firstAt = event.timeStamp; // when it was pressed: a page that is busy hears of it later
    return null;
  }
  return {
    "?": () => openDialog("help"),
    a: () => state.offers.value.length > 0 && acts.accept(state.offers.value[0][0]),
    y: () => acts.setReady(!state.isReady.value),
    c: () => openDialog("new"),
    e: () => state.current.value?.state === "active" && acts.end(state.current.value),
    D: () => doing.done?.(),
    r: () => doing.reply?.(),
    n: () => doing.note?.(),
    "/": () => doing.responses?.(),
    j: () => step(1),
    k: () => step(-1),
    ...Object.fromEntries([..."123456789"].map((digit) => [digit, () => doing.disposition?.(Number(digit)) ?? false])),
  }[key];
}

function showTab(name) {
  state.tab.value = name;
  state.go("desk");
}

export function openDialog(name) {
  state.dialog.value = name;
}

function findInTranscript() {
  if (!state.currentContactId.value) return false;
  state.isFinding.value = true;
  return true;
}

/** One step back, never losing words. */
function stepBack() {
  if (state.dialog.value) return ((state.dialog.value = null), true);
  if (doing.back?.()) return true;
  if (state.isFinding.value) return ((state.isFinding.value = false), true);
  if (state.isPanelOpen.value) return ((state.isPanelOpen.value = false), true);
  if (isField(document.activeElement)) return (document.activeElement.blur(), true); // out of it, to the single letters
  return false;
}

/** To the next or previous row of the list, which then has the focus: Enter opens it. */
function step(by) {
  const rows = [...document.querySelectorAll(".list a.row")];
  if (!rows.length) return false;
  const at = rows.findIndex((row) => row === document.activeElement);
  const from = at >= 0 ? at : rows.findIndex((row) => row.getAttribute("aria-current"));
  rows[Math.min(rows.length - 1, Math.max(0, from + by))]?.focus();
  return true;
}

const isField = (target) =>
  target instanceof HTMLElement &&
  (target.isContentEditable || target.matches("input:not([type=radio]):not([type=checkbox]), textarea, select") || Boolean(target.shadowRoot));
