// @ts-check
/** The tree: an item between the items that entail it and those that it entails, and the path that was walked to it. */

import { caption, counted, failure, fill, h, named, s, shortened } from "./dom.js";
import { csv } from "./files.js";
import { latest } from "./latest.js";
import { downloads } from "./saving.js";
import { ORDERS } from "./state.js";
import { arrow, draw, focus, middle, node } from "./walk.js";

/** Items of a column at first, and how many more a press of its button brings. */
const STEP = 8;

/** As STEP, for what is above the middle on a phone, where it pushes the middle down. */
const STEP_ABOVE = 3;

/** Where columns are stacked, as in views.css. */
const STACKED = "(max-width: 60rem)";

/** Characters of captions in crumbs. */
const IN_CRUMB = 40;

/** Items beside the middle. */
const SIBLINGS = 6;

/**
 * @typedef {import("./walk.js").Item} Item
 * @typedef {{key: string, query: any, name: string}} Place  where the walk is: an item, a query, or the root
 * @typedef {{place: Place, item: any, radius: number | null, parents: Item[], children: Item[], siblings: Item[],
 *   of: Item | null, own: number}} Around  of: the parent that the siblings share; own: items that are the place itself, in its cone
 */

/** @type {Place} */
const ROOT = { key: "root", query: null, name: "Root" };

