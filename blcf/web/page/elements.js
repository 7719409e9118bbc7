/* Elements made from values. Text stays text and nothing is ever parsed as HTML: names of files,
   columns and reasons come from people we do not know. */

const SVG = "http://www.w3.org/2000/svg";

export const byId = (id) => document.getElementById(id);

/** An element of HTML: `element("p", { class: "none" }, "text", other)`. */
export function element(name, attributes = {}, ...children) {
  return filled(document.createElement(name), attributes, children);
}

/** An element of SVG. */
export function drawn(name, attributes = {}, ...children) {
  return filled(document.createElementNS(SVG, name), attributes, children);
}

function filled(made, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (value === true) made.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) {
      made.setAttribute(name, value);
    }
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

/** A button; `type` keeps it from sending a form. */
export function button(text, onclick, attributes = {}) {
  return element("button", { type: "button", onclick, ...attributes }, text);
}

/** A box as two rectangles, the lower one a white rim: it is seen on any ground. The same as
    `rectangles` of blcf/pages/pictures.py. */
export function rectangles(kind, box) {
  const [x1, y1, x2, y2] = box.map(Number);
  const place = { x: x1, y: y1, width: Math.max(0, x2 - x1), height: Math.max(0, y2 - y1) };
  return [" under", ""].map((layer) => drawn("rect", { class: kind + layer, ...place }));
}

/** A polygon in the same manner; open while it is being drawn. */
export function outlines(kind, points, closed = true) {
  const name = closed ? "polygon" : "polyline";
  const corners = points.map((point) => point.join(",")).join(" ");
  return [" under", ""].map((layer) => drawn(name, { class: kind + layer, points: corners }));
}

/** Seconds as h:mm:ss.t, or m:ss.t where there are no hours. */
export function clock(seconds) {
  const tenths = Math.round(seconds * 10);
  const [hours, minutes] = [Math.floor(tenths / 36000), Math.floor(tenths / 600) % 60];
  const rest = ((tenths % 600) / 10).toFixed(1).padStart(4, "0");
  return hours ? `${hours}:${String(minutes).padStart(2, "0")}:${rest}` : `${minutes}:${rest}`;
}

/** "1 picture", "1,234 pictures". */
export function counted(n, one, many = `${one}s`) {
  return `${n.toLocaleString("en")} ${n === 1 ? one : many}`;
}
