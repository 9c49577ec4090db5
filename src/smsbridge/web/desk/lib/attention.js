// What is in view, and how to call an agent whose eyes are elsewhere.
import { settings } from "./state.js";
import * as state from "./state.js";

export const isLookedAt = () => document.visibilityState === "visible" && document.hasFocus();

export const isInView = (contactId) => isLookedAt() && state.currentContactId.value === contactId;

export const mayNotify = () => "Notification" in window && isSecureContext && Notification.permission === "granted";

/** Asked for only after the agent pressed the bell. */
export async function askToNotify() {
  if (!("Notification" in window) || !isSecureContext) return false;
  return (await Notification.requestPermission()) === "granted";
}

/** One for each subject, however many texts it has; none while the page is in front. */
export function notify(tag, title, body) {
  if (isLookedAt() || !mayNotify() || settings.value.notifications === false) return;
  let shown;
  try {
    shown = new Notification(title, { body, tag, icon: "/desk/assets/favicon.svg" });
  } catch {
    return; // browsers of phones grant it, and then want it from a service worker
  }
  shown.onclick = () => {
    window.focus();
    shown.close();
  };
}
