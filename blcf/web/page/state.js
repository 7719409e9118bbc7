/* The state of the page is its address: what lies behind "#", which a browser never sends. So back,
   reload and a link that was sent show the same thing.

   An example is { kind: "id" | "upload", id, box, polygon }, box or polygon null where not drawn.
   Options are texts by name, and only those that differ from their default. */

export const EMPTY = Object.freeze({
  collection: "",
  folder: "", // of what is browsed; or a film
  film: "",
  examples: [],
  negatives: [],
  options: {},
  searched: false, // the hits are shown; false: the collection
  opened: "", // the picture that is shown large
  why: false, // and why it was found
});

const TEXTS = { c: "collection", folder: "folder", film: "film", open: "opened" };
const SWITCHES = { hits: "searched", why: "why" };
const OPTION = "o."; // before the name of an option, so that none is taken for another word
const EXAMPLE = /^(id|upload):([^@]*)(?:@(box|polygon)=([\d.,;]+))?$/;

/** The address of a state. */
export function written(state) {
  const words = new URLSearchParams();
  for (const [word, name] of Object.entries(TEXTS)) if (state[name]) words.set(word, state[name]);
  for (const one of state.examples) words.append("q", writtenExample(one));
  for (const one of state.negatives) words.append("not", writtenExample(one));
  for (const name of Object.keys(state.options).sort())
    words.set(OPTION + name, state.options[name]);
  for (const [word, name] of Object.entries(SWITCHES)) if (state[name]) words.set(word, "1");
  // Marks that need no escape behind "#": so the address can be read.
  return `#${words}`.replace(/%(3A|40|2C|3B|3D|2F)/g, (escape) => decodeURIComponent(escape));
}

/** The state of an address; what is none in it is passed over. */
export function read(address) {
  const words = new URLSearchParams(address.replace(/^#/, ""));
  const state = { ...EMPTY, options: {} };
  for (const [word, name] of Object.entries(TEXTS)) state[name] = words.get(word) ?? "";
  for (const [word, name] of Object.entries(SWITCHES)) state[name] = words.get(word) === "1";
  state.examples = words.getAll("q").map(readExample).filter(Boolean);
  state.negatives = words.getAll("not").map(readExample).filter(Boolean);
  for (const [word, value] of words) {
    if (word.startsWith(OPTION)) state.options[word.slice(OPTION.length)] = value;
  }
  state.searched &&= state.examples.length > 0;
  return state;
}

function writtenExample({ kind, id, box, polygon }) {
  const name = `${kind}:${encodeURIComponent(id)}`;
  if (box) return `${name}@box=${box.join(",")}`;
  return polygon ? `${name}@polygon=${polygon.map((point) => point.join(",")).join(";")}` : name;
}

function readExample(text) {
  const found = EXAMPLE.exec(text);
  if (!found) return null;
  const [, kind, name, shape, figures] = found;
  const example = { kind, id: "", box: null, polygon: null };
  try {
    example.id = decodeURIComponent(name);
  } catch {
    return null;
  }
  const points = (figures ?? "").split(";").map((point) => point.split(",").map(Number));
  if (points.flat().some(Number.isNaN)) return null;
  if (shape === "box" && points[0].length === 4) example.box = points[0];
  if (shape === "polygon" && points.every((point) => point.length === 2)) example.polygon = points;
  return example;
}

/** What tells two searches apart; equal ones need no second answer. */
export const searchKey = ({ collection, examples, negatives, options }) =>
  JSON.stringify([
    collection,
    examples.map(plain),
    negatives.map(plain),
    Object.entries(options).sort(),
  ]);

/** The body of a search, for the server; `fields` are the options that it offers. */
export function searchBody(state, fields) {
  const body = { examples: state.examples.map(plain), negatives: state.negatives.map(plain) };
  for (const field of fields) {
    const text = state.options[field.name];
    if (text !== undefined) body[field.name] = typed(field, text);
  }
  return body;
}

function plain({ kind, id, box, polygon }) {
  return { [kind]: id, ...(box ? { box } : {}), ...(polygon ? { polygon } : {}) };
}

/** An option's value; what is no number is sent as it is, and the server says what it expected. */
function typed({ type, default: standard }, text) {
  if (type === "boolean") return text === "true";
  if (text === "" && standard === null) return null;
  if (type === "numbers")
    return text
      .split(/[\s,]+/)
      .filter(Boolean)
      .map((part) => number(part));
  return type === "integer" || type === "number" ? number(text) : text;
}

const number = (text) => (text.trim() === "" || Number.isNaN(Number(text)) ? text : Number(text));
