// @ts-check
// What moved between two lenses: sentences, ranks of radii against each other, how far they moved, and the items that moved most.

import { caption, counted, fill, h, isPhone, named, number, picture, s, shortened, signed } from "./dom.js";
import { csv } from "./files.js";
import { latest } from "./latest.js";
import { histogram, scatter } from "./plots.js";
import { downloads, figure } from "./saving.js";
import { sortedTable } from "./table.js";

/** Characters of a caption in the table, of one beside it, and of a title on an axis. */
const [IN_TABLE, IN_LIST, ON_AXIS] = [80, 60, 34];

/**
 * The sections of what moved.
 *
 * @param {any} moved answer of the server
 * @param {any[]} lenses the two
 * @param {any} app
 * @returns {any[]}
 */
export function told(moved, lenses, app) {
  const [first, ...others] = moved.sentences;
  const sentences = [
    h("p", { class: "lede" }, first),
    others.length > 0 && h("ul", { class: "found-more" }, others.map((/** @type {string} */ each) => h("li", null, each))),
  ];
  if (moved.one_space) return sentences;
  const links = { row: (/** @type {any} */ _) => {}, point: (/** @type {any} */ _) => {} };
  const table = movers(moved, lenses, app, (row) => links.point(row));
  links.row = table.light;
  const drawn = moved.same_radii ? null : ranks(moved, lenses, app, (row) => links.row(row));
  if (drawn) links.point = drawn.light;
  return [
    ...sentences,
    drawn && h("div", { class: "plots" }, drawn.root, folded("By how much, and which tiers", changes(moved, lenses, app), tiers(moved, lenses))),
    folded(
      "How many neighbours and children stay",
      h("div", { class: "plots" }, stays(moved, lenses, app, "neighbours", "nearest items"), stays(moved, lenses, app, "children", "items that it comes nearest to entailing")),
    ),
    h(
      "section",
      { "aria-labelledby": "compare-movers" },
      h("h2", { id: "compare-movers" }, moved.order === "radius" ? "What moved most" : "Whose neighbours changed most"),
      moved.movers.length ? [table.root, table.saved] : h("p", { class: "note" }, "No item."),
    ),
  ];
}

/** What a phone shows when it is asked for. @param {string} words @param {...any} inside */
const folded = (words, ...inside) => h("details", { class: "folded", open: !isPhone() }, h("summary", null, words), inside);

/** Ranks of radii in one lens against those in the other. */
function ranks(/** @type {any} */ moved, /** @type {any[]} */ lenses, /** @type {any} */ app, /** @type {(row: any) => void} */ over) {
  const byId = new Map(moved.movers.map((/** @type {any} */ row) => [row.id, row]));
  const { ids, rank_a, rank_b, tier } = moved.sample;
  const sample = ids.map((/** @type {string} */ id, /** @type {number} */ i) => ({ id, x: rank_a[i], y: rank_b[i], css: `tier${tier[i]}` }));
  const marked = moved.movers.map((/** @type {any} */ row) => ({ id: row.id, x: row.rank_a, y: row.rank_b, css: "mover" }));
  const points = [...sample.filter((/** @type {any} */ each) => !byId.has(each.id)), ...marked];
  const [a, b] = lenses.map((lens) => shortened(lens.title, ON_AXIS));
  const axis = (/** @type {string} */ title) => ({ low: 0, high: 1, label: `radius rank, ${title}` });
  const label = `Rank of the radius of ${counted(points.length, "item")} in ${a} (across) and ${b} (up). On the diagonal ranks are the same.`;
  const read = h("p", { class: "reading-line", "aria-hidden": "true" }, "Rank: share of items of smaller radius. Point at a dot to read it.");
  let light = (/** @type {any} */ _) => {};
  const begin = latest();
  const told = async (/** @type {any} */ point) => {
    const wanted = begin();
    over(point ? (byId.get(point.id) ?? null) : null);
    if (!point) return;
    const item = byId.get(point.id) ?? (await app.source.items([point.id]))[0];
    if (wanted()) read.replaceChildren(caption(named(item), 90), ` · ${number(point.x)} → ${number(point.y)}`);
  };
  const draw = (/** @type {number} */ width) => {
    const chosen = (/** @type {any} */ point) => app.state.set({ item: point.id });
    const drawn = scatter({ width, height: Math.min(width, 420), x: axis(a), y: axis(b), label, points, diagonal: true, over: told, chosen });
    light = (row) => drawn.light(row && points.find((/** @type {any} */ each) => each.id === row.id));
    return drawn.root;
  };
  const root = figure(app, {
    title: "Order from general to specific in both spaces",
    words: read,
    about: "radius ranks",
    draw,
    table: () => csv(["id", "rank_a", "rank_b"], points.map((/** @type {any} */ each) => [each.id, each.x, each.y])),
    key: keyOf(app, tier.includes(-1)),
  });
  return { root, light: (/** @type {any} */ row) => light(row) };
}

