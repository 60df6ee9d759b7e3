// @ts-check
// The survey of one space: what was found, the radii by tier, and what cones hold.

import { counted, h, number } from "./dom.js";
import { csv } from "./files.js";
import { histogram } from "./plots.js";
import { figure } from "./saving.js";

/** How a finding is marked, beside its colour. @type {Record<string, [string, string]>} */
const MARKS = { fine: ["✓", "Fine"], note: ["○", "Note"], warning: ["▲", "Warning"] };

/** The sentences and plots of one space. @param {any} found answer of the server @param {any} lens @param {any} app @returns {Node[]} */
export function survey(found, lens, app) {
  const [first, ...others] = found.findings;
  return [
    finding(first, "p", "lede finding"),
    h("ul", { class: "findings-list" }, others.map((/** @type {any} */ each) => finding(each, "li", "finding"))),
    cones(found, lens, app),
  ];
}

function finding(/** @type {any} */ { severity, sentence }, /** @type {string} */ tag, /** @type {string} */ css) {
  const [icon, word] = MARKS[severity] ?? MARKS.note;
  return h(tag, { class: css, "data-severity": severity }, h("b", null, h("span", { "aria-hidden": "true" }, `${icon} `), `${word}: `), sentence);
}

/** Histogram of the radii, a row for each tier, with the radius at which u = 1. */
export function radii(/** @type {any} */ found, /** @type {any} */ lens, /** @type {any} */ app) {
  const { edges, counts } = found.radius;
  const tiers = found.tiers.map((/** @type {any} */ tier, /** @type {number} */ index) => ({ ...tier, css: `tier${index}` }));
  const rows = tiers.length ? tiers : [{ name: "items", counts, css: "series0" }];
  const scale = lens.curvature ? 1 / Math.sqrt(Math.abs(lens.curvature)) : null;
  const inside = scale !== null && scale >= edges[0] && scale <= edges.at(-1);
  const label = `Histogram of the radii of ${counted(found.items, "item")} in ${lens.title}${tiers.length ? ", by tier" : ""}.`;
  const x = { low: edges[0], high: edges.at(-1), label: "radius r (geodesic units)" };
  const words = tiers.length ? "A row for each tier, general at the top, with a scale of its own; a line marks the mean." : "All items.";
  const unit =
    scale === null ? "" : inside ? " At u = 1 curvature is felt." : ` u = 1, where curvature is felt, lies at r = ${number(scale)}, outside the plot.`;
  return figure(app, {
    title: "Radii",
    words: words + unit,
    about: `radii in ${lens.title}`,
    draw: (width) => histogram({ width, edges, rows, x, label, marks: inside ? [{ at: scale, name: "u = 1" }] : [] }),
    table: () => {
      const names = ["from", "to", ...rows.map((/** @type {any} */ row) => row.name)];
      return csv(names, counts.map((/** @type {number} */ _, /** @type {number} */ i) => [edges[i], edges[i + 1], ...rows.map((/** @type {any} */ row) => row.counts[i])]));
    },
  });
}

/** Histogram of the share of other items that cones hold. */
function cones(/** @type {any} */ found, /** @type {any} */ lens, /** @type {any} */ app) {
  const counts = found.cones;
  const edges = Array.from({ length: counts.length + 1 }, (_, i) => (100 * i) / counts.length);
  const asked = counts.reduce((/** @type {number} */ sum, /** @type {number} */ count) => sum + count, 0);
  if (!asked) return null;
  const label = `Histogram of the share of other items in the cones of ${counted(asked, "item")} in ${lens.title}.`;
  const x = { low: 0, high: 100, label: "share of the other items that a cone holds (%)" };
  return figure(app, {
    title: "What cones hold",
    words: `The cones of ${counted(asked, "item")}, chosen at random.`,
    about: `cones in ${lens.title}`,
    draw: (width) => histogram({ width, edges, rows: [{ name: "cones", counts, css: "series0" }], x, label }),
    table: () => csv(["from_percent", "to_percent", "cones"], counts.map((/** @type {number} */ count, /** @type {number} */ i) => [edges[i], edges[i + 1], count])),
  });
}
