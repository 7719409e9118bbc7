/* A picture, large: its boxes, why it was found, what comes before and after it, its film. */

import * as api from "./api.js";
import { byId, clock, element } from "./elements.js";
import { boxesOf, card, framed, placeInFilm, sureOf } from "./pictures.js";
import { searchBody } from "./state.js";
import { drawWhy } from "./why.js";

export function makeHit(app) {
  const dialog = byId("opened");
  let key = "";
  let whyKey = "";
  let asking = null;
  let isPlaying = false; // its film; that is no part of the address
  let shown = null; // { hit, moment } or { hit: a picture, moment: null }

  async function render(state) {
    if (!state.opened) {
      if (dialog.open) dialog.close();
      leave();
      return;
    }
    if (!dialog.open) dialog.showModal();
    const found = state.searched ? app.results.find(state.opened) : undefined;
    const wanted = JSON.stringify([
      state.collection,
      state.opened,
      found?.hit.rank,
      found?.hit.score,
    ]);
    if (wanted !== key) {
      leave();
      key = wanted;
      asking = new AbortController();
      if (found) show(found);
      await complete(state, found, asking.signal);
    }
    why(app.state);
  }

  /** What goes with the picture before: a film plays no longer, an answer is not waited for. */
  function leave() {
    asking?.abort();
    [key, whyKey, shown, isPlaying] = ["", "", null, false];
    for (const id of [
      "film",
      "why",
      "opened-picture",
      "moment-list",
      "neighbour-list",
      "known-list",
    ]) {
      byId(id).replaceChildren();
    }
    for (const id of ["moment", "neighbours", "known", "opened-film", "opened-problem"]) {
      byId(id).hidden = true;
    }
  }

  async function complete({ collection, opened }, found, signal) {
    try {
      const picture = await api.picture(collection, opened, signal);
      if (!found) show({ hit: picture, moment: null });
      const strip = [
        ...(picture.before ?? []),
        { ...picture, isThis: true },
        ...(picture.after ?? []),
      ];
      fillStrip("neighbours", "neighbour-list", strip.length > 1 ? strip : []);
      fillFacts(picture.facts ?? {});
    } catch (error) {
      if (!api.isAbandoned(error)) say(error);
    }
  }

  function say(error) {
    byId("opened-problem").textContent = error.message;
    byId("opened-problem").hidden = false;
  }

  function show(one) {
    shown = one;
    const { hit, moment } = one;
    const { collection } = app.state;
    app.query.know(collection, hit);
    byId("opened-name").textContent = hit.name;
    const parts = [`${hit.width} × ${hit.height} pixels`];
    if (placeInFilm(hit)) parts.unshift(placeInFilm(hit));
    if (hit.score !== undefined) {
      parts.unshift(`hit ${hit.rank}`, `score ${hit.score.toFixed(3)}${sureOf(hit)}`);
    }
    byId("opened-says").textContent = parts.join(" · ");
    const address = `${api.pictureAddress(collection, hit.id)}/image`;
    byId("opened-picture").replaceChildren(framed(address, hit, boxesOf(hit), hit.name, false));
    byId("opened-why").hidden = hit.score === undefined;
    byId("opened-film").hidden = !hit.film || hit.time === null;
    fillStrip("moment", "moment-list", moment && moment.hits.length > 1 ? moment.hits : []);
    const order = app.order();
    byId("opened-before").disabled = order.indexOf(hit.id) < 1;
    byId("opened-after").disabled = !order.includes(hit.id) || order.at(-1) === hit.id;
  }

  function fillStrip(section, id, pictures) {
    byId(section).hidden = pictures.length === 0;
    const items = pictures.map((one) => {
      const says = [element("span", { class: "name" }, placeInFilm(one) || one.name)];
      const item = card(app.state.collection, one, says, {
        open: (other) => app.go({ opened: other }, "replace"),
      });
      const isThis = one.isThis || one.id === app.state.opened;
      if (isThis) item.firstElementChild.setAttribute("aria-current", "true");
      return item;
    });
    byId(id).replaceChildren(...items);
  }

  function fillFacts(facts) {
    const rows = Object.entries(facts).filter(([, value]) => value !== null);
    byId("known").hidden = rows.length === 0;
    byId("known-list").replaceChildren(
      ...rows.flatMap(([name, value]) => {
        const text = name === "mtime" ? new Date(1000 * value).toLocaleString() : String(value);
        return [element("dt", {}, name), element("dd", {}, text)];
      }),
    );
  }

  async function why(state) {
    const control = byId("opened-why");
    const isShown = state.why && shown?.hit.score !== undefined;
    control.setAttribute("aria-expanded", String(isShown));
    byId("opened-film").setAttribute("aria-expanded", String(isPlaying));
    byId("why").hidden = !isShown || isPlaying; // one of the three at a time, in the same place
    byId("film").hidden = !isPlaying;
    byId("opened-picture").hidden = isShown || isPlaying;
    if (!isShown || whyKey === key) return;
    whyKey = key;
    const { hit } = shown;
    const { signal } = asking;
    byId("why").replaceChildren(element("p", { class: "none" }, "Looking at the cells …"));
    try {
      const body = searchBody(state, app.fields);
      const [evidence, ...queries] = await Promise.all([
        api.evidence(state.collection, body, hit.id, signal),
        ...state.examples.map((one) => app.query.pictureOf(one)),
      ]);
      const address = `${api.pictureAddress(state.collection, hit.id)}/image`;
      const boxes = state.examples.map(({ box }) => box);
      const made = await drawWhy(evidence, queries, boxes, { ...hit, address });
      if (!signal.aborted) byId("why").replaceChildren(...made);
    } catch (error) {
      if (api.isAbandoned(error) || signal.aborted) return;
      whyKey = "";
      byId("why").replaceChildren();
      say(error);
    }
  }

  function play() {
    isPlaying = !isPlaying;
    byId("film").replaceChildren();
    if (app.state.why) app.go({ why: false }, "replace");
    else why(app.state);
    if (!isPlaying) return;
    const { hit } = shown;
    const address = `${api.pictureAddress(app.state.collection, hit.id)}/film`;
    const video = element("video", {
      src: address,
      controls: true,
      playsinline: true,
      preload: "metadata",
    });
    video.addEventListener(
      "loadedmetadata",
      () => {
        video.currentTime = hit.time;
        video.play().catch(() => {}); // a browser may want a click first: the controls are there
      },
      { once: true },
    );
    video.addEventListener("error", async () => {
      const reason = (await api.reason(address)) || "This browser does not know its form.";
      if (!video.isConnected) return;
      const says = `The film cannot be played. ${reason}`;
      byId("film").replaceChildren(element("p", { class: "none" }, says));
    });
    const says = element("p", { class: "help" }, `${hit.film}, from ${clock(hit.time)}`);
    byId("film").replaceChildren(video, says);
    video.focus();
  }

  const example = () => {
    const { id, box } = shown.hit;
    return { kind: "id", id, box: box ?? null, polygon: null };
  };

  function close() {
    if (!app.state.opened) return;
    // Opened on this page: what was before is one step back. Come by a link: there is no before.
    if (history.state?.opens) history.back();
    else app.go({ opened: "", why: false });
  }

  function step(by) {
    const order = app.order();
    const id = order[order.indexOf(app.state.opened) + by];
    if (id !== undefined) app.go({ opened: id }, "replace");
  }

  const searches = (change) =>
    shown && app.go({ ...change, searched: true, opened: "", why: false });
  byId("search-with").addEventListener("click", () =>
    searches({ examples: [example()], negatives: [] }),
  );
  byId("more-like").addEventListener("click", () =>
    searches({ examples: [...app.state.examples, example()] }),
  );
  byId("not-like").addEventListener("click", () => {
    if (!shown) return;
    const searched = app.state.examples.length > 0;
    app.go({ negatives: [...app.state.negatives, example()], searched, opened: "", why: false });
  });
  byId("draw-on").addEventListener("click", () => {
    if (!shown) return;
    app.query.use([example()], "query", true);
  });
  byId("opened-why").addEventListener("click", () => {
    isPlaying = false;
    byId("film").replaceChildren();
    app.go({ why: !app.state.why }, "replace");
  });
  byId("opened-film").addEventListener("click", play);
  byId("opened-close").addEventListener("click", close);
  byId("opened-before").addEventListener("click", () => step(-1));
  byId("opened-after").addEventListener("click", () => step(1));
  dialog.addEventListener("cancel", (event) => {
    event.preventDefault(); // Escape: through the address, as the button
    close();
  });
  dialog.addEventListener("click", (event) => event.target === dialog && close());
  dialog.addEventListener("keydown", (event) => {
    if (
      event.target.closest("video, input, select") ||
      event.altKey ||
      event.ctrlKey ||
      event.metaKey
    )
      return;
    if (event.key === "ArrowLeft") step(-1);
    if (event.key === "ArrowRight") step(1);
  });

  return { render };
}