/** What the colours of the dots mean. */
function keyOf(/** @type {any} */ app, /** @type {boolean} */ untiered) {
  const swatch = (/** @type {string} */ name, /** @type {string} */ css) =>
    h("span", null, s("svg", { class: `swatch ${css}`, width: 10, height: 10, "aria-hidden": "true" }, s("circle", { cx: 5, cy: 5, r: 4 })), name);
  const tiers = (app.collection.tiers ?? []).map((/** @type {string} */ name, /** @type {number} */ index) => swatch(name, `tier${index}`));
  return h("p", { class: "legend" }, tiers, tiers.length > 0 && untiered && swatch("no tier", "untiered"), swatch("moved most", "mover"));
}

/** How far the ranks moved. */
function changes(/** @type {any} */ moved, /** @type {any[]} */ lenses, /** @type {any} */ app) {
  const { edges, counts } = moved.histogram;
  const used = counts.flatMap((/** @type {number} */ count, /** @type {number} */ i) => (count ? [Math.abs(edges[i]), Math.abs(edges[i + 1])] : []));
  const reach = Math.min(1, Math.max(0.1, ...used));
  const inside = counts.map((/** @type {number} */ _, /** @type {number} */ i) => edges[i] >= -reach - 1e-9 && edges[i + 1] <= reach + 1e-9);
  const first = inside.indexOf(true);
  const shown = counts.filter((/** @type {number} */ _, /** @type {number} */ i) => inside[i]);
  const bounds = edges.slice(first, first + shown.length + 1);
  const x = { low: bounds[0], high: bounds.at(-1), label: "change of the rank of the radius" };
  const label = `Histogram of the change of radius ranks from ${lenses[0].title} to ${lenses[1].title}, ${counted(moved.items, "item")}.`;
  const marks = [{ at: 0, name: "unmoved" }];
  return figure(app, {
    title: "How far items moved",
    words: "Left: nearer to the root, so more general, in the second space. Right: more specific.",
    about: "change of radius ranks",
    draw: (width) => histogram({ width, edges: bounds, rows: [{ name: "items", counts: shown, css: "series0" }], x, label, marks }),
    table: () => csv(["from", "to", "items"], counts.map((/** @type {number} */ count, /** @type {number} */ i) => [edges[i], edges[i + 1], count])),
  });
}

/** How many of the nearest items, or of the children, of an item stay. */
function stays(/** @type {any} */ moved, /** @type {any[]} */ lenses, /** @type {any} */ app, /** @type {"neighbours" | "children"} */ kind, /** @type {string} */ items) {
  const counts = moved.kept[kind];
  const edges = Array.from({ length: counts.length + 1 }, (_, i) => i - 0.5);
  const asked = moved[kind].items;
  const x = { low: -0.5, high: moved.k + 0.5, label: `${kind} of an item that are the same, of ${moved.k}` };
  const label = `Histogram of how many ${kind} of an item are the same in ${lenses[0].title} and ${lenses[1].title}, ${counted(asked, "item")}.`;
  return figure(app, {
    title: kind === "neighbours" ? "Neighbours that stay" : "Children that stay",
    words: `Of the ${moved.k} ${items}, how many are the same in both spaces; ${counted(asked, "item")}.`,
    about: `${kind} that stay`,
    draw: (width) => histogram({ width, edges, rows: [{ name: "items", counts, css: "series0" }], x, label }),
    table: () => csv(["shared", "items"], counts.map((/** @type {number} */ count, /** @type {number} */ shared) => [shared, count])),
  });
}

