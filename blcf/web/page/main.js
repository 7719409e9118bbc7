/* The page: one state, which is its address; every part shows it, and changes it through `go`. */

import * as api from "./api.js";
import { makeBrowse } from "./browse.js";
import { byId, element } from "./elements.js";
import { makeFilter } from "./filter.js";
import { makeHit } from "./hit.js";
import { makeOptions } from "./options.js";
import { makeQuery } from "./query.js";
import { makeResults } from "./results.js";
import { read, written } from "./state.js";

const ASKS_AGAIN = 300; // ms between two questions how far the engine is

const app = {
  state: read(location.hash),
  fields: [],
  collections: [],
  go,
  open,
  problem,
  solved,
  arrived,
  order,
};
app.wantsHits = false; // the next hits are to come into sight
app.ready = null; // a promise: the engine is loaded
app.start = start;
let isBuilt = false;
let retry = null;

/** Go to another state: "push" for a finished action, which one can go back from; "replace". */
function go(change, how = "push") {
  solved(); // what went wrong before is of what was before
  const before = app.state;
  app.state = { ...before, ...change };
  if (!app.state.examples.length) app.state.searched = false;
  const address = written(app.state);
  if (how === "replace") history.replaceState(history.state, "", address);
  else if (address !== location.hash) {
    // Whether one step back closes what is open.
    const opens = !before.opened && Boolean(app.state.opened);
    history.pushState({ opens }, "", address);
  }
  render(how === "replace");
}

function open(id) {
  go({ opened: id });
}

/** Pictures that can be leafed through. */
function order() {
  return app.state.searched ? app.results.order() : app.browse.order();
}

function render(isNudged = false) {
  if (!isBuilt) return;
  const { state } = app;
  const one = app.collections.find(({ collection }) => collection === state.collection);
  if (!one) {
    const there = app.collections.map(({ collection }) => collection).join(", ") || "none";
    problem(
      new Error(
        `Expected one of the collections that are served (${there}), got ${state.collection}.`,
      ),
    );
    return;
  }
  byId("collection").value = state.collection;
  document.title = state.searched
    ? `What was found in ${state.collection}: blcf`
    : `${state.collection}: blcf`;
  app.options.render(state);
  app.filter.render(state);
  app.query.render(state);
  app.results.render(state, isNudged);
  app.browse.render(state);
  app.hit.render(state);
}

/** New hits are there: what is open may be one of them. */
function arrived() {
  app.hit.render(app.state);
}

/** Say what went wrong, with what tries it again. */
function problem(error, again = null) {
  byId("problem-says").textContent = error.message;
  byId("problem").hidden = false;
  byId("again").hidden = !again;
  retry = again;
  if (!(error instanceof api.Refused) && error.stack && error.name !== "Error")
    console.error(error);
}

function solved() {
  byId("problem").hidden = true;
  retry = null;
}

/** Ask until the engine is loaded, and show how far it is. One may browse meanwhile. */
async function untilReady() {
  for (;;) {
    const { status, stage, done, collections = [] } = await api.health();
    const reasons = collections.map(({ collection, reason }) =>
      reason ? `${collection}: ${reason}` : "",
    );
    const why = reasons.filter(Boolean).join(" ");
    const isLoading = status === "loading";
    byId("loading").hidden = !isLoading && !why;
    byId("loading-bar").hidden = !isLoading;
    byId("loading-says").textContent = isLoading ? `The engine is loading: ${stage} …` : why;
    if (Number.isFinite(done)) byId("loading-bar").value = done;
    if (status === "failed") throw new Error(`The engine could not be loaded. ${why || stage}`);
    if (!isLoading) return;
    await new Promise((wait) => setTimeout(wait, ASKS_AGAIN));
  }
}

async function start() {
  try {
    app.ready = untilReady();
    app.ready.catch((error) => problem(error, start));
    [app.fields, app.collections] = await Promise.all([api.options(), api.collections()]);
    if (!isBuilt) build();
    isBuilt = true;
    solved();
    app.state.collection ||= app.collections[0]?.collection ?? "";
    render();
  } catch (error) {
    problem(error, start);
  }
}

function build() {
  byId("collection").replaceChildren(
    ...app.collections.map(({ collection, pictures }) =>
      element("option", { value: collection }, `${collection} (${pictures.toLocaleString("en")})`),
    ),
  );
  app.options.build();
  byId("how").classList.remove("waiting");
  byId("how").open = !matchMedia("(max-width: 900px)").matches; // there the pictures are below
}

app.query = makeQuery(app);
app.results = makeResults(app);
app.browse = makeBrowse(app);
app.options = makeOptions(app);
app.filter = makeFilter(app);
app.hit = makeHit(app);

byId("again").addEventListener("click", () => retry?.());
byId("collection").addEventListener("change", (event) => {
  // Pictures of another collection are none of this one; those that were handed over stay.
  const kept = (list) => list.filter(({ kind }) => kind === "upload");
  const { examples, negatives } = app.state;
  const options = { ...app.state.options };
  delete options.where; // its facts are others
  go({
    collection: event.target.value,
    examples: kept(examples),
    negatives: kept(negatives),
    options,
    folder: "",
    film: "",
  });
});
byId("skip").addEventListener("click", (event) => {
  event.preventDefault(); // what is behind "#" is the state
  byId("pictures").focus();
});
window.addEventListener("popstate", () => {
  solved();
  app.state = {
    ...read(location.hash),
    collection: read(location.hash).collection || app.state.collection,
  };
  render();
});
start();
