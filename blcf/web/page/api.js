/* What the server is asked, and the sentence to show where it does not answer as hoped. */

const STOPPED =
  "The server does not answer. If it was stopped, start blcf serve again, then try again.";
const STRANGER =
  "The server does not know this browser: open the address that blcf serve printed, token and all.";
const TRIES = 8; // of what found the queue full, as many seconds as the server says apart

/** Why there is no answer: a sentence, and the status of HTTP (0: nobody answered). */
export class Refused extends Error {
  constructor(sentence, status, retry = 0) {
    super(sentence);
    this.status = status;
    this.retry = retry;
  }
}

/** Whether something was stopped because it is no longer wanted. */
export const isAbandoned = (error) => error.name === "AbortError";

async function answer(path, options = {}) {
  let response;
  try {
    response = await fetch(path, { credentials: "same-origin", ...options });
  } catch (error) {
    throw isAbandoned(error) ? error : new Refused(STOPPED, 0);
  }
  if (response.ok) return response;
  if (response.status === 401) throw new Refused(STRANGER, 401);
  let sentence = `The server answered ${response.status} to ${path}.`;
  try {
    sentence = String((await response.json()).error || sentence);
  } catch (error) {
    if (isAbandoned(error)) throw error; // otherwise it was no JSON: the sentence above stands
  }
  throw new Refused(sentence, response.status, Number(response.headers.get("Retry-After")) || 1);
}

/** Ask again where the queue is full. */
async function patiently(ask, signal) {
  for (let tried = 1; ; tried += 1) {
    try {
      return await ask();
    } catch (error) {
      if (error.status !== 503 || tried === TRIES) throw error;
      await pause(error.retry);
      signal?.throwIfAborted();
    }
  }
}

const json = async (path, options) => (await answer(path, options)).json();

function post(value, signal) {
  const headers = { "Content-Type": "application/json" };
  return { method: "POST", headers, body: JSON.stringify(value), signal };
}

const pause = (seconds) => new Promise((done) => setTimeout(done, 1000 * seconds));
const of = (collection) => `/api/collections/${encodeURIComponent(collection)}`;

export const health = () => json("/api/health");
export const options = () => json("/api/options");
export const collections = () => json("/api/collections");

/** A page of a collection: folders, films, pictures and where the next page begins. */
export function listing(collection, asked, signal) {
  const given = Object.entries(asked).filter(([, value]) => value !== "" && value !== null);
  return json(`${of(collection)}/pictures?${new URLSearchParams(given)}`, { signal });
}

export const pictureAddress = (collection, id) =>
  `${of(collection)}/pictures/${encodeURIComponent(id)}`;
export const thumbnailAddress = (collection, id, side = 320) =>
  `${pictureAddress(collection, id)}/thumbnail?side=${side}`;
export const uploadAddress = (upload) => `/api/uploads/${encodeURIComponent(upload)}`;

/** A picture with its facts and its neighbours. */
export const picture = (collection, id, signal) => json(pictureAddress(collection, id), { signal });

/** Why an address of a picture shows none, in a sentence; "" where it does by now. */
export async function reason(address) {
  try {
    const response = await patiently(() => answer(address));
    await response.body?.cancel();
    return "";
  } catch (error) {
    return error.message;
  }
}

/** Hand over a picture; gives its digest and size. */
export function upload(file) {
  const headers = {
    "Content-Type": file.type.startsWith("image/") ? file.type : "application/octet-stream",
  };
  return json("/api/uploads", { method: "POST", headers, body: file });
}

/** The text of a search's answer, as JSON or as "csv". */
export async function searchText(collection, body, format, signal) {
  const path = `${of(collection)}/search${format === "csv" ? "?format=csv" : ""}`;
  return (await patiently(() => answer(path, post(body, signal)), signal)).text();
}

/** Where the score of a hit comes from; `body` is that of its search. */
export const evidence = (collection, body, id, signal) =>
  patiently(() => json(`${of(collection)}/evidence`, post({ ...body, id }, signal)), signal);
