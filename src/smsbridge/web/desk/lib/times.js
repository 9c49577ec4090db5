// Times as people at a desk say them.
import { signal } from "./html.js";

/** Milliseconds since 1970, moving once a second. Only what reads it is drawn again. */
export const now = signal(Date.now());
setInterval(() => (now.value = Date.now()), 1000);

const clock = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit" });
const weekday = new Intl.DateTimeFormat("en-GB", { weekday: "short" });
const dayMonth = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short" });
const dayMonthYear = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", year: "numeric" });
const wholeDay = new Intl.DateTimeFormat("en-GB", { weekday: "short", day: "numeric", month: "short" });
const DAY_MS = 86_400_000;

export const at = (time) => clock.format(new Date(time));
export const isSameDay = (one, other) => new Date(one).toDateString() === new Date(other).toDateString();

/** `Today`, `Yesterday`, `Tue 3 Nov`. */
export function day(time) {
  if (isSameDay(time, Date.now())) return "Today";
  if (isSameDay(time, Date.now() - DAY_MS)) return "Yesterday";
  return wholeDay.format(new Date(time));
}

/** For a list: the time today, the weekday of this week, else the date. */
export function when(time) {
  const age = Date.now() - new Date(time);
  if (isSameDay(time, Date.now())) return at(time);
  if (age < 6 * DAY_MS) return weekday.format(new Date(time));
  return (age < 300 * DAY_MS ? dayMonth : dayMonthYear).format(new Date(time));
}

/** `0:08`, `1:42`, `2 h 05`, `17 h`, `3 d`: how long since, or until. */
export function span(ms) {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  if (seconds < 3600) return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
  if (seconds < 10 * 3600) return `${Math.floor(seconds / 3600)} h ${String(Math.floor((seconds % 3600) / 60)).padStart(2, "0")}`;
  if (seconds < 48 * 3600) return `${Math.floor(seconds / 3600)} h`;
  return `${Math.floor(seconds / 86400)} d`;
}

/** `28 min`, for a sentence. */
export function lasted(ms) {
  const minutes = Math.round(ms / 60_000);
  if (minutes < 1) return "less than a minute";
  if (minutes < 90) return `${minutes} min`;
  if (minutes < 36 * 60) return `${Math.round(minutes / 60)} h`;
  return `${Math.round(minutes / 1440)} days`;
}

export const ago = (time) => now.value - new Date(time);
