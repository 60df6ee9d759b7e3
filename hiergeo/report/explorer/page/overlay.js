// @ts-check
/**
 * What is drawn around the points: the disk and its circles of equal radius below them, the root, the ladder of the query,
 * the chosen item with its parents and children, and what is under the pointer above them.
 */

import { fill, s, shortened } from "./dom.js";
import { apply, geodesic } from "./isometry.js";

/**
 * @typedef {import("./isometry.js").Complex} Complex
 * @typedef {import("./camera.js").Camera} Camera
 * @typedef {import("./related.js").Related} Related
 * @typedef {import("./related.js").Placed} Placed
 * @typedef {{x: number, y: number, width: number, height: number}} Box
 */

/** Steps of a geodesic that is drawn. */
const STEPS = 20;

/** Characters of a label. */
const LABEL = 26;

/** Width of a character of a label, in pixels, of a bold one, and height of a line. */
const [LETTER, BOLD, LINE] = [6.6, 7.6, 15];

/** Pixels of a picture on the disc, and between two steps that have a mark each. */
const [PICTURE, APART] = [44, 16];

/** Circles larger than this are left out: they do not cross the stage, or hardly bend. */
const LARGEST = 4e5;

/** Two drawings, below and above the points. */
export class Overlay {
  constructor() {
    this.ground = s("svg", { class: "map-ground", "aria-hidden": "true" });
    this.front = s("svg", { class: "map-front", "aria-hidden": "true" });
  }

  /**
   * @param {Camera} camera
   * @param {any} facts of the map
   * @param {{related: Related, landmarks: Placed[], hovered: Complex | null, region: Complex[] | null, brush: Complex[] | null}} shown
   *   `region` in base coordinates; `brush` in pixels
   * @param {number} [share] of the ladder, while it grows
   */
  draw(camera, facts, shown, share = 1) {
    const { width, height } = camera;
    for (const drawing of [this.ground, this.front]) {
      drawing.setAttribute("viewBox", `0 0 ${width} ${height}`);
      drawing.setAttribute("width", width);
      drawing.setAttribute("height", height);
    }
    const taken = occupied(camera, shown.related);
    const rings = facts.circles.map((/** @type {any} */ ring) => around(camera, ring.z, "map-ring"));
    fill(this.ground, around(camera, facts.reach, "map-disk"), rings);
    const marks = [links(camera, shown.related), path(camera, shown.related, share)];
    const middle = root(camera, taken);
    const labels = [ringLabels(camera, facts, taken), names(camera, shown.related, shown.landmarks, taken)];
    fill(
      this.front,
      shown.region && shown.region.length > 2 ? s("path", { class: "map-region", d: `${traced(shown.region.map((z) => camera.onScreen(z)))}Z` }) : null,
      middle,
      marks,
      labels,
      shown.hovered ? spot(camera.onScreen(shown.hovered), "map-hovered", 8) : null,
      shown.brush ? s("path", { class: "map-brush", d: `${traced(shown.brush)}Z` }) : null,
    );
  }
}

/** The circle of a radius around the root, as it is seen; none where it is too large. @param {Camera} camera @param {number} z @param {string} kind */
function around(camera, z, kind) {
  const { centre, radius } = camera.circle({ centre: [0, 0], radius: z });
  return radius < LARGEST ? s("circle", { class: kind, cx: rounded(centre[0]), cy: rounded(centre[1]), r: rounded(radius) }) : null;
}

/** The label of every circle, at the first place on it that is free and in sight. @param {Camera} camera @param {any} facts @param {Box[]} taken */
function ringLabels(camera, facts, taken) {
  return facts.circles.map((/** @type {any} */ ring) => {
    const text = ring.name;
    for (let turn = 0; turn < 12; turn++) {
      const angle = Math.PI / 2 + ((turn % 2 ? 1 : -1) * Math.ceil(turn / 2) * Math.PI) / 6;
      const [x, y] = camera.onScreen([ring.z * Math.cos(angle), ring.z * Math.sin(angle)]);
      if (!free(camera, { x: x - 4, y: y - LINE / 2, width: 8 + LETTER * text.length, height: LINE }, taken)) continue;
      return [
        s("rect", { class: "map-ring-paper", x: rounded(x - 4), y: rounded(y - LINE / 2 - 1), width: 8 + LETTER * text.length, height: LINE + 2, rx: 3 }),
        s("text", { class: "map-ring-label", x: rounded(x), y: rounded(y + 4), "text-anchor": "start" },
          s("title", null, `up to r = ${Number(ring.radius.toPrecision(4))}`), text),
      ];
    }
    return null;
  });
}

