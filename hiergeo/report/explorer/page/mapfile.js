// @ts-check
/** The picture of a map as a file: PNG with the points as they are on the screen, SVG with at most 20,000 of them. */

import { s } from "./dom.js";
import { encoded, fileName, image, svgFile } from "./files.js";
import { css, HIDDEN, SHAPES } from "./marks.js";
import { standalone } from "./saving.js";

/** Points of a drawing at most. */
export const POINTS = 20000;

/** Pixels of a PNG for each pixel on the screen. */
const SHARPNESS = 2;

/** @param {any} app @param {import("./stage.js").Stage} stage @param {"png" | "svg"} type */
export async function saveMap(app, stage, type) {
  const name = `${fileName("disc", stage.lens.title)}.${type}`;
  if (type === "svg") app.download(name, "image/svg+xml", svgFile(drawing(stage, points(stage))));
  else app.download(name, "image/png", await picture(stage));
  app.announce(`Saved ${name}.`);
}

/** What lies around the points, with the points as marks between, as a drawing that stands alone. @param {import("./stage.js").Stage} stage @param {any[]} marks @param {string[]} [layers] */
function drawing({ element, camera, overlay }, marks, layers = ["ground", "front"]) {
  const { width, height } = camera;
  const whole = s("svg", { class: "map-drawing", viewBox: `0 0 ${width} ${height}`, width, height },
    layers.includes("ground") ? s("g", null, [...overlay.ground.cloneNode(true).children]) : null,
    s("g", null, marks),
    layers.includes("front") ? s("g", { class: "map-front" }, [...overlay.front.cloneNode(true).children]) : null);
  for (const picture of whole.querySelectorAll("image")) picture.remove(); // a file cannot show what it does not hold
  element.append(whole);
  try {
    return standalone(whole);
  } finally {
    whole.remove();
  }
}

/** One path for every colour. @param {import("./stage.js").Stage} stage */
function points({ camera, drawn, loader, style, size }) {
  /** @type {Map<string, string[]>} */
  const groups = new Map();
  const total = [...drawn.values()].reduce((sum, count) => sum + count, 0);
  const share = Math.min(1, POINTS / Math.max(1, total));
  const half = size / 2;
  for (const [key, count] of drawn) {
    const tile = loader.tiles.get(key);
    if (!tile) continue;
    for (let i = 0; i < Math.floor(count * share); i++) {
      const [x, y] = camera.onScreen([tile.x[i], tile.y[i]]);
      if (x < 0 || y < 0 || x > camera.width || y > camera.height) continue;
      if (tile.colour[i] === HIDDEN) continue;
      const colour = css(style.colours[tile.colour[i]]);
      if (!groups.has(colour)) groups.set(colour, []);
      groups.get(colour)?.push(placed(tile.shape[i], half, x, y));
    }
  }
  return [...groups].map(([fill, at]) => s("path", { fill, "fill-opacity": 0.85, d: at.join("") }));
}

/** The outline of a shape at a place. @param {number} shape @param {number} half @param {number} x @param {number} y */
function placed(shape, half, x, y) {
  const round = (/** @type {number} */ value) => Math.round(value * 100) / 100;
  if (shape === 0) {
    const r = round(0.86 * half);
    return `M${round(x - r)} ${round(y)}a${r} ${r} 0 1 0 ${2 * r} 0a${r} ${r} 0 1 0 ${-2 * r} 0Z`;
  }
  const corners = (CORNERS[shape] ??= cornersOf(SHAPES[shape]));
  return `M${corners.map(([u, v]) => `${round(x + u * half)} ${round(y + v * half)}`).join("L")}Z`;
}

/** @type {Record<number, number[][]>} */
const CORNERS = {};

/** The corners of an outline of straight lines. @param {string} path */
function cornersOf(path) {
  /** @type {number[][]} */
  const corners = [];
  for (const [, command, rest] of path.matchAll(/([MLHV])([^MLHVZ]*)/g)) {
    const values = (rest.match(/-?(?:\d+\.?\d*|\.\d+)/g) ?? []).map(Number);
    const [x, y] = corners.at(-1) ?? [0, 0];
    corners.push(command === "H" ? [values[0], y] : command === "V" ? [x, values[0]] : [values[0], values[1]]);
  }
  return corners;
}

/** @param {import("./stage.js").Stage} stage @returns {Promise<Blob>} */
async function picture(stage) {
  const { width, height } = stage.camera;
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [Math.round(width * SHARPNESS), Math.round(height * SHARPNESS)];
  const paper = canvas.getContext("2d");
  if (!paper) throw new Error("This browser gives no canvas to draw on: save the SVG instead.");
  paper.drawImage(await image(drawing(stage, [], ["ground"])), 0, 0, canvas.width, canvas.height);
  paper.drawImage(stage.painter.canvas, 0, 0, canvas.width, canvas.height);
  const front = drawing(stage, [], ["front"]);
  front.firstChild?.remove();
  paper.drawImage(await image(front), 0, 0, canvas.width, canvas.height);
  return encoded(canvas, "image/png");
}
