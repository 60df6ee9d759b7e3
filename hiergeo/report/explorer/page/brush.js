// @ts-check
/**
 * Selecting a region of a map: its outline is taken back to base coordinates, the server says what lies inside, and the
 * list can be saved.
 */

import { caption, counted, fill, h, named, number } from "./dom.js";
import { csv } from "./files.js";
import { around } from "./grid.js";
import { inside, scaled, size, unit } from "./isometry.js";
import { latest } from "./latest.js";

/**
 * @typedef {import("./isometry.js").Complex} Complex
 * @typedef {import("./camera.js").Camera} Camera
 * @typedef {import("./stage.js").Stage} Stage
 * @typedef {{id: string, caption: string | null, image: boolean, tier: number | null, radius: any}} Item
 */

/** Corners of an outline at most, as many as the server takes. */
export const CORNERS = 500;

/** Corners that a hand draws at most; the others are added where the outline bends. */
const DRAWN = 160;

/** Largest error of an outline, as a share of the radius of the map. */
const ERROR = 0.001;

/** How far corners on the rim are pushed out, so that no chord cuts points off. */
const BEYOND = 1.02;

/** Items that are listed before all are asked for, and items of one request. */
const [LISTED, ASKED] = [30, 256];

/** The four corners of the rectangle between the ends of a path. @param {Complex[]} path @returns {Complex[]} */
export function rectangle(path) {
  const [[x0, y0], [x1, y1]] = [path[0], path[path.length - 1]];
  return [[x0, y0], [x1, y0], [x1, y1], [x0, y1]];
}

/**
 * A polygon on the screen in base coordinates, with corners added until it is as curved as its image.
 * @param {Camera} camera
 * @param {Complex[]} polygon pixels
 * @returns {Complex[]}
 */
export function outline(camera, polygon) {
  const every = Math.ceil(polygon.length / DRAWN);
  let edge = polygon.filter((_, i) => i % every === 0).map((at) => ({ at, z: camera.base(at) }));
  const allowed = ERROR * Math.min(camera.map.reach, 1);
  for (let round = 0; round < 12 && edge.length < CORNERS; round++) {
    let room = CORNERS - edge.length;
    const finer = edge.flatMap((corner, i) => {
      const next = edge[(i + 1) % edge.length];
      /** @type {Complex} */
      const at = [(corner.at[0] + next.at[0]) / 2, (corner.at[1] + next.at[1]) / 2];
      const z = camera.base(at);
      const error = Math.hypot(z[0] - (corner.z[0] + next.z[0]) / 2, z[1] - (corner.z[1] + next.z[1]) / 2);
      if (error <= allowed || room <= 0) return [corner];
      room -= 1;
      return [corner, { at, z }];
    });
    if (finer.length === edge.length) break;
    edge = finer;
  }
  const rim = (/** @type {Complex} */ z) => (camera.kappa < 0 && size(z) > 1 - 1e-6 ? scaled(z, BEYOND / size(z)) : z);
  const corners = edge.map(({ z }) => rim(z));
  return antipodeInside(camera, polygon) ? outsideOf(corners, camera.map.extent) : corners;
}

/** Whether a polygon holds the antipode of the root, which no chart of base coordinates reaches. @param {Camera} camera @param {Complex[]} polygon */
function antipodeInside(camera, polygon) {
  const { a, turn } = camera.isometry;
  const square = a[0] * a[0] + a[1] * a[1];
  if (camera.kappa <= 0 || !square) return false;
  const [cos, sin] = unit(turn);
  return inside(polygon, camera.pixels([(cos * a[0] - sin * a[1]) / square, (sin * a[0] + cos * a[1]) / square]));
}

/** A polygon that holds what another does not: a square joined to it by a cut. @param {Complex[]} hole @param {number} extent @returns {Complex[]} */
function outsideOf(hole, extent) {
  const far = 4 * Math.max(extent, ...hole.map(size));
  const nearest = hole.reduce((best, z, i) => (z[0] > hole[best][0] ? i : best), 0);
  const around_ = [...hole.slice(nearest), ...hole.slice(0, nearest + 1)];
  /** @type {Complex[]} */
  const square = [[far, around_[0][1]], [far, far], [-far, far], [-far, -far], [far, -far], [far, around_[0][1]]];
  return [...square, ...around_];
}