export const view = {
  name: "tree",
  title: "Tree",

  /** @param {HTMLElement} root @param {any} app */
  mount(root, app) {
    /** @type {Place[]} */
    let path = [ROOT];
    /** @type {Around | null} */
    let shown = null;
    /** Key of the place that was asked for last. @type {string | null} */
    let at = null;
    let wanted = first();
    const begin = latest();

    const space = choices("Space", "tree-lens", app.collection.lenses.map((/** @type {any} */ lens) => [lens.key, lens.title]), (key) => {
      const others = app.state.get().lenses.filter((/** @type {string} */ each) => each !== key);
      app.state.set({ lenses: [key, ...others] });
    });
    /** @type {string[]} */
    const orders = app.collection.orders ?? ORDERS;
    const order = choices("Order by", "tree-by", orders.map((by) => [by, by]), (by) => app.state.set({ by }));
    const crumbs = h("ol", { class: "crumbs" });
    const edges = s("svg", { class: "edges", "aria-hidden": "true" });
    const columns = h("div", { class: "columns" });
    const trouble = h("div", { role: "alert" });
    const walk = h("div", { class: "walk" }, edges, columns);
    const saved = h("div");
    fill(
      root,
      h("div", { class: "controls optional" }, app.collection.lenses.length > 1 && space.root, orders.length > 1 && order.root),
      h("nav", { "aria-label": "Path walked" }, crumbs),
      trouble,
      walk,
      h(
        "p",
        { class: "legend-line" },
        "Solid line and ✓: the general item’s cone holds the specific one (margin ≥ 0). Dashed line and ✗: it does not. ",
        "Where nearly all cones of a space are empty: how many random pairs of items are farther from entailing. ",
        "Margin and angle in radians, radius r in geodesic units. Arrow keys walk, Enter brings an item into focus.",
      ),
      saved,
    );
    walk.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => arrow(event, walk));
    new ResizeObserver(() => draw(walk, edges)).observe(walk);

    const lensOf = () => app.collection.lenses.find((/** @type {any} */ lens) => lens.key === app.state.get().lenses[0]);

    /** @param {Place} place */
    function go(place) {
      if (place.key === ROOT.key) app.state.set({ item: null, query: null }, { push: true });
      else if (place.query.item) app.state.set({ item: place.query.item }, { push: true });
      else app.state.set({ item: null, query: place.query }, { push: true });
    }

    /** @param {Item} item */
    const choose = (item) => go({ key: item.id, query: { item: item.id }, name: named(item) });

    /** @param {any} state @param {{moved?: boolean, grown?: string}} [how] grown: the section of which more is asked for */
    async function show(state, { moved = false, grown } = {}) {
      const current = begin();
      const lens = lensOf();
      const place = placeOf(state);
      at = place.key;
      walk.setAttribute("aria-busy", "true");
      try {
        const around = await neighbourhood(app.source, lens, place, state.by, wanted, path);
        if (!current()) return;
        fill(trouble);
        path = walked(path, around, shown);
        const inside = [walk, crumbs].some((each) => each.contains(document.activeElement));
        const before = grown ? nodesOf(grown).length : 0;
        shown = around;
        fill(crumbs, path.map((place, index) => crumb(place, index === path.length - 1)));
        fill(columns, columnsOf(around, lens));
        fill(saved, downloads(app, "edges of the tree", { csv: () => table(around, lens) }));
        const core = /** @type {HTMLElement} */ (walk.querySelector("[aria-current]"));
        if (inside) focus(walk, (grown && nodesOf(grown)[before]) || core);
        if (moved) core.scrollIntoView({ block: "nearest" });
        draw(walk, edges);
        held(around, lens, current);
        app.announce(
          `${shortened(around.place.name, IN_CRUMB)}: ${counted(around.parents.length, "more general item")}, ` +
            `${counted(around.children.length, "more specific item")}.`,
        );
      } catch (error) {
        if (!current()) return;
        at = null;
        fill(trouble, failure(/** @type {Error} */ (error), app.again));
      } finally {
        if (current()) walk.removeAttribute("aria-busy");
      }
    }

    const nodesOf = (/** @type {string} */ section) => /** @type {NodeListOf<HTMLElement>} */ (columns.querySelectorAll(`.${section} .node`));

    /** Say how many items the cone in the middle holds, where the source can count them.
     * @param {Around} around @param {any} lens @param {() => boolean} current */
    async function held(around, lens, current) {
      if (around.place === ROOT) return;
      const counted = await app.source.ask("count", lens.key, around.place.query, {}).catch(() => null);
      const line = columns.querySelector(".held");
      if (!current() || !counted || !line) return;
      const others = Math.max(0, counted.count - around.own);
      line.textContent = `Its cone holds ${others.toLocaleString("en")} of ${lens.rows.toLocaleString("en")} items.`;
    }

    /** @param {Place} place @param {boolean} last */
    function crumb(place, last) {
      const name = place === ROOT ? "Root" : caption(place.name, IN_CRUMB);
      if (last) return h("li", { "aria-current": "location" }, name);
      return h("li", null, h("button", { type: "button", class: "link", onclick: () => go(place) }, name));
    }

    /** @param {Around} around @param {any} lens */
    function columnsOf(around, lens) {
      const more = (/** @type {"parents" | "children"} */ side) => {
        if (around[side].length < wanted[side]) return null;
        const grow = () => {
          wanted = { ...wanted, [side]: wanted[side] + STEP };
          show(app.state.get(), { grown: side === "parents" ? "above" : "below" });
        };
        return h("button", { type: "button", class: "button small", onclick: grow }, `${STEP} more`);
      };
      const list = (/** @type {Item[]} */ items) => h("ul", null, items.map((item) => node(item, lens, app.source, choose)));
      const atRoot = around.place === ROOT;
      return [
        h(
          "section",
          { class: "above", "aria-labelledby": "tree-parents" },
          h("h2", { id: "tree-parents" }, "More general"),
          around.parents.length ? list(around.parents) : h("p", { class: "note" }, atRoot ? "Nothing is above the root." : "None."),
          more("parents"),
        ),
        h(
          "section",
          { class: "middle", "aria-labelledby": "tree-middle" },
          h("h2", { id: "tree-middle" }, atRoot || around.item ? "In focus" : "Your query"),
          middle({ ...around, name: around.place.name, isRoot: atRoot }, lens, app.source),
        ),
        h(
          "section",
          { class: "below", "aria-labelledby": "tree-children" },
          h("h2", { id: "tree-children" }, atRoot ? "Most general items" : "More specific"),
          around.children.length ? list(around.children) : h("p", { class: "note" }, "None."),
          more("children"),
        ),
        around.siblings.length > 0 &&
          h(
            "section",
            { class: "beside", "aria-labelledby": "tree-siblings" },
            h("h2", { id: "tree-siblings" }, "Beside it, below ", h("q", null, caption(named(/** @type {Item} */ (around.of)), IN_CRUMB))),
            h("ul", null, around.siblings.map((item) => node(item, lens, app.source, choose, false))),
          ),
      ];
    }

    return {
      update(/** @type {any} */ state, /** @type {any} */ before) {
        const photo = !state.item && state.query?.photo !== before?.query?.photo;
        const moved = !before || photo || at !== placeOf(state).key;
        const other = !before || before.by !== state.by || before.lenses[0] !== state.lenses[0];
        if (moved) wanted = first();
        space.show(state.lenses[0]);
        order.show(state.by);
        if (moved || other) return show(state, { moved: moved && before });
      },
    };
  },
};

