// @ts-check
// The numbers of a survey, each with its interval.

import { h } from "./dom.js";
import { csv } from "./files.js";
import { downloads } from "./saving.js";

/** The table of all numbers of a space, named as the audit names them. @param {any} found answer of the server @param {any} lens @param {any} app @returns {Node[]} */
export function numbersTable(found, lens, app) {
  const rows = Object.entries(found.numbers).map(([name, value]) =>
    h("tr", null, h("th", { scope: "row" }, h("code", null, name)), h("td", null, cell(/** @type {any} */ (value), found.intervals[name]))));
  return [
    h("p", { class: "legend-line" }, "Numbers have the names that the documentation of the audit explains; in brackets: 95 % intervals, where a number was measured on a sample or resampled."),
    h("div", { class: "scroll", tabindex: "0", role: "group", "aria-label": "Numbers of the space" },
      h("table", { class: "results numbers-table" },
        h("caption", { class: "unseen" }, `Numbers of ${lens.title}`),
        h("thead", { class: "unseen" }, h("tr", null, h("th", { scope: "col" }, "Number"), h("th", { scope: "col" }, "Value"))),
        h("tbody", null, rows))),
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
