/* Where a score comes from: heat over the query and the hit, lines between the cells that show the
   same visual word. The drawing is that of blcf/pages/why.py. */

import { drawn, element, rectangles } from "./elements.js";

const [HEIGHT, WIDTH, GAP] = [360, 480, 24]; // of a column of pictures at most; between the two

/** Elements that show the evidence of a hit.
    `queries`: { address, width, height } of each example; `boxes`: that of each, or null. */
export async function drawWhy(evidence, queries, boxes, picture) {
  const isNarrow = matchMedia("(max-width: 600px)").matches;
  const shown = queries.slice(0, evidence.query.length);
  const asked = column(shown, 0, 0);
  const right = isNarrow
    ? 0
    : Math.max(0, ...asked.map((one) => one.left + one.width * one.scale)) + GAP;
  const below = isNarrow
    ? Math.max(0, ...asked.map((one) => one.top + one.height * one.scale)) + GAP
    : 0;
  const [hit] = column([picture], right, below);
  const most = Math.max(0, ...evidence.query.map(({ heat }) => strongest(heat)));
  const parts = await Promise.all([
    pale(hit, evidence.picture.heat, strongest(evidence.picture.heat), "found", evidence.box),
    ...asked.map((one, n) => pale(one, evidence.query[n].heat, most, "asked", boxes[n])),
  ]);
  const all = [...asked, hit];
  const width = Math.max(...all.map((one) => one.left + one.width * one.scale));
  const height = Math.max(...all.map((one) => one.top + one.height * one.scale));
  const matches = evidence.matches.filter(({ query, share }) => asked[query] && share > 0);
  const says = `Cells that match: ${evidence.says}.`;
  const viewBox = `0 0 ${Math.ceil(width)} ${Math.ceil(height)}`;
  const sheet = drawn("svg", { viewBox, role: "img", "aria-label": says });
  sheet.append(...parts.flat(), ...lines(matches, asked, hit));
  const legend = "Warm colours lie where both pictures show the same visual words.";
  return [sheet, element("p", { class: "help" }, `${says} ${legend}`)];
}

/** Pictures below each other. */
function column(pictures, left, top) {
  const room = HEIGHT / Math.max(1, pictures.length);
  return pictures.map((one, n) => {
    const scale = Math.min(WIDTH / one.width, room / one.height);
    return { ...one, scale, left, top: top + n * room };
  });
}

const values = (heat) => heat.values.flat();
const strongest = (heat) =>
  values(heat).reduce((most, value) => Math.max(most, Math.abs(value)), 0);

/** A picture, pale, with heat over it and its box. */
async function pale(one, heat, most, kind, box) {
  const { width, height, scale, left, top } = one;
  const transform = `translate(${left} ${top}) scale(${scale})`;
  const place = { x: 0, y: 0, width, height };
  const group = drawn(
    "g",
    { transform },
    drawn("image", { class: "pale", href: one.address, ...place }),
  );
  const href = await painted(heat, most);
  if (href) {
    const over = drawn("image", { href, ...place, preserveAspectRatio: "none" });
    over.addEventListener("load", () => URL.revokeObjectURL(href), { once: true });
    group.append(over);
  }
  group.append(drawn("rect", { class: "frame", ...place }));
  const edges = box?.map((edge, n) => edge * scale + (n % 2 ? top : left));
  return edges ? [group, ...rectangles(kind, edges)] : [group];
}

/** Heat as a small transparent picture, by an address that the page's rules allow (no data:). */
async function painted(heat, most) {
  const { rows, columns } = heat;
  if (!(most > 0) || !rows || !columns) return null;
  const canvas = element("canvas", { width: columns, height: rows });
  const context = canvas.getContext("2d");
  const pixels = context.createImageData(columns, rows);
  const [plus, minus] = [ramp("for"), ramp("against")];
  values(heat).forEach((value, n) => {
    // The root: a few cells with rare words would leave the rest of the object invisible.
    const strength = Math.sqrt(Math.min(Math.abs(value) / most, 1));
    const [weak, strong] = value >= 0 ? plus : minus;
    weak.forEach((from, channel) => {
      pixels.data[4 * n + channel] = from + strength * (strong[channel] - from);
    });
    pixels.data[4 * n + 3] = 0.8 * 255 * strength;
  });
  context.putImageData(pixels, 0, 0);
  const file = await new Promise((done) => canvas.toBlob(done));
  return file && URL.createObjectURL(file);
}

/** Two colours of shared.css, as red, green and blue. */
function ramp(name) {
  const style = getComputedStyle(document.documentElement);
  return ["weak", "strong"].map((end) => {
    const digits = style.getPropertyValue(`--${name}-${end}`).trim().slice(1);
    return [0, 2, 4].map((at) => parseInt(digits.slice(at, at + 2), 16));
  });
}

/** Lines between the cells, thick ones add more; the strongest on top. */
function lines(matches, asked, hit) {
  const most = matches[0]?.share ?? 1;
  return matches
    .flatMap(({ query, query_box: from, box: to, share }, rank) => {
      const [x1, y1] = middle(from, asked[query]);
      const [x2, y2] = middle(to, hit);
      const d = `M${x1.toFixed(1)} ${y1.toFixed(1)}L${x2.toFixed(1)} ${y2.toFixed(1)}`;
      const width = 0.7 + (1.8 * share) / most;
      // Reversed below, so the rim comes second here.
      return [
        drawn("path", { class: `line${rank % 3}`, d, "stroke-width": width.toFixed(1) }),
        drawn("path", { class: "under", d, "stroke-width": (width + 1.4).toFixed(1) }),
      ];
    })
    .reverse();
}

const middle = ([x1, y1, x2, y2], { scale, left, top }) => [
  left + ((x1 + x2) / 2) * scale,
  top + ((y1 + y2) / 2) * scale,
];
