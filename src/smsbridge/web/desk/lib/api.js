// Calls of the REST API, with the session's cookie. What goes wrong is a Problem (RFC 9457) or LineDown.

export class Problem extends Error {
  constructor(body) {
    super(body.detail || body.title || "Something is wrong here.");
    Object.assign(this, { status: body.status, cause: body.cause, code: body.code, overridable: body.overridable, errors: body.errors });
  }
}

/** No answer: whether the bridge has heard us is not known. Only what carries an Idempotency-Key may be said again. */
export class LineDown extends Error {
  constructor() {
    super("The bridge does not answer.");
  }
}

/** Whether the same question may be answered in a moment. */
export const mayPass = (problem) => problem instanceof LineDown || problem.status === 429 || problem.status >= 500;

const PATIENCE_MS = 30_000;

/** A name for one act, so that it can be said again. (`crypto.randomUUID` is there for https and localhost only.) */
export const newKey = () => crypto.getRandomValues(new Uint32Array(4)).join("-");

let onSignedOut = () => {};

/** `work` is called when the session has ended. */
export function whenSignedOut(work) {
  onSignedOut = work;
}

export const sayGoodbye = () => onSignedOut();

let visit = 0;

/** Somebody comes or goes: what was asked before was asked for whoever was here then. */
export function turnOver() {
  visit += 1;
}

export const get = (path, query) => call("GET", path + write(query));
export const post = (path, body, key) => call("POST", path, body, key);
export const put = (path, body) => call("PUT", path, body);
export const patch = (path, body) => call("PATCH", path, body);
export const remove = (path, body) => call("DELETE", path, body);

async function call(method, path, body, key) {
  const headers = {};
  if (body !== undefined) headers["Content-Type"] = "application/json";
  if (key) headers["Idempotency-Key"] = key;
  const asked = visit;
  let response;
  try {
    response = await fetch(`/v1${path}`, {
      method,
      headers,
      body: body === undefined ? undefined : JSON.stringify(body),
      signal: AbortSignal.timeout(PATIENCE_MS),
    });
  } catch {
    throw new LineDown();
  }
  if (asked !== visit && (method === "GET" || response.status === 401)) throw new Problem({ status: 401, title: "That was before." });
  return read(response);
}

async function read(response) {
  if (response.status === 204) return null;
  let text;
  try {
    text = await response.text();
  } catch {
    throw new LineDown(); // it broke off in its middle: what it would have said is not known
  }
  let said;
  try {
    said = JSON.parse(text);
  } catch {
    if (response.status >= 500) throw new LineDown(); // a proxy speaks for a bridge that is away
    throw new Problem({ status: response.status, detail: "The answer cannot be read." });
  }
  if (response.ok) return said;
  if (response.status === 503) throw new LineDown();
  if (response.status === 401) onSignedOut();
  throw new Problem(said);
}

/** Uploads one file. `onProgress` hears the share that has left, from 0 to 1. */
export function upload(file, onProgress) {
  const request = new XMLHttpRequest(); // fetch tells nothing of an upload's progress
  const done = new Promise((resolve, reject) => {
    request.upload.onprogress = (event) => event.lengthComputable && onProgress(event.loaded / event.total);
    request.onerror = request.ontimeout = () => reject(new LineDown());
    request.onload = () => {
      try {
        const said = JSON.parse(request.responseText);
        if (request.status < 300) resolve(said);
        else reject(new Problem(said));
      } catch {
        reject(new LineDown());
      }
    };
  });
  const form = new FormData();
  form.append("file", file, file.name);
  request.open("POST", "/v1/attachments");
  request.setRequestHeader("Idempotency-Key", newKey());
  request.send(form);
  return { done, cancel: () => request.abort() };
}

function write(query = {}) {
  const parameters = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    for (const one of Array.isArray(value) ? value : [value]) {
      if (one !== undefined && one !== null) parameters.append(name, one);
    }
  }
  const text = parameters.toString();
  return text ? `?${text}` : "";
}
