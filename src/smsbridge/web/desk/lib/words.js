// The words for states and kinds, each with its icon: shape, word, and only then colour.

export const STATES = {
  unsent: ["circle-dashed", "Waiting for the line"],
  queued: ["clock-3", "Queued"],
  sending: ["circle-dashed", "Sending"],
  sent: ["check", "Sent"],
  delivered: ["check-check", "Delivered"],
  undelivered: ["triangle-alert", "Not delivered"],
  failed: ["octagon-x", "Not sent"],
  uncertain: ["circle-question-mark", "May not have been delivered"],
  cancelled: ["ban", "Cancelled"],
  refused: ["octagon-x", "Not sent"],
};

/** The class of a bubble by the state of its text. */
export const BUBBLES = {
  unsent: "is-pending",
  queued: "is-pending",
  sending: "is-pending",
  undelivered: "is-failed",
  failed: "is-failed",
  refused: "is-failed",
  uncertain: "is-uncertain",
  cancelled: "is-cancelled",
};

export const NOTICE_ICONS = {
  wrong_sender_number: "octagon-x",
  not_sms_capable: "phone-off",
  undelivered: "triangle-alert",
  delivery_uncertain: "circle-question-mark",
  opted_out: "ban",
  opted_in: "circle-check",
  attachment_problem: "image-off",
  attachment_refused: "image-off",
  text_withheld: "triangle-alert",
  content_rejected: "triangle-alert",
  delayed: "clock-3",
  rerouted: "radio-tower",
  service_problem: "plug",
};

export const CAPABILITY = {
  yes: ["good", "check-check", "Can receive"],
  no: ["bad", "phone-off", "Cannot receive"],
  unknown: ["", "circle-question-mark", "Not known"],
};

const GROUPS = [
  /^\+(1)(\d{3})(\d{3})(\d{4})$/,
  /^\+(44)(2\d)(\d{4})(\d{4})$/,
  /^\+(44)(\d{4})(\d{6})$/,
  /^\+(33)(\d)(\d\d)(\d\d)(\d\d)(\d\d)$/,
  /^\+(49)(\d{3})(\d{3,4})(\d{3,5})$/,
  /^\+(20|27|3[0-69]|4[013-8]|5[1-8]|6[0-6]|7|8[1246]|9[0-58])(\d{2,3})(\d{3})(\d{3,4})$/,
  /^\+(\d{3})(\d{2,3})(\d{3})(\d{2,4})$/,
];

/** A number as people write it: grouped where the country is known well enough, else as it is. */
export function number(text) {
  const found = GROUPS.map((each) => each.exec(text)).find(Boolean);
  return found ? `+${found.slice(1).join(" ")}` : text;
}

export const nameOf = (contact) => contact?.name || number(contact?.number ?? "");
export const agentName = (agent) => agent?.name || agent?.id || "";
export const firstWord = (name) => name.split(/\s+/)[0];

/** Two letters for an avatar, one in scripts that have no capitals; none for a number. */
export function initials(name) {
  if (!name || /^[+\d]/.test(name)) return "";
  const words = name.trim().split(/\s+/);
  const letters = [words[0], words.length > 1 ? words.at(-1) : ""].map((word) => [...word][0] ?? "");
  if (letters[0].toLowerCase() === letters[0].toUpperCase()) return letters[0];
  return letters.join("").toLocaleUpperCase();
}

/** One of six tints, the same for a person wherever they are shown. */
export function tint(id) {
  let sum = 0;
  for (const character of id ?? "") sum = (sum * 31 + character.codePointAt(0)) % 997;
  return 1 + (sum % 6);
}

export const plural = (count, one, many = `${one}s`) => `${count} ${count === 1 ? one : many}`;

export function size(bytes) {
  if (bytes < 1024) return `${bytes} B`;
  if (bytes < 1024 ** 2) return `${Math.round(bytes / 1024)} KB`;
  return `${(bytes / 1024 ** 2).toFixed(1)} MB`;
}

/** The one line under a name in a list, as [class, icon, text]. */
export function lastWords(last) {
  if (!last) return ["", "", ""];
  if (last.kind === "notice") {
    return [{ error: "bad", warning: "warn" }[last.severity] ?? "", NOTICE_ICONS[last.notice_kind] ?? "", last.text];
  }
  if (last.kind === "interaction") return ["", "", BORDERS[last.border] ?? ""];
  if (["failed", "undelivered"].includes(last.status)) return ["bad", "triangle-alert", STATES[last.status][1]];
  if (last.status === "uncertain") return ["warn", "circle-question-mark", STATES.uncertain[1]];
  const text = last.text || (last.has_attachments ? "Picture" : "");
  return ["", last.direction === "outbound" ? "corner-down-left" : "", text];
}

const BORDERS = {
  opened: "New interaction",
  accepted: "Accepted",
  ended: "Ended",
  reactivated: "Active again",
  done: "Done",
};
