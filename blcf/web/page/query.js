/* What is looked for: pictures that were dropped, pasted, chosen or taken from the collection, each
   with what was drawn on it; and pictures of what is not wanted. */

import * as api from "./api.js";
import { button, byId, element } from "./elements.js";
import { DRAGGED, framed } from "./pictures.js";
import { makeRegion } from "./region.js";

const INVITES = byId("place-says").textContent;

export function makeQuery(app) {
  const known = new Map(); // of each example its picture, once it is known
  let selected = { list: "examples", at: 0 };
  let listed = "";
  let onSheet = "";
  let wantsFocus = false; // of the sheet, once its picture is there
  const region = makeRegion(drawn, search);

  /** What there is to show of an example: { address, small, width, height, name }. */
  function pictureOf({ kind, id }, collection = app.state.collection) {
    const key = keyOf({ kind, id }, collection);
    if (!known.has(key)) {
      const asked = kind === "id" ? ofCollection(collection, id) : ofUpload(id);
      asked.catch(() => known.delete(key)); // it may be there again when asked again
      known.set(key, asked);
    }
    return known.get(key);
  }

  const ofCollection = async (collection, id) =>
    shownAs(collection, await api.picture(collection, id));

  function shownAs(collection, { id, width, height, name }) {
    const address = `${api.pictureAddress(collection, id)}/image`;
    return { address, small: api.thumbnailAddress(collection, id), width, height, name };
  }

  /** A picture of the collection that is shown elsewhere: its place is laid out at once then. */
  function know(collection, picture) {
    known.set(
      keyOf({ kind: "id", id: picture.id }, collection),
      Promise.resolve(shownAs(collection, picture)),
    );
  }

  const keyOf = ({ kind, id }, collection) =>
    JSON.stringify([kind, id, kind === "id" ? collection : ""]);

  async function ofUpload(id) {
    const image = new Image();
    image.src = api.uploadAddress(id);
    try {
      await image.decode();
    } catch {
      throw new Error(
        (await api.reason(image.src)) ||
          "This browser cannot show the picture that was handed over.",
      );
    }
    const { naturalWidth: width, naturalHeight: height } = image;
    return { address: image.src, small: image.src, width, height, name: "the picture you gave" };
  }

  function render(state) {
    const n = state.examples.length + state.negatives.length;
    if (!state[selected.list][selected.at]) {
      selected = { list: state.examples.length ? "examples" : "negatives", at: 0 };
    }
    byId("more-label").hidden = byId("not-label").hidden = byId("clear").hidden = n === 0;
    byId("search").disabled = state.examples.length === 0;
    byId("place").classList.toggle("empty", n === 0);
    const key = JSON.stringify([state.collection, state.examples, state.negatives, selected]);
    if (key === listed) return;
    listed = key;
    byId("examples").replaceChildren(
      ...state.examples.map((one, at) => item(one, "examples", at, n)),
      ...state.negatives.map((one, at) => item(one, "negatives", at, n)),
    );
    showSheet(state[selected.list][selected.at], state.collection);
  }

  function item(one, list, at, n) {
    const isSelected = selected.list === list && selected.at === at;
    const text =
      list === "examples" ? (n === 1 ? "the query" : `example ${at + 1}`) : `not this ${at + 1}`;
    const frame = element("span", { class: "frame" });
    const made = element(
      "li",
      { class: list },
      button("", () => select(list, at), { class: "card", "aria-pressed": String(isSelected) }),
      element(
        "span",
        { class: "row" },
        button(list === "examples" ? "Not this" : "Look for it", () => turn(list, at), {
          "aria-label":
            list === "examples" ? `${text}: this is not wanted` : `${text}: look for it after all`,
        }),
        button("Remove", () => remove(list, at), { "aria-label": `Remove ${text}` }),
      ),
    );
    made.firstElementChild.append(frame, element("span", { class: "caption" }, text));
    pictureOf(one).then(
      (picture) =>
        frame.replaceWith(framed(picture.small, picture, one.box ? [["asked", one.box]] : [])),
      (error) => frame.append(element("span", { class: "none" }, error.message)),
    );
    return made;
  }

  /** The picture that is drawn on. It is laid anew only where it is another one, or was drawn on
      elsewhere (back, reload): keys and fields keep their focus while one draws. */
  async function showSheet(one, collection) {
    const key = one ? JSON.stringify([collection, one]) : "";
    if (key === onSheet) return;
    onSheet = key;
    const drawing = byId("drawing");
    if (!one) {
      drawing.hidden = true;
      return;
    }
    try {
      const picture = await pictureOf(one, collection);
      if (key !== onSheet) return;
      region.show(picture, one);
      byId("region").setAttribute(
        "aria-label",
        `${picture.name}, ${picture.width} by ${picture.height} pixels`,
      );
      drawing.hidden = false;
      if (wantsFocus) byId("region").focus();
      wantsFocus = false;
    } catch (error) {
      if (key === onSheet) drawing.hidden = true;
      app.problem(error, () => showSheet(one, collection));
    }
  }

  function drawn(shape, kind) {
    const list = [...app.state[selected.list]];
    const one = { ...list[selected.at], ...shape };
    list[selected.at] = one;
    onSheet = JSON.stringify([app.state.collection, one]); // it is what lies there
    app.go({ [selected.list]: list }, kind === "nudged" ? "replace" : "push");
  }

  function search() {
    if (!app.state.examples.length) return;
    app.wantsHits = true; // they may lie below what is in sight
    app.go({ searched: true, opened: "", why: false });
  }

  function select(list, at) {
    selected = { list, at };
    render(app.state);
    byId("examples").querySelector("[aria-pressed=true]")?.focus();
  }

  function remove(list, at) {
    app.go({ [list]: app.state[list].filter((_, n) => n !== at) });
    const next = ["#examples .card", "#region"].map((one) => document.querySelector(one));
    (next.find((one) => one?.checkVisibility()) ?? byId("file")).focus();
  }

  function turn(list, at) {
    const other = list === "examples" ? "negatives" : "examples";
    const one = app.state[list][at];
    selected = { list: other, at: app.state[other].length };
    app.go({
      [list]: app.state[list].filter((_, n) => n !== at),
      [other]: [...app.state[other], one],
    });
    byId("examples").querySelector("[aria-pressed=true]")?.focus();
  }

  /** Put pictures into the query: as "query" they begin a new one, and may be drawn on at once. */
  function use(added, as, draws = false) {
    wantsFocus = draws;
    const { examples, negatives } = app.state;
    const list = as === "negatives" ? "negatives" : "examples";
    selected = { list, at: as === "query" ? 0 : app.state[list].length };
    if (as === "query")
      app.go({ examples: added, negatives: [], searched: false, opened: "", why: false });
    else if (as === "examples") app.go({ examples: [...examples, ...added] });
    else app.go({ negatives: [...negatives, ...added] });
  }

  async function take(files, as) {
    const says = byId("place-says");
    if (!files.length) {
      app.problem(
        new Error(
          "Expected the file of a picture, got none: save it first, then drop or choose it.",
        ),
      );
      return;
    }
    byId("place").classList.add("busy");
    const given = as === "query" ? [...files].slice(0, 1) : [...files];
    try {
      const added = [];
      for (const file of given) {
        says.textContent = `Handing over ${file.name} …`;
        const { upload } = await api.upload(file);
        added.push({ kind: "upload", id: upload, box: null, polygon: null });
      }
      app.solved();
      use(added, as);
    } catch (error) {
      app.problem(error, () => take(files, as));
    } finally {
      says.textContent = INVITES;
      byId("place").classList.remove("busy");
    }
  }

  function dropped(event, as) {
    event.preventDefault();
    event.stopPropagation();
    const id = event.dataTransfer.getData(DRAGGED);
    if (id) use([{ kind: "id", id, box: null, polygon: null }], as);
    else take(event.dataTransfer.files, as);
  }

  for (const [id, as] of [
    ["file", "query"],
    ["file-more", "examples"],
    ["file-not", "negatives"],
  ]) {
    const input = byId(id);
    input.addEventListener("change", async () => {
      if (!input.files.length) return;
      await take(input.files, as);
      input.value = ""; // the same file may be chosen again
    });
    const label = input.parentElement;
    label.addEventListener("drop", (event) => dropped(event, as));
  }
  // Anywhere on the page: a picture that misses its place would otherwise replace the page.
  document.addEventListener("dragover", (event) => event.preventDefault());
  document.addEventListener("drop", (event) => dropped(event, "query"));
  document.addEventListener("paste", (event) => {
    const { files } = event.clipboardData;
    if (files.length) {
      event.preventDefault();
      take(files, "query");
    }
  });
  byId("search").addEventListener("click", search);
  byId("clear").addEventListener("click", () => {
    app.go({ examples: [], negatives: [], searched: false });
    byId("file").focus();
  });

  return { render, use, know, pictureOf };
}
