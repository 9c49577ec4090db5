// What must survive a reload: drafts and settings in this browser, for this agent.

/** What the browser would not keep, being full or forbidden to: it lasts as long as the page. */
const memory = new Map();

function storage(kind) {
  try {
    return kind === "session" ? window.sessionStorage : window.localStorage;
  } catch {
    return null;
  }
}

export function read(key, otherwise, kind = "local") {
  try {
    const text = memory.get(key) ?? storage(kind)?.getItem(`smsbridge.${key}`) ?? null;
    return text === null ? otherwise : JSON.parse(text);
  } catch {
    return otherwise;
  }
}

export function write(key, value, kind = "local") {
  const text = JSON.stringify(value);
  try {
    storage(kind).setItem(`smsbridge.${key}`, text);
    memory.delete(key);
  } catch {
    memory.set(key, text);
  }
}

/** The keys that begin so. */
export function keys(prefix, kind = "local") {
  const stored = Object.keys(storage(kind) ?? {}).map((key) => key.replace(/^smsbridge\./, ""));
  return [...new Set([...stored, ...memory.keys()])].filter((key) => key.startsWith(prefix));
}

export function forget(key, kind = "local") {
  memory.delete(key);
  storage(kind)?.removeItem(`smsbridge.${key}`);
}