/** @param {Camera} camera @param {Box[]} taken */
function root(camera, taken) {
  const [x, y] = camera.onScreen([0, 0]);
  const label = free(camera, { x: x + 7, y: y - 16, width: 56, height: LINE }, taken);
  return [
    s("path", { class: "map-root", d: `M${rounded(x - 6)} ${rounded(y)}h12m-6-6v12` }),
    label ? s("text", { class: "map-label quiet", x: rounded(x + 8), y: rounded(y - 6) }, "anything") : null,
  ];
}

/** The boxes of what is marked, which labels leave free. @param {Camera} camera @param {Related} related @returns {Box[]} */
function occupied(camera, { path: rungs, query, item }) {
  return [...rungs, ...(query ? [query] : []), ...(item ? [item] : [])].map(({ z }) => {
    const [x, y] = camera.onScreen(z);
    return { x: x - 9, y: y - 9, width: 18, height: 18 };
  });
}

/** Whether a box is on the stage and meets no other; it is taken then. @param {Camera} camera @param {Box} box @param {Box[]} taken */
function free(camera, box, taken) {
  if (box.x < 2 || box.y < 2 || box.x + box.width > camera.width - 2 || box.y + box.height > camera.height - 2) return false;
  const meets = (/** @type {Box} */ other) =>
    box.x < other.x + other.width && other.x < box.x + box.width && box.y < other.y + other.height && other.y < box.y + box.height;
  if (taken.some(meets)) return false;
  taken.push(box);
  return true;
}

/** Lines from the chosen item to its parents and to its children. @param {Camera} camera @param {Related} related */
function links(camera, { item, parents, children }) {
  if (!item) return [];
  const line = (/** @type {Placed} */ other, /** @type {string} */ kind) => [
    s("path", { class: `map-link ${kind}`, d: joined(camera, item.z, other.z) }),
    spot(camera.onScreen(other.z), `map-kin ${kind}`, 4.5),
  ];
  return [parents.map((other) => line(other, "parent")), children.map((other) => line(other, "child")), spot(camera.onScreen(item.z), "map-chosen", 9)];
}

/** The ladder: its rungs in order from the root, joined by geodesics, and the query at its end; a share of it while it grows.
 * @param {Camera} camera @param {Related} related @param {number} share of the steps, in [0, 1] */
function path(camera, { path: rungs, query }, share) {
  const stops = [...rungs, ...(query ? [query] : [])];
  if (!stops.length) return [];
  /** @type {Complex[]} */
  const places = [[0, 0], ...stops.map(({ z }) => z)];
  const way = share * stops.length;
  const lines = places.slice(1, 1 + Math.ceil(way)).map((z, i) => joined(camera, places[i], z, Math.min(1, way - i))).join("");
  const numbers = markers(camera, rungs, Math.floor(way)).map(({ at: [x, y], text, half, wrong }) => [
    s("rect", { class: wrong ? "map-rung wrong" : "map-rung", x: rounded(x - half), y: rounded(y - 9), width: 2 * half, height: 18, rx: 9 }),
    s("text", { class: "map-rung-number", x: rounded(x), y: rounded(y + 4.2), "text-anchor": "middle" }, text),
  ]);
  const end = query && share === 1 ? camera.onScreen(query.z) : null;
  const mark = end ? s("path", { class: "map-query", d: `M${rounded(end[0])} ${rounded(end[1] - 9)}l9 9l-9 9l-9-9Z` }) : null;
  return [s("path", { class: "map-path-halo", d: lines }), s("path", { class: "map-path", d: lines }), mark, numbers];
}

