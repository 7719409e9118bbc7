/* The collection itself: folders, films, and pictures, more of them as one scrolls. */

import * as api from "./api.js";
import { button, byId, clock, counted, element } from "./elements.js";
import { card, endOfList, placeInFilm } from "./pictures.js";

const LIMIT = 60;

export function makeBrowse(app) {
  const list = byId("listed");
  const showMore = endOfList(byId("listed-more"), more);
  let key = "";
  let next = null;
  let total = 0;
  let asked = {};
  let asking = null;

  async function render(state) {
    byId("browse").hidden = state.searched;
    if (state.searched) return;
    const { collection, folder, film } = state;
    const where = state.options.where ?? "";
    const wanted = JSON.stringify([collection, folder, film, where]);
    if (wanted === key) return say();
    asking?.abort();
    asking = new AbortController();
    const { signal } = asking;
    key = wanted;
    next = null;
    asked = { collection, folder, film, where };
    showMore(false);
    list.setAttribute("aria-busy", "true");
    try {
      const page = await api.listing(collection, { folder, film, where, limit: LIMIT }, signal);
      path(folder, film);
      folders(page);
      list.replaceChildren();
      fill(page);
      app.solved();
    } catch (error) {
      if (api.isAbandoned(error)) return;
      key = "";
      app.problem(error, () => render(app.state));
    } finally {
      if (!signal.aborted) list.removeAttribute("aria-busy");
    }
  }

  function fill(page) {
    next = page.next;
    total = page.total;
    const items = page.pictures.map((one) => {
      const place = placeInFilm(one);
      const says = [
        element("span", { class: "name" }, one.name),
        place ? element("small", {}, place) : null,
      ];
      return card(asked.collection, one, says.filter(Boolean), { open: app.open });
    });
    list.append(...items);
    say();
    showMore(next !== null);
  }

  async function more() {
    if (next === null) return;
    const { collection, ...rest } = asked;
    const after = next;
    next = null; // until it came: the end of the list is seen more than once meanwhile
    try {
      const page = await api.listing(collection, { ...rest, after, limit: LIMIT }, asking.signal);
      fill({ ...page, total: page.total ?? total });
    } catch (error) {
      if (api.isAbandoned(error)) return;
      next = after;
      showMore(false);
      app.problem(error, () => showMore(true));
    }
  }

  function say() {
    if (app.state.searched) return;
    byId("pictures").textContent = "Pictures of the collection";
    byId("count").textContent = total
      ? `${counted(total, "picture")}, ${list.children.length.toLocaleString("en")} of them shown`
      : "No picture.";
  }

  function path(folder, film) {
    const host = byId("path");
    host.replaceChildren(button("All", () => enter("", "")));
    const parts = folder.split("/").filter(Boolean);
    parts.forEach((part, at) => {
      host.append(
        " / ",
        button(part, () => enter(parts.slice(0, at + 1).join("/"), "")),
      );
    });
    if (film)
      host.append(
        " / ",
        button(film, () => enter(folder, film)),
      );
    host.hidden = !folder && !film;
    host.lastElementChild.setAttribute("aria-current", "location");
  }

  function folders({ folders: inside = [], films = [] }) {
    const items = [
      ...(inside ?? []).map(({ name, pictures }) =>
        entry(name.split("/").at(-1), counted(pictures, "picture"), () => enter(name, "")),
      ),
      ...(films ?? []).map(({ film, frames, first, last }) =>
        entry(film, `film, ${counted(frames, "frame")}, ${span(first, last)}`, () =>
          enter(app.state.folder, film),
        ),
      ),
    ];
    byId("folders").replaceChildren(...items);
    byId("folders").hidden = items.length === 0;
  }

  const span = (first, last) =>
    first === null || last === null ? "" : `${clock(first)} to ${clock(last)}`;

  function entry(name, says, onclick) {
    const inside = [element("span", { class: "name" }, name), element("small", {}, says)];
    return element("li", {}, element("button", { type: "button", onclick }, ...inside));
  }

  function enter(folder, film) {
    app.go({ folder, film });
    byId("pictures").focus();
  }

  byId("view-browse").addEventListener("click", () => {
    if (!app.state.searched) key = ""; // asked for anew: the collection may have grown
    app.go({ searched: false });
  });

  /** Pictures that are listed, in their order: for the one before and the next one. */
  const order = () => [...list.children].map((item) => item.dataset.id);
  return { render, order };
}