/** What is selected: a count, a list, a file. */
export class Selection {
  /** @param {any} app @param {() => Stage | null} stage the map that was used last */
  constructor(app, stage) {
    this.app = app;
    this.stage = stage;
    this.begin = latest();
    this.title = h("h2", { tabindex: -1 });
    this.list = h("ol", { class: "map-list" });
    this.more = h("button", { type: "button", class: "button small", onclick: () => this.fill(Infinity) });
    this.note = h("p", { class: "note", hidden: true });
    this.clearing = h("button", { type: "button", class: "button", onclick: () => this.clear() }, "Clear");
    this.saving = h("button", { type: "button", class: "button", onclick: () => this.save() }, "Save as CSV");
    this.found = h("div", { hidden: true }, this.title, h("p", { class: "map-buttons" }, this.saving, this.clearing), this.note, this.list, this.more);
    this.number = h("input", { class: "field map-number", type: "number", min: 1, max: 1000, value: 20, "aria-label": "How many of the nearest points" });
    const form = h("form", { class: "map-nearest", onsubmit: (/** @type {Event} */ event) => this.nearest(event) },
      h("p", null, "Draw a rectangle or a lasso on the map to select what lies inside, or select without a pointer:"),
      this.number, h("button", { type: "submit", class: "button" }, "Select the nearest"),
      h("span", { class: "map-facts" }, "to the chosen point, or to the centre"));
    this.element = h("section", { class: "map-selection", "aria-label": "Selection" }, this.found, form);
    /** @type {Item[]} */
    this.items = [];
  }

  /** The items in a region of a map. @param {Stage} stage @param {Complex[]} polygon pixels */
  async region(stage, polygon) {
    const region = outline(stage.camera, polygon);
    stage.show({ region });
    this.marked = stage;
    await this.take(stage, async () => this.app.source.select(stage.lens.key, region));
  }

  /** The drawn points nearest to the point that is chosen or pointed at, or to the centre. @param {Event} event */
  async nearest(event) {
    event.preventDefault();
    const stage = this.stage();
    if (!stage) return;
    const k = Math.max(1, Math.min(1000, Math.round(Number(this.number.value) || 1)));
    const { camera, shown } = stage;
    const z = shown.hovered ?? shown.related.item?.z;
    const at = z ? camera.onScreen(z) : camera.pixels([0, 0]);
    const ids = around(stage.tiles(), camera, at, k).map(({ id }) => id);
    this.unmark();
    await this.take(stage, async () => {
      const parts = Array.from({ length: Math.ceil(ids.length / ASKED) }, (_, i) => ids.slice(i * ASKED, (i + 1) * ASKED));
      const items = (await Promise.all(parts.map((part) => this.app.source.items(part)))).flat();
      return { count: items.length, items };
    });
    this.title.focus();
  }

  /** @param {Stage} stage @param {() => Promise<{count: number, items: Item[]}>} ask */
  async take(stage, ask) {
    const wanted = this.begin();
    try {
      const { count, items } = await ask();
      if (!wanted()) return;
      this.items = items;
      this.lens = stage.lens;
      fill(this.title, `${counted(count, "item")} selected`);
      this.note.hidden = count <= items.length;
      this.note.textContent = `The list and the file hold the ${counted(items.length)} of smallest radius.`;
      this.found.hidden = false;
      this.fill(LISTED);
      this.app.announce(`${counted(count, "item")} selected`);
    } catch (error) {
      if (!wanted()) return;
      this.clear();
      stage.tell.failed(/** @type {Error} */ (error));
    }
  }

  /** @param {Item} item */
  radius({ radius }) {
    return radius !== null && typeof radius === "object" ? radius[this.lens.key] : radius;
  }

  /** @param {Item} item */
  tier({ tier }) {
    const { tiers } = this.app.collection;
    return typeof tier === "number" && tier >= 0 ? (tiers?.[tier] ?? tier) : tier === null || typeof tier === "number" ? "" : tier;
  }

  /** @param {number} most */
  fill(most) {
    const shown = this.items.slice(0, most);
    fill(this.list, shown.map((item) =>
      h("li", null,
        h("button", { type: "button", onclick: () => this.app.state.set({ item: item.id }) }, caption(named(item), 80)),
        h("span", { class: "interval" }, number(this.radius(item), 3)))));
    this.more.hidden = shown.length >= this.items.length;
    this.more.textContent = `List all ${counted(this.items.length)}`;
  }

  save() {
    const rows = this.items.map((item) => [item.id, item.caption, this.tier(item), item.caption === null && item.image ? "image" : "caption", this.radius(item)]);
    this.app.download("selection.csv", "text/csv;charset=utf-8", csv(["id", "caption", "tier", "kind", "radius"], rows));
  }

  unmark() {
    this.marked?.show({ region: null });
    this.marked = undefined;
  }

  clear() {
    this.begin();
    this.unmark();
    this.items = [];
    this.found.hidden = true;
  }
}
