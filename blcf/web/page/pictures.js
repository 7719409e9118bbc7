/* Pictures on the page: each in a frame whose size is known before it comes, so that nothing jumps,
   with boxes over it, and the reason in its place where there is none. */

import { reason, thumbnailAddress } from "./api.js";
import { clock, drawn, element, outlines, rectangles } from "./elements.js";

/** What a card that is dragged carries: the id of its picture. */
export const DRAGGED = "application/x-blcf-picture";

/** A picture from an address, with boxes: [kind, box or corners] in pixels of the original. */
export function framed(address, { width, height }, boxes = [], text = "", lazy = true) {
  const loading = lazy ? "lazy" : "eager";
  const image = element("img", {
    src: address,
    alt: text,
    width,
    height,
    loading,
    decoding: "async",
  });
  const over = drawn("svg", { viewBox: `0 0 ${width} ${height}`, "aria-hidden": "true" });
  const draw = (kind, one) => (Array.isArray(one[0]) ? outlines : rectangles)(kind, one);
  over.append(...boxes.flatMap(([kind, one]) => draw(kind, one)));
  const frame = element("span", { class: "frame" }, image, over);
  let isSecond = false;
  image.addEventListener("error", async () => {
    const why = await reason(address);
    if (!why && !isSecond) {
      isSecond = true; // the server was busy, and is no longer
      image.src = address;
      return;
    }
    const says = `no picture: ${why || "this browser cannot show it"}`;
    image.replaceWith(element("span", { class: "none" }, says));
    over.remove();
  });
  return frame;
}

/** How sure the engine is of a hit, in words; nothing where it cannot tell. */
export function sureOf({ confidence }) {
  return typeof confidence === "number" ? `, ${Math.round(100 * confidence)} % sure` : "";
}

/** A picture of a collection as an item of a list, a button that opens it. */
export function card(collection, one, says, { boxes = [], open, extra = null }) {
  const picture = framed(thumbnailAddress(collection, one.id), one, boxes);
  const caption = element("span", { class: "caption" }, ...says);
  // Dropped on the query it is the picture itself, and not its small version.
  const ondragstart = (event) => event.dataTransfer.setData(DRAGGED, one.id);
  return element(
    "li",
    { "data-id": one.id, draggable: "true", ondragstart },
    element(
      "button",
      { type: "button", class: "card", onclick: () => open(one.id) },
      picture,
      caption,
    ),
    extra,
  );
}

/** What is known of a picture's place in a film: "0:12.0, shot 3"; "" of a photograph. */
export function placeInFilm({ time, shot }) {
  const parts = [];
  if (time !== null && time !== undefined) parts.push(clock(time));
  if (shot !== null && shot !== undefined) parts.push(`shot ${shot}`);
  return parts.join(", ");
}

/** All boxes of a hit; in place of the first its outline, where it has one. */
export function boxesOf(hit) {
  const boxes = hit.boxes?.length ? [...hit.boxes] : hit.box ? [hit.box] : [];
  if (hit.outline) boxes[0] = hit.outline;
  return boxes.map((box) => ["found", box]);
}

/** Call `more` whenever the end of a list comes near; the button does the same without scrolling.
    Gives the function that shows (true) or hides it. */
export function endOfList(control, more) {
  const watcher = new IntersectionObserver(
    (entries) => entries.some((entry) => entry.isIntersecting) && more(),
    { rootMargin: "600px" },
  );
  control.addEventListener("click", more);
  return (isMore) => {
    control.hidden = !isMore;
    watcher.unobserve(control); // observed anew, it is told again that it is in sight
    if (isMore) watcher.observe(control);
  };
}
