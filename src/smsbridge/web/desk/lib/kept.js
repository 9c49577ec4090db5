// What must survive a reload: drafts and settings in this browser, for this agent.

const memory = new Map();

function storage(kind) {
  try {
    return kind === "session" ? window.sessionStorage : window.localStorage;
  } catch {
    return null; // the browser forbids it: then it lasts as long as the page
  }
}

export function read(key, otherwise, kind = "local") {
  const kept = storage(kind);
  try {
    const text = kept ? kept.getItem(`smsbridge.${key}`) : memory.get(key);
    return text === null || text === undefined ? otherwise : JSON.parse(text);
  } catch {
    return otherwise;
  }
}

export function write(key, value, kind = "local") {
  const text = JSON.stringify(value);
  memory.set(key, text);
  try {
    storage(kind)?.setItem(`smsbridge.${key}`, text);
  } catch {
    // full, or forbidden: the memory of this page has it
  }
}

/** The keys that begin so. */
export function keys(prefix, kind = "local") {
  const kept = storage(kind);
  const all = kept ? Object.keys(kept) : [...memory.keys()].map((key) => `smsbridge.${key}`);
  return all.filter((key) => key.startsWith(`smsbridge.${prefix}`)).map((key) => key.slice("smsbridge.".length));
}

export function forget(key, kind = "local") {
  memory.delete(key);
  storage(kind)?.removeItem(`smsbridge.${key}`);
}
