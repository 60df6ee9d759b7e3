// @ts-check
// The numbers of a survey, each with its interval and a sentence of what it means.

import { h } from "./dom.js";
import { csv } from "./files.js";
import { downloads } from "./saving.js";

/** Groups of numbers, in the order of the table; a name and what it means for each. @type {[string, [string, string, string][]][]} */
const GROUPS = [
  [
    "Curvature",
    [
      ["curvature", "Curvature K", "Signed curvature of the space; 0 is flat."],
      ["u_median", "Median u", "Median of u = √|K| · r, the radius in units of the curvature; near 0 every space is flat."],
      ["u_low", "u, 5 %", "5 % of the items have a smaller u."],
      ["u_high", "u, 95 %", "5 % of the items have a larger u."],
      ["u_share_above_1", "Share with u > 1", "Share of the items that lie where curvature is felt."],
      ["bend", "Bend at the median", "How much longer a circle is than in flat space, at the median radius: sn(r) / r − 1."],
      ["bend_high", "Bend at 95 %", "The same at the 95 % quantile of u; below 1 % the space is effectively flat."],
    ],
  ],
  [
    "Radii and directions",
    [
      ["radius_spread", "Spread of radii", "Largest over smallest mean radius of a tier; without tiers, the 95 % over the 5 % quantile. 1 means no hierarchy to see."],
      ["mean_direction", "Mean direction", "Length of the mean unit direction from the root, 0 to 1; near 1 all items lie in one narrow bundle."],
      ["plane_share", "Share on the map", "Share of the variance of directions that the plane of the map shows."],
      ["items", "Items", "Items in the index."],
      ["copies", "Copies", "Items that lie exactly where another one does."],
    ],
  ],
  [
    "Cones",
    [
      ["cone_saturated", "Half-spaces", "Share of the items whose cone is a half-space: they lie too near the root for a narrower one."],
      ["cone_random", "Held by a cone", "Share of the other items that the cone of an item holds, on average."],
      ["cone_empty", "Empty cones", "Share of the items whose cone holds no other item."],
    ],
  ],
  [
    "Length and tiers",
    [
      ["word_counts", "Different lengths", "Different numbers of words among the captions; with a single one there is no length to control."],
      ["length_spearman", "Radius and words", "Rank correlation of the radius and the number of words of captions; near 1 radii may only measure length."],
      ["tier_order", "Order of tiers", "How well radii order pairs of items of different tiers: 1 is right, 0 is chance, −1 the wrong way round."],
      ["tier_order_words", "Order by words", "The same if items are ordered by their number of words."],
      ["tier_order_equal_length", "Order, equal length", "The order of tiers by radius among captions of equally many words."],
      ["tier_pairs_equal_length", "Pairs of equal length", "Pairs of captions of different tiers and equally many words."],
    ],
  ],
];

/** The table of all numbers of a space. @param {any} found answer of the server @param {any} lens @param {any} app @returns {Node[]} */
export function numbersTable(found, lens, app) {
  const known = new Set(GROUPS.flatMap(([, terms]) => terms.map(([name]) => name)));
  const rest = Object.keys(found.numbers).filter((name) => !known.has(name));
  /** @type {any[]} */
  const groups = [...GROUPS, ["Factors", rest.map((name) => [name, name.replaceAll("_", " "), "Of one factor of a product; named as in the audit."])]];
  const shown = groups.map(([title, terms]) => [title, terms.filter((/** @type {string[]} */ [name]) => name in found.numbers)]);
  const group = (/** @type {[string, string[][]]} */ [title, terms]) => h("tbody", null,
    h("tr", { class: "group" }, h("th", { scope: "rowgroup", colspan: 2 }, title)),
    terms.map(([name, term, meaning]) => h("tr", null,
      h("th", { scope: "row" }, term, h("span", { class: "meaning" }, meaning)),
      h("td", null, cell(found.numbers[name], found.intervals[name])))));
  return [
    h("p", { class: "legend-line" }, "In brackets: 95 % intervals, where a number was measured on a sample or resampled."),
    h("div", { class: "scroll", tabindex: "0", role: "group", "aria-label": "Numbers of the space" },
      h("table", { class: "results numbers-table" },
        h("caption", { class: "unseen" }, `Numbers of ${lens.title}`),
        h("thead", { class: "unseen" }, h("tr", null, h("th", { scope: "col" }, "Number"), h("th", { scope: "col" }, "Value"))),
        shown.filter(([, terms]) => terms.length).map(group))),
    downloads(app, "numbers of the space", { csv: () => table(found, lens) }),
  ];
}

/** A number, and its interval below it. */
function cell(/** @type {number | null} */ value, /** @type {number[] | undefined} */ interval) {
  return [h("span", { class: "value" }, told(value)), interval && h("span", { class: "interval" }, `[${told(interval[0])}, ${told(interval[1])}]`)];
}

/** Digits with a true minus sign. */
const minus = (/** @type {string} */ text) => text.replace("-", "−");

/** Three significant digits; counts in full. */
function told(/** @type {number | null} */ value) {
  if (value === null) return "∞";
  if (Number.isInteger(value)) return minus(value.toLocaleString("en"));
  const size = Math.abs(value);
  if (size >= 1e5 || size < 1e-4) return minus(value.toExponential(2));
  return minus(size >= 1000 ? Math.round(value).toLocaleString("en") : String(Number(value.toPrecision(3))));
}

/** The numbers of the space and of the audit of its chains as CSV. @param {any} found @param {any} lens */
function table(found, lens) {
  const rows = [["numbers", found], ["audit", found.audit]].flatMap(([kind, from]) =>
    Object.entries(from?.numbers ?? {}).map(([name, value]) => [lens.title, kind, name, value, ...(from.intervals[name] ?? [null, null])]));
  return csv(["space", "kind", "name", "value", "low", "high"], /** @type {any} */ (rows));
}
