// Calls of the simulator's own API. What goes wrong is an Error with a sentence for people.

export const url = document.querySelector('meta[name="simulator"]').content;

export const get = (path) => call("GET", path);
export const post = (path, body) => call("POST", path, body);
export const put = (path, body) => call("PUT", path, body);
export const patch = (path, body) => call("PATCH", path, body);
export const remove = (path) => call("DELETE", path);

async function call(method, path, body) {
  const headers = body === undefined ? {} : { "Content-Type": "application/json" };
  let response;
  try {
    response = await fetch(url + path, { method, headers, body: body === undefined ? undefined : JSON.stringify(body) });
  } catch {
    throw new Error("The simulator does not answer. Start the demo again, then reload this page.");
  }
  if (response.status === 204) return null;
  const said = await response.json();
  if (!response.ok) throw new Error(said.detail);
  return said;
}
