// @ts-check
/** Two lenses compared: sentences, and the items that moved most between them as a table that can be saved. */

import { caption, failure, fill, h, named, number, picture, shortened, signed } from "./dom.js";
import { csv } from "./files.js";
import { latest } from "./latest.js";
import { downloads } from "./saving.js";

/** Neighbours and children that are compared for each item; an exported page has these. */
const NEIGHBOURS = 10;

/** Characters of a caption in the table. */
const SHOWN = 80;

export const view = {
  name: "compare",
  title: "Compare",

  /** @param {HTMLElement} root @param {any} app */
  mount(root, app) {
    const { lenses } = app.collection;
    const trouble = h("div", { role: "alert" });
    const found = h("div", { class: "moved" });
    const begin = latest();
    if (lenses.length < 2) {
      fill(root, h("p", { class: "empty" }, "This collection is seen in one space. Start it with a second geometry (-g) or a second source to compare two."));
      return { update() {} };
    }

    const boxes = ["Compare", "against"].map((words, side) => {
      const change = (/** @type {Event} */ event) => {
        const against = [...app.state.get().against];
        against[side] = /** @type {HTMLSelectElement} */ (event.target).value;
        app.state.set({ against });
      };
      const options = lenses.map((/** @type {any} */ lens) => h("option", { value: lens.key }, shortened(lens.title, 70)));
      const select = h("select", { class: "field", onchange: change }, options);
      return { select, root: h("label", { class: "choice" }, h("span", null, words), select) };
    });
    const swap = () => app.state.set({ against: [...app.state.get().against].reverse() });
    const controls = h("div", { class: "controls optional" }, boxes.map((box) => box.root), h("button", { type: "button", class: "button", onclick: swap }, "Swap"));
    fill(root, controls, trouble, found);

    async function show(/** @type {any} */ state) {
      const wanted = begin();
      const [a, b] = state.against;
      fill(trouble);
      found.removeAttribute("aria-busy");
      if (a === b) return fill(found, h("p", { class: "empty" }, "Choose two different spaces."));
      found.setAttribute("aria-busy", "true");
      if (!found.childElementCount) fill(found, h("p", { class: "empty" }, "Comparing all items …"));
      try {
        const moved = await app.source.moved(a, b, NEIGHBOURS);
        if (!wanted()) return;
        fill(found, told(moved, app));
        app.announce(moved.sentences[0]);
      } catch (error) {
        if (!wanted()) return;
        fill(found);
        fill(trouble, failure(/** @type {Error} */ (error), app.again));
      } finally {
        if (wanted()) found.removeAttribute("aria-busy");
      }
    }

    return {
      async update(/** @type {any} */ state, /** @type {any} */ before) {
        boxes.forEach((box, side) => (box.select.value = state.against[side]));
        if (String(before?.against) !== String(state.against)) await show(state);
      },
    };
  },
};

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
    h("section", { "aria-labelledby": "compare-movers" }, h("h2", { id: "compare-movers" }, title),
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