/** How many items the columns have at first. */
const first = () => ({ parents: matchMedia(STACKED).matches ? STEP_ABOVE : STEP, children: STEP });

/** Where a state is: at its item, else at its query, else at the root. @returns {Place} */
function placeOf(/** @type {any} */ state) {
  if (state.item) return { key: state.item, query: { item: state.item }, name: "" };
  const query = state.query;
  if (!query) return ROOT;
  if (query.item) return { key: query.item, query, name: "" };
  const name = query.text ?? query.name ?? "photo";
  return { key: `query ${name}`, query, name };
}

/**
 * What is around a place.
 * @param {any} source @param {any} lens @param {Place} place @param {string} by
 * @param {{parents: number, children: number}} wanted @param {Place[]} path
 * @returns {Promise<Around>}
 */
async function neighbourhood(source, lens, place, by, wanted, path) {
  if (place === ROOT) {
    const children = await source.roots(lens.key, wanted.children);
    return { place, item: null, radius: 0, parents: [], children, siblings: [], of: null, own: 0 };
  }
  const own = (/** @type {Item} */ hit) => Boolean(hit.is_query) || hit.id === place.key;
  const apart = (/** @type {Item[]} */ hits, /** @type {number} */ k) => hits.filter((hit) => !own(hit)).slice(0, k);
  const near = async (/** @type {string} */ verb, /** @type {any} */ query, /** @type {number} */ k) =>
    (await source.ask(verb, lens.key, query, { k: k + 1, by })).hits;
  const [up, down, nearest, found] = await Promise.all([
    source.ask("parents", lens.key, place.query, { k: wanted.parents + 1, by }),
    near("children", place.query, wanted.children),
    near("neighbours", place.query, 0),
    place.query.item ? source.items([place.query.item]) : [null],
  ]);
  const parents = apart(up.hits, wanted.parents);
  const item = found[0] ?? null;
  const before = path.at(-1)?.key === place.key ? path.at(-2) : path.at(-1);
  const of = parents.find((each) => each.id === before?.key) ?? parents[0] ?? null;
  const beside = of && item ? apart(await near("children", { item: of.id }, SIBLINGS + 1), SIBLINGS + 1) : [];
  const siblings = beside.filter((each) => each.id !== of?.id).slice(0, SIBLINGS);
  const name = item ? named(item) : place.name;
  const children = apart(down, wanted.children);
  return { place: { ...place, name }, item, radius: up.query.radius, parents, children, siblings, of, own: nearest.filter(own).length };
}

/** The path after a step: back to a place on it, on to a neighbour of its end, or from the root to somewhere else.
 * @param {Place[]} path @param {Around} around @param {Around | null} before */
function walked(path, around, before) {
  const place = around.place;
  const index = path.findIndex((each) => each.key === place.key);
  if (index >= 0) return [...path.slice(0, index), place];
  const near = before && [...before.parents, ...before.children, ...before.siblings].some((item) => item.id === place.key);
  return near ? [...path, place] : [ROOT, place];
}

/** Named choices of which one holds; `show` says which.
 * @param {string} legend @param {string} name @param {string[][]} options @param {(key: string) => void} change */
function choices(legend, name, options, change) {
  const inputs = options.map(([key]) => h("input", { type: "radio", name, value: key, onchange: () => change(key) }));
  const labels = options.map(([, title], index) => h("label", null, inputs[index], h("span", null, caption(title, 60))));
  const show = (/** @type {string} */ key) => inputs.forEach((input) => (input.checked = input.value === key));
  return { root: h("fieldset", { class: "switch" }, h("legend", null, legend), labels), show };
}

/** The edges shown as CSV.
 * @param {Around} around @param {any} lens */
function table(around, lens) {
  const here = [around.item?.id ?? "", around.place.name];
  const row = (/** @type {Item} */ item, /** @type {boolean} */ up) => {
    const [general, specific] = up ? [[item.id, named(item)], here] : [here, [item.id, named(item)]];
    return [lens.title, ...general, ...specific, item.margin, item.angle, item.distance, item.entails ?? null, item.rank ?? null];
  };
  const names = ["lens", "general_id", "general", "specific_id", "specific", "margin_rad", "angle_rad", "distance", "entailed", "rank_among_pairs"];
  return csv(names, [...around.parents.map((item) => row(item, true)), ...around.children.map((item) => row(item, false))]);
}
