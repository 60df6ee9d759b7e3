// @ts-check
/** Items picked out on the disc, as a table that can be saved: those drawn in a region or near a point, or those that pass the filters. */

import { caption, counted, fill, h, named, number } from "./dom.js";
import { csv } from "./files.js";
import { around, enclosed } from "./grid.js";
import { latest } from "./latest.js";

/**
 * @typedef {import("./isometry.js").Complex} Complex
 * @typedef {import("./stage.js").Stage} Stage
 * @typedef {{id: string, name: string | null, caption: string | null, image: boolean, tier: number | null, radius: any}} Item
 */

/** Corners along a side of a rectangle. */
const SIDE = 16;

/** Items that are listed before all are asked for, items of one request, and items that are fetched for a table at most. */
const [LISTED, ASKED, MOST] = [30, 256, 2000];

/** The rectangle between the ends of a path, with corners along its sides, which bend as the disc is moved. @param {Complex[]} path @returns {Complex[]} */
export function rectangle(path) {
  const [[x0, y0], [x1, y1]] = [path[0], path[path.length - 1]];
  const corners = [[x0, y0], [x1, y0], [x1, y1], [x0, y1], [x0, y0]];
  return corners.slice(1).flatMap(([x, y], i) => Array.from({ length: SIDE }, (_, step) => {
    const share = step / SIDE;
    return /** @type {Complex} */ ([corners[i][0] + share * (x - corners[i][0]), corners[i][1] + share * (y - corners[i][1])]);
  }));
}

/** What is selected: a count, a table, a file. */
export class Selection {
  /** @param {any} app @param {import("./columns.js").Columns} columns @param {() => Stage | null} stage */
  constructor(app, columns, stage) {
    this.app = app;
    this.columns = columns;
    this.stage = stage;
    this.answer = latest();
    this.title = h("h2", { tabindex: -1 });
    this.table = h("div", { class: "sorted" });
    this.more = h("button", { type: "button", class: "button small", onclick: () => this.fill(Infinity) });
    this.note = h("p", { class: "note", hidden: true });
    const button = (/** @type {string} */ words, /** @type {() => any} */ onclick) => h("button", { type: "button", class: "button small", onclick }, words);
    this.found = h("section", { class: "map-selection", "aria-label": "Selection", hidden: true }, this.title,
      h("p", { class: "map-buttons" }, button("Save as CSV", () => this.save()), button("Clear", () => this.clear())), this.note, this.table, this.more);
    this.number = h("input", { class: "field map-number", type: "number", min: 1, max: 1000, value: 20, "aria-label": "How many of the nearest items" });
    this.form = h("form", { class: "map-buttons", onsubmit: (/** @type {Event} */ event) => this.nearest(event) },
      this.number, h("button", { type: "submit", class: "button small" }, "Select the nearest"),
      h("span", { class: "help" }, "to the chosen item, or to the centre"));
    columns.passing.append(" ", button("List them", () => this.filtered()));
    /** @type {Item[]} */
    this.items = [];
  }

  /** The items in a region. @param {Complex[]} polygon pixels */
  region(polygon) {
    const stage = this.stage();
    if (!stage) return;
    const { camera, count, facts } = stage;
    stage.show({ region: polygon.map((at) => camera.base(at)) });
    return this.take(this.fetch(enclosed(stage.tiles(), camera, polygon)), count < facts.count ? " of those that are drawn" : "");
  }

  /** The items nearest to the one that is chosen or pointed at, or to the centre. @param {Event} event */
  async nearest(event) {
    event.preventDefault();
    const stage = this.stage();
    if (!stage) return;
    const k = Math.max(1, Math.min(1000, Math.round(Number(this.number.value) || 1)));
    const { camera, shown } = stage;
    const z = shown.hovered ?? shown.related.item?.z;
    const at = z ? camera.onScreen(z) : camera.pixels([0, 0]);
    stage.show({ region: null });
    await this.take(this.fetch(around(stage.tiles(), camera, at, k).map(({ id }) => id)));
    this.title.focus();
  }

  /** The items that pass the filters. */
  async filtered() {
    await this.take(this.fetch(this.columns.passingIds() ?? []));
    this.title.focus();
  }

  /** @param {string[]} ids */
  async fetch(ids) {
    const some = ids.slice(0, MOST);
    const parts = Array.from({ length: Math.ceil(some.length / ASKED) }, (_, i) => some.slice(i * ASKED, (i + 1) * ASKED));
    return { count: ids.length, items: (await Promise.all(parts.map((part) => this.app.source.items(part)))).flat() };
  }

  /** @param {Promise<{count: number, items: Item[]}>} asked @param {string} [of] which could be selected, if not all */
  take(asked, of = "") {
    const stage = this.stage();
    return this.answer(Promise.all([asked, this.columns.load(this.columns.own)]), ([{ count, items }]) => {
      this.items = items;
      this.lens = stage?.lens;
      fill(this.title, `${counted(count, "item")}${of} selected`);
      this.note.hidden = count <= items.length;
      this.note.textContent = `The table and the file hold ${counted(items.length)} of them.`;
      this.found.hidden = false;
      this.fill(LISTED);
      this.app.announce(this.title.textContent);
    }, (error) => {
      this.clear();
      stage?.tell.failed(error);
    });
  }

  /** @param {Item} item */
  radius({ radius }) {
    return radius !== null && typeof radius === "object" ? radius[this.lens.key] : radius;
  }

  /** @param {Item} item */
  tier({ tier }) {
    return tier === null || tier < 0 ? "" : (this.app.collection.tiers?.[tier] ?? tier);
  }

  /** @param {number} most */
  fill(most) {
    const shown = this.items.slice(0, most);
    const names = ["r", ...this.columns.own.map(({ name }) => name)];
    const row = (/** @type {Item} */ item) => h("tr", { role: "row" },
      h("th", { scope: "row", role: "rowheader" }, h("button", { type: "button", class: "link", onclick: () => this.app.state.set({ item: item.id }) }, caption(named(item), 80))),
      [number(this.radius(item), 3), ...this.columns.values(item.id)].map((value, i) => h("td", { role: "cell", class: "number", "data-title": names[i] }, caption(value ?? "–", 40))));
    const head = (/** @type {string} */ name) => h("th", { scope: "col", role: "columnheader" }, h("bdi", null, name));
    fill(this.table, h("table", { class: "results", role: "table" }, h("caption", { class: "unseen" }, "Selected items"),
      h("thead", { role: "rowgroup" }, h("tr", { role: "row" }, ["Item", ...names].map(head))), h("tbody", { role: "rowgroup" }, shown.map(row))));
    this.more.hidden = shown.length >= this.items.length;
    this.more.textContent = `List all ${counted(this.items.length)}`;
  }

  save() {
    const rows = this.items.map((item) => [item.name ?? item.id, item.caption, this.tier(item), item.caption === null && item.image ? "image" : "caption", this.radius(item), ...this.columns.values(item.id)]);
    this.app.download("selection.csv", "text/csv;charset=utf-8", csv(["id", "caption", "tier", "kind", "radius", ...this.columns.own.map(({ name }) => name)], rows));
  }

  clear() {
    this.answer();
    this.stage()?.show({ region: null });
    this.items = [];
    this.found.hidden = true;
  }
}
