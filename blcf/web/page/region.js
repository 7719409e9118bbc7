/* Drawing on a picture: a box or a polygon, by mouse, finger or keyboard; four fields beside it.
   Everything is in pixels of the picture. */

import { byId, drawn, outlines, rectangles } from "./elements.js";

const REACH = 22; // pixels of the screen around a corner that take hold of it: half a fingertip
const LEAST = 4; // pixels of the screen: what is drawn smaller is a click, and no box
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const HELP = {
  box:
    "Drag to draw a box. Keys: arrows move it, Shift with arrows resizes it (Alt: by one pixel), " +
    "Delete takes the whole picture, Enter searches.",
  polygon:
    "Click each corner, and the first again to close. Keys: arrows move the cross, Space sets " +
    "a corner, Backspace takes the last one back, Enter closes.",
  whole: "The whole picture is looked for.",
};

const clamp = (value, most) => Math.min(Math.max(value, 0), most);

/** The editor. `changed(region, kind)` is called with { box, polygon } when something is finished;
    kind is "drawn" or, for each of the small steps of keys, "nudged". `search()` on Enter. */
export function makeRegion(changed, search) {
  const sheet = byId("region");
  const fields = [0, 1, 2, 3].map((edge) => byId(`edge-${edge}`));
  let size = { width: 1, height: 1 };
  let [box, polygon, corners, cross, hold, tool] = [null, null, [], null, null, "box"];

  function show(picture, region) {
    size = { width: picture.width, height: picture.height };
    [box, polygon, corners, cross, hold] = [region.box, region.polygon, [], null, null];
    if (box) setTool("box");
    else if (polygon) setTool("polygon");
    sheet.setAttribute("viewBox", `0 0 ${size.width} ${size.height}`);
    const place = { x: 0, y: 0, ...size };
    sheet.replaceChildren(drawn("image", { href: picture.address, ...place }), drawn("g"));
    draw();
  }

  function setTool(name) {
    tool = name;
    document.querySelector(`input[name=tool][value=${name}]`).checked = true;
    byId("edges").hidden = name !== "box";
    byId("region-help").textContent = HELP[name];
    // A finger on the picture draws, and must not scroll; on a whole picture it may.
    sheet.classList.toggle("draws", name !== "whole");
  }

  function draw() {
    const over = sheet.lastElementChild;
    over.replaceChildren();
    if (box) {
      over.append(...rectangles("asked", box));
      over.append(...cornersOf(box).map(([cx, cy]) => drawn("circle", { cx, cy, r: reach(6) })));
    }
    const points = polygon ?? corners;
    if (points.length) over.append(...outlines("asked", points, polygon !== null));
    over.append(...corners.map(([cx, cy]) => drawn("circle", { cx, cy, r: reach(5) })));
    if (cross) over.append(...crossLines(cross));
    fields.forEach((field, edge) => {
      field.max = edge % 2 ? size.height : size.width;
      field.value = box ? Math.round(box[edge]) : "";
    });
  }

  function crossLines([x, y]) {
    const d = `M${x - reach(10)} ${y}H${x + reach(10)}M${x} ${y - reach(10)}V${y + reach(10)}`;
    return ["under", "cross"].map((kind) => drawn("path", { class: kind, d }));
  }

  /** So many pixels of the screen, in pixels of the picture. */
  function reach(pixels) {
    return pixels / (sheet.getScreenCTM()?.a || 1);
  }

  function at(event) {
    const point = new DOMPoint(event.clientX, event.clientY);
    const { x, y } = point.matrixTransform(sheet.getScreenCTM().inverse());
    return [Math.round(clamp(x, size.width)), Math.round(clamp(y, size.height))];
  }

  const cornersOf = ([x1, y1, x2, y2]) => [
    [x1, y1],
    [x2, y1],
    [x2, y2],
    [x1, y2],
  ];
  const isNear = ([x, y], [u, v]) => Math.hypot(x - u, y - v) <= reach(REACH);

  function finish(kind = "drawn") {
    draw();
    byId("region-says").textContent = box
      ? `Box ${box.map(Math.round).join(", ")}`
      : polygon
        ? `Polygon of ${polygon.length} corners`
        : "The whole picture";
    changed({ box, polygon }, kind);
  }

  sheet.addEventListener("pointerdown", (event) => {
    if (tool === "whole" || event.button !== 0) return;
    event.preventDefault();
    sheet.focus({ preventScroll: true });
    const point = at(event);
    if (tool === "polygon") return corner(point);
    sheet.setPointerCapture(event.pointerId);
    const corner_ = box ? cornersOf(box).findIndex((one) => isNear(one, point)) : -1;
    const inside =
      box && point[0] > box[0] && point[0] < box[2] && point[1] > box[1] && point[1] < box[3];
    if (corner_ >= 0) hold = { from: cornersOf(box)[(corner_ + 2) % 4], before: box };
    else if (inside) hold = { move: point, before: box };
    else hold = { from: point, before: box };
    hold.polygon = polygon;
  });

  sheet.addEventListener("pointermove", (event) => {
    if (!hold) return;
    const point = at(event);
    if (hold.move) {
      box = moved(hold.before, point[0] - hold.move[0], point[1] - hold.move[1]);
    } else {
      const [u, v] = hold.from;
      box = [
        Math.min(u, point[0]),
        Math.min(v, point[1]),
        Math.max(u, point[0]),
        Math.max(v, point[1]),
      ];
    }
    polygon = null;
    draw();
  });

  sheet.addEventListener("pointerup", () => {
    if (!hold) return;
    const { before, polygon: outline } = hold;
    hold = null;
    if (box === before) return;
    if (box[2] - box[0] < reach(LEAST) || box[3] - box[1] < reach(LEAST)) box = before;
    if (String(box) !== String(before)) return finish();
    polygon = outline;
    draw();
  });

  sheet.addEventListener("pointercancel", () => {
    if (hold) [box, polygon] = [hold.before, hold.polygon];
    hold = null;
    draw();
  });

  function moved([x1, y1, x2, y2], x, y) {
    const right = clamp(x1 + x, size.width - (x2 - x1)) - x1;
    const down = clamp(y1 + y, size.height - (y2 - y1)) - y1;
    return [x1 + right, y1 + down, x2 + right, y2 + down];
  }

  function corner(point) {
    if (corners.length > 2 && isNear(corners[0], point)) return close();
    if (polygon || box) [polygon, box] = [null, null];
    corners.push(point);
    draw();
  }

  function close() {
    if (corners.length < 3) return;
    [polygon, corners, cross, box] = [corners, [], null, null];
    finish();
  }

  sheet.addEventListener("keydown", (event) => {
    const way = ARROWS[event.key];
    const known = way || ["Enter", " ", "Delete", "Backspace"].includes(event.key);
    if (!known || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    const step = event.altKey ? 1 : Math.max(1, Math.round(Math.max(size.width, size.height) / 50));
    if (tool === "polygon") polygonKey(event.key, way, step);
    else if (event.key === "Enter") search();
    else if (tool === "whole") return;
    else if (!way) whole();
    else boxKey(way[0] * step, way[1] * step, event.shiftKey);
  });

  function boxKey(x, y, isResized) {
    const { width, height } = size;
    if (!box) box = [width / 4, height / 4, (3 * width) / 4, (3 * height) / 4].map(Math.round);
    else if (!isResized) box = moved(box, x, y);
    else {
      const [x1, y1, x2, y2] = box;
      box = [
        x1,
        y1,
        Math.max(x1 + 1, clamp(x2 + x, width)),
        Math.max(y1 + 1, clamp(y2 + y, height)),
      ];
    }
    polygon = null;
    finish("nudged");
  }

  function polygonKey(key, way, step) {
    cross ??= [Math.round(size.width / 2), Math.round(size.height / 2)];
    if (way) {
      cross = [
        clamp(cross[0] + way[0] * step, size.width),
        clamp(cross[1] + way[1] * step, size.height),
      ];
    } else if (key === " ") return corner([...cross]);
    else if (key === "Enter") return corners.length ? close() : search();
    else if (corners.length) corners.pop();
    else return whole();
    draw();
  }

  function whole() {
    [box, polygon, corners, cross] = [null, null, [], null];
    finish();
  }

  fields.forEach((field) =>
    field.addEventListener("change", () => {
      const edges = fields.map((one) => (one.value.trim() === "" ? NaN : Number(one.value)));
      if (edges.some(Number.isNaN)) return; // not all four are there yet
      const [x1, y1, x2, y2] = edges.map((edge, n) =>
        clamp(edge, n % 2 ? size.height : size.width),
      );
      const [left, right] = [Math.min(x1, x2), Math.max(x1, x2)];
      const [upper, lower] = [Math.min(y1, y2), Math.max(y1, y2)];
      if (left === right || upper === lower) return;
      [box, polygon] = [[left, upper, right, lower], null];
      finish();
    }),
  );

  document.querySelectorAll("input[name=tool]").forEach((radio) =>
    radio.addEventListener("change", () => {
      setTool(radio.value);
      if (radio.value === "whole" && (box || polygon || corners.length)) whole();
      else draw();
    }),
  );
  setTool("box");
  new ResizeObserver(() => sheet.lastElementChild && draw()).observe(sheet);
  return { show };
}