/** The marks of the first rungs, numbered from the last of all: neighbours that would lie on each other have one.
 * @param {Camera} camera @param {Placed[]} rungs @param {number} count */
function markers(camera, rungs, count) {
  /** @type {{at: Complex, first: number, text: string, half: number, wrong: boolean}[]} */
  const marks = [];
  rungs.slice(0, count).forEach(({ z, wrong = false }, i) => {
    const [at, before] = [camera.onScreen(z), marks.at(-1)];
    const meets = before && Math.abs(at[0] - before.at[0]) < before.half + APART / 2 && Math.abs(at[1] - before.at[1]) < APART;
    if (!meets) return marks.push({ at, first: i, text: String(rungs.length - i), half: 9, wrong });
    const text = `${rungs.length - i}–${rungs.length - before.first}`;
    return Object.assign(before, { text, half: 5 + 4 * text.length, wrong: before.wrong || wrong });
  });
  return marks;
}

/** Names beside the query, the chosen item and the rungs, then those of other items, as far as there is room.
 * @param {Camera} camera @param {Related} related @param {Placed[]} others @param {Box[]} taken */
function names(camera, { path: rungs, query, item }, others, taken) {
  const named = [
    ...(query ? [{ ...query, kind: "query" }] : []),
    ...(item ? [{ ...item, kind: "item" }] : []),
    ...rungs.map((rung) => ({ ...rung, kind: "rung" })),
    ...others.map((other) => ({ ...other, kind: "quiet" })),
  ];
  const seen = new Set();
  return named.map(({ id, z, name, kind, url, centred }) => {
    if (seen.has(id) || seen.has(name) || !(name || url)) return null;
    if (url && kind === "quiet") {
      const [x, y] = camera.onScreen(z).map((at) => at - PICTURE / 2);
      if (!free(camera, { x, y, width: PICTURE, height: PICTURE }, taken)) return null;
      seen.add(id).add(name);
      return s("image", { class: "map-picture", href: url, x: rounded(x), y: rounded(y), width: PICTURE, height: PICTURE, preserveAspectRatio: "xMidYMid slice" });
    }
    const text = shortened(name.replace(/\s+/g, " "), LABEL);
    const width = (kind === "query" || kind === "item" ? BOLD : LETTER) * text.length + 4;
    const [x, y] = camera.onScreen(z);
    const aside = kind === "rung" ? 17 : 12;
    const around = [[x + aside, y - LINE / 2], [x - aside - width, y - LINE / 2], [x - width / 2, y - 12 - LINE], [x - width / 2, y + 12]];
    const places = centred ? [0, -1, 1, -2, 2].map((line) => [x - width / 2, y + (line - 0.5) * (LINE + 1)]) : around;
    const place = places.find(([left, top]) => free(camera, { x: left, y: top, width, height: LINE }, taken));
    if (!place) return null;
    seen.add(id ?? name).add(name);
    return s("text", { class: `map-label ${centred ? "region" : kind}`, x: rounded(place[0] + 2), y: rounded(place[1] + 11) }, text);
  });
}

/** @param {Complex} at @param {string} kind @param {number} r */
const spot = (at, kind, r) => s("circle", { class: kind, cx: rounded(at[0]), cy: rounded(at[1]), r });

/** The geodesic between two points in base coordinates, as a path in pixels. @param {Camera} camera @param {Complex} z @param {Complex} w @param {number} [share] of it, from z on */
function joined(camera, z, w, share = 1) {
  return traced(geodesic(z, w, STEPS).slice(0, Math.max(2, Math.ceil(share * (STEPS + 1)))).map((point) => camera.pixels(apply(camera.isometry, point))));
}

/** @param {Complex[]} points pixels */
const traced = (points) => `M${points.map(([x, y]) => `${rounded(x)} ${rounded(y)}`).join("L")}`;

/** @param {number} value */
const rounded = (value) => Math.round(10 * Math.max(-1e6, Math.min(1e6, value))) / 10;