/** Where the tiers lie on average. */
function tiers(/** @type {any} */ moved, /** @type {any[]} */ lenses) {
  if (!moved.tiers.length) return null;
  return h(
    "table",
    { class: "results narrow tiers" },
    h("caption", { class: "unseen" }, "Mean rank of the items of every tier"),
    h("thead", null, h("tr", null, h("th", { scope: "col" }, "Mean rank"), lenses.map((lens) => h("th", { scope: "col" }, caption(lens.title, ON_AXIS))))),
    h(
      "tbody",
      null,
      moved.tiers.map((/** @type {any} */ tier) =>
        h("tr", null, h("th", { scope: "row" }, tier.name), h("td", null, number(tier.rank_a)), h("td", null, number(tier.rank_b))),
      ),
    ),
  );
}

/** The table of the items that moved most. */
function movers(/** @type {any} */ moved, /** @type {any[]} */ lenses, /** @type {any} */ app, /** @type {(row: any) => void} */ over) {
  const [a, b] = lenses.map((lens) => lens.title);
  const by = moved.order === "radius" ? "change" : "shared_neighbours";
  const change = (/** @type {any} */ row) => row.rank_b - row.rank_a;
  const item = (/** @type {any} */ row) => [
    h(
      "button",
      { type: "button", class: "link", onclick: () => app.state.set({ item: row.id }) },
      row.image && picture(app.source, row.id, 64),
      caption(named(row), IN_TABLE),
    ),
    around(row, app.source),
  ];
  const column = (/** @type {string} */ name, /** @type {string} */ title, aside = false) => ({
    name,
    title,
    aside,
    cell: (/** @type {any} */ row) => number(row[name]),
    value: (/** @type {any} */ row) => row[name],
  });
  const share = (/** @type {string} */ name, /** @type {string} */ title) => ({
    name,
    title,
    cell: (/** @type {any} */ row) => `${row[name]} of ${moved.k}`,
    value: (/** @type {any} */ row) => row[name],
  });
  const moves = [
    { name: "change", title: "Change of rank", cell: (/** @type {any} */ row) => signed(change(row)), value: (/** @type {any} */ row) => Math.abs(change(row)) },
    column("rank_a", "Rank, first", true),
    column("rank_b", "Rank, second", true),
    column("radius_a", "r, first"),
    column("radius_b", "r, second"),
  ];
  const columns = [
    { name: "caption", title: "Item", text: true, cell: item, value: named },
    ...(moved.same_radii ? [column("radius_a", "r")] : moves),
    share("shared_neighbours", "Neighbours shared"),
    share("shared_children", "Children shared"),
  ];
  const made = sortedTable({
    caption: `Items that differ most between ${a} and ${b}`,
    columns,
    rows: moved.movers,
    by,
    down: by === "change",
    over,
    announce: app.announce,
    noun: "item",
  });
  const fields = ["id", "caption", "rank_a", "rank_b", "radius_a", "radius_b", "shared_neighbours", "shared_children"];
  const saved = downloads(app, "items that moved most", { csv: () => csv(fields, made.rows().map((/** @type {any} */ row) => fields.map((field) => row[field]))) });
  return { ...made, saved };
}

/** What changed around an item; its pictures are asked for when it is first opened. */
function around(/** @type {any} */ row, /** @type {any} */ source) {
  const lists = h("div", null);
  const opened = () => {
    if (!lists.childElementCount) fill(lists, company("Neighbours", row.neighbours, source), company("Children", row.children, source));
  };
  return h("details", { class: "company", ontoggle: opened }, h("summary", null, "What changed around it"), lists);
}

/** The nearest items, or children, of an item: those in both lenses, in the first alone and in the second alone. */
function company(/** @type {string} */ title, /** @type {any} */ held, /** @type {any} */ source) {
  if (!held) return null;
  const shown = (/** @type {any} */ each) => h("dd", null, each.image && picture(source, each.id, 64), caption(named(each), IN_LIST));
  const list = (/** @type {string} */ words, /** @type {any[]} */ items) => items.length > 0 && [h("dt", null, words), items.map(shown)];
  const lists = [list("in both", held.kept), list("in the first alone", held.lost), list("in the second alone", held.gained)];
  return lists.some(Boolean) && [h("p", { class: "title" }, title), h("dl", null, lists)];
}
