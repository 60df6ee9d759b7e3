// @ts-check
/** A space compared with another one: sentences, and the items that moved most between them as a table that can be saved. */

import { caption, failure, fill, h, named, number, picture, shortened, signed } from "./dom.js";
import { csv } from "./files.js";
import { latest } from "./latest.js";
import { downloads } from "./saving.js";

/** Neighbours and children that are compared for each item; an exported page has these. */
const NEIGHBOURS = 10;

/** Characters of a caption in the table. */
const SHOWN = 80;

export class Compared {
  /** @param {any} app */
  constructor(app) {
    this.app = app;
    this.answer = latest();
    this.others = h("select", { class: "field", "aria-label": "Space to compare with", onchange: () => this.ask() });
    this.found = h("div", { class: "moved" });
    this.root = h("details", { class: "standing comparing", ontoggle: () => this.ask(), hidden: app.collection.lenses.length < 2 },
      h("summary", null, "What another space moves"), this.others, this.found);
  }

  /** Compare with another space than before; those of another source come first, as their radii need not agree. @param {any} lens */
  show(lens) {
    if (lens === this.lens) return;
    this.lens = lens;
    const others = this.app.collection.lenses.filter((/** @type {any} */ each) => each !== lens)
      .sort((/** @type {any} */ a, /** @type {any} */ b) => Number(a.source === lens.source) - Number(b.source === lens.source));
    fill(this.others, others.map((/** @type {any} */ each) => h("option", { value: each.key }, shortened(each.title, 70))));
    fill(this.found);
    this.ask();
  }

  ask() {
    const { app, lens, found } = this;
    if (!lens || !this.root.open) return;
    found.setAttribute("aria-busy", "true");
    if (!found.childElementCount) fill(found, h("p", { class: "help" }, "Comparing all items …"));
    return this.answer(app.source.moved(this.others.value, lens.key, NEIGHBOURS), (moved) => {
      found.removeAttribute("aria-busy");
      fill(found, told(moved, app));
      app.announce(moved.sentences[0]);
    }, (error) => {
      found.removeAttribute("aria-busy");
      fill(found, h("div", { role: "alert" }, failure(error, () => this.ask())));
    });
  }
}

/** Sentences and a table. @param {any} moved answer of the server @param {any} app */
function told(moved, app) {
  const [first, ...others] = moved.sentences;
  const sentences = [
    h("p", { class: "lede" }, first),
    others.length > 0 && h("ul", { class: "found-more" }, others.map((/** @type {string} */ each) => h("li", null, each))),
  ];
  if (moved.one_space) return sentences;
  const title = moved.same_radii ? "Whose neighbours changed most" : "What moved most";
  return [
    ...sentences,
    h("section", null, h("h2", null, title),
      moved.movers.length ? [table(moved, app), saved(moved, app)] : h("p", { class: "note" }, "No item.")),
  ];
}

/** The items that moved most. @param {any} moved @param {any} app */
function table(moved, app) {
  const shared = (/** @type {string} */ name, /** @type {string} */ title) => ({ title, cell: (/** @type {any} */ row) => `${row[name]} of ${moved.k}` });
  const change = { title: "Change of rank", cell: (/** @type {any} */ row) => signed(row.rank[1] - row.rank[0]) };
  const radius = (/** @type {number} */ side, /** @type {string} */ title) => ({ title, cell: (/** @type {any} */ row) => number(row.radius[side]) });
  const columns = [
    ...(moved.same_radii ? [radius(0, "r")] : [change, radius(0, "r, first"), radius(1, "r, second")]),
    shared("shared_neighbours", "Neighbours shared"),
    shared("shared_children", "Children shared"),
  ];
  const item = (/** @type {any} */ row) =>
    h("button", { type: "button", class: "link", onclick: () => app.state.set({ item: row.id }) },
      row.image && picture(app.source, row.id, 64), caption(named(row), SHOWN));
  const line = (/** @type {any} */ row) =>
    h("tr", { role: "row" }, h("th", { role: "rowheader", scope: "row" }, item(row)),
      columns.map(({ title, cell }) => h("td", { class: "number", role: "cell", "data-title": title }, cell(row))));
  const head = (/** @type {string} */ title, /** @type {string | null} */ kind = "number") => h("th", { scope: "col", role: "columnheader", class: kind }, title);
  return h("div", { class: "sorted" },
    h("table", { class: "results", role: "table" },
      h("caption", { class: "unseen" }, `Items that differ most between ${moved.titles.join(" and ")}`),
      h("thead", { role: "rowgroup" }, h("tr", { role: "row" }, head("Item", null), columns.map(({ title }) => head(title)))),
      h("tbody", { role: "rowgroup" }, moved.movers.map(line))));
}

/** The button that saves the table. @param {any} moved @param {any} app */
function saved(moved, app) {
  const fields = ["id", "caption", "rank_a", "rank_b", "radius_a", "radius_b", "shared_neighbours", "shared_children"];
  const row = (/** @type {any} */ each) => [each.id, each.caption, ...each.rank, ...each.radius, each.shared_neighbours, each.shared_children];
  return downloads(app, "items that moved most", { csv: () => csv(fields, moved.movers.map(row)) });
}
