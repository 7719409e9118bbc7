/* What was found: a grid of hits with their boxes, or of moments, more of them as one scrolls. */

import * as api from "./api.js";
import { byId, clock, counted, element } from "./elements.js";
import { boxesOf, card, endOfList, placeInFilm, sureOf } from "./pictures.js";
import { searchBody, searchKey } from "./state.js";

const SHOWN = 60; // cards that are added at once
const KEPT = 12; // answers, for back and forth
const SETTLES = 300; // ms after the last of many small steps

export function makeResults(app) {
  const list = byId("hit-list");
  const showMore = endOfList(byId("hits-more"), fill);
  const answers = new Map();
  let key = "";
  let items = []; // { hit, moment } in order
  let asking = null;
  let askedFor = "";
  let waiting = 0;

  function render(state, isNudged = false) {
    byId("hits").hidden = !state.searched;
    byId("exports").hidden = !state.searched;
    byId("view-hits").disabled = state.examples.length === 0;
    byId("view-hits").setAttribute("aria-pressed", String(state.searched));
    byId("view-browse").setAttribute("aria-pressed", String(!state.searched));
    clearTimeout(waiting);
    if (!state.searched) {
      asking?.abort();
      return;
    }
    byId("pictures").textContent = "What was found";
    const wanted = searchKey(state);
    if (app.wantsHits)
      answers.delete(wanted); // asked for anew: the collection may have grown
    else if (asking ? wanted === askedFor : wanted === key) return say(answers.get(wanted));
    if (isNudged) waiting = setTimeout(() => search(wanted), SETTLES);
    else search(wanted);
  }

  async function search(wanted) {
    asking?.abort();
    const mine = (asking = new AbortController());
    askedFor = wanted;
    list.setAttribute("aria-busy", "true");
    byId("count").textContent = "Searching …";
    try {
      if (!answers.has(wanted)) {
        // Where it failed to load, to try again is to ask for that first.
        await app.ready.catch((error) => {
          throw Object.assign(error, { again: app.start });
        });
        mine.signal.throwIfAborted();
        const { collection } = app.state;
        const body = searchBody(app.state, app.fields);
        answers.set(
          wanted,
          JSON.parse(await api.searchText(collection, body, "json", mine.signal)),
        );
        if (answers.size > KEPT) answers.delete(answers.keys().next().value);
      }
      show(wanted, answers.get(wanted));
      app.solved();
    } catch (error) {
      if (api.isAbandoned(error)) return;
      key = "";
      items = [];
      list.replaceChildren();
      showMore(false);
      byId("hits-further").hidden = true;
      byId("count").textContent = "";
      app.problem(error, error.again ?? (() => render(app.state)));
    } finally {
      if (asking === mine) {
        asking = null;
        list.removeAttribute("aria-busy");
      }
    }
  }

  function show(wanted, answer) {
    key = wanted;
    asking = null;
    list.removeAttribute("aria-busy");
    items = answer.moments
      ? answer.moments.map((moment) => ({
          hit: { ...moment.hit, rank: moment.rank, score: moment.score },
          moment,
        }))
      : answer.hits.map((hit) => ({ hit, moment: null }));
    list.replaceChildren();
    fill();
    further(answer);
    say(answer);
    // The card that had it may be gone: who types goes on here.
    if (document.activeElement === document.body && !app.state.opened) byId("pictures").focus();
    const { top } = byId("pictures").getBoundingClientRect();
    if (app.wantsHits && top > innerHeight / 2) byId("pictures").scrollIntoView(); // on a telephone
    app.wantsHits = false;
    app.arrived();
  }

  function fill() {
    const { collection } = app.state;
    const shown = list.children.length;
    list.append(
      ...items.slice(shown, shown + SHOWN).map(({ hit, moment }) => {
        const open = { boxes: boxesOf(hit), open: app.open };
        return card(collection, hit, caption(hit, moment), open);
      }),
    );
    showMore(list.children.length < items.length);
  }

  function caption(hit, moment) {
    const bar = element("i");
    bar.style.width = `${Math.round(100 * Math.min(1, Math.max(0, hit.score)))}%`;
    const says = [
      element("span", {}, `${hit.rank}. score ${hit.score.toFixed(3)}${sureOf(hit)}`),
      element("span", { class: "score", "aria-hidden": "true" }, bar),
      element("span", { class: "name" }, hit.name),
    ];
    const place = moment ? momentSays(moment, hit) : placeInFilm(hit);
    if (place) says.push(element("small", {}, place));
    return says;
  }

  function momentSays({ first, last, hits, n = hits.length }, { shot }) {
    const parts = n > 1 ? [counted(n, "picture")] : [];
    if (first !== null && last !== null) parts.unshift(`${clock(first)} to ${clock(last)}`);
    if (shot !== null && shot !== undefined) parts.unshift(`shot ${shot}`);
    return parts.join(", ");
  }

  /** Behind the last hit there are others: ask for twice as many. */
  function further(answer) {
    const field = app.fields.find(({ name }) => name === "k");
    const k = Number(app.state.options.k ?? field?.default ?? 0);
    const twice = Math.min(2 * k, field?.most ?? Infinity);
    const control = byId("hits-further");
    control.hidden = answer.hits.length < k || answer.searched <= k || twice <= k;
    control.textContent = `Show the first ${twice.toLocaleString("en")} hits`;
    control.onclick = () => app.go({ options: { ...app.state.options, k: String(twice) } });
  }

  function say(answer) {
    if (!app.state.searched || !answer) return;
    const among = `among ${counted(answer.searched, "picture")}, in ${answer.seconds.toFixed(2)} s`;
    const what = answer.moments
      ? counted(answer.moments.length, "moment")
      : counted(answer.hits.length, "hit");
    byId("count").textContent = answer.hits.length
      ? `${what} ${among}.`
      : `Nothing was found ${among}.`;
  }

  async function save(format) {
    try {
      const { state } = app;
      const text = await api.searchText(state.collection, searchBody(state, app.fields), format);
      const file = new Blob([text], { type: format === "csv" ? "text/csv" : "application/json" });
      const address = URL.createObjectURL(file);
      element("a", { href: address, download: `hits.${format}` }).click();
      setTimeout(() => URL.revokeObjectURL(address), 60_000); // the browser reads it meanwhile
      app.solved();
    } catch (error) {
      app.problem(error, () => save(format));
    }
  }

  byId("export-csv").addEventListener("click", () => save("csv"));
  byId("export-json").addEventListener("click", () => save("json"));
  byId("view-hits").addEventListener("click", () => app.go({ searched: true }));

  return {
    render,
    /** A hit with its moment, by id; undefined of what was not found. */
    find: (id) =>
      items.find(({ hit }) => hit.id === id) ??
      items
        .flatMap(({ moment }) => (moment?.hits ?? []).map((hit) => ({ hit, moment })))
        .find(({ hit }) => hit.id === id),
    order: () => items.map(({ hit }) => hit.id),
  };
}
