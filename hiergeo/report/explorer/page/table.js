// @ts-check
// A table that is sorted by its headings and read page by page.

import { counted, fill, h, isPhone } from "./dom.js";

/** Rows of a page, and on a phone. */
const [ROWS, FEW] = [12, 5];

/**
 * @template Row
 * @typedef {{name: string, title: string, cell: (row: Row) => any, value: (row: Row) => number | string | null, text?: boolean,
 *   aside?: boolean}} Column  cell: what is shown; value: what is sorted by; text: sorted as words, else as numbers, largest
 *   first; aside: left out where the screen is narrow
 */

/**
 * A table whose headings are buttons that sort it. On a phone a row is a block, so that roles are named in full.
 *
 * @template Row
 * @param {{caption: string, columns: Column<Row>[], rows: Row[], by: string, down?: boolean, over?: (row: Row | null) => void,
 *   announce?: (text: string) => void, noun?: string}} of  by: column that it is sorted by at first; over: told the row under
 *   the mouse or the focus
 * @returns {{root: HTMLElement, rows: () => Row[], light: (row: Row | null) => void}}  rows: all of them as sorted; light:
 *   marks a row if it is on the page shown
 */
export function sortedTable({ caption, columns, rows, by, down = true, over, announce, noun = "row" }) {
  const most = isPhone() ? FEW : ROWS;
  let order = { by, down };
  let page = 0;
  let sorted = rows;
  /** @type {Map<Row, HTMLElement>} */
  let shown = new Map();

  const head = columns.map((column) => {
    const button = h("button", { type: "button", class: "sort", onclick: () => sortBy(column) }, column.title);
    return h("th", { scope: "col", role: "columnheader", class: kind(column) }, button);
  });
  const body = h("tbody", { role: "rowgroup" });
  const place = h("span", { class: "note" });
  const [back, on] = [["Previous", -1], ["Next", 1]].map(([words, step]) =>
    h("button", { type: "button", class: "button small", onclick: () => turn(/** @type {number} */ (step)) }, words),
  );
  const pager = h("p", { class: "pager" }, back, on, place);
  const root = h(
    "div",
    { class: "sorted" },
    h(
      "table",
      { class: "results", role: "table" },
      h("caption", { class: "unseen" }, caption),
      h("thead", { role: "rowgroup" }, h("tr", { role: "row" }, head)),
      body,
    ),
    rows.length > most && pager,
  );

  function kind(/** @type {Column<Row>} */ column) {
    return [column.text ? "" : "number", column.aside ? "aside" : ""].join(" ").trim() || null;
  }

  function sortBy(/** @type {Column<Row>} */ column) {
    order = { by: column.name, down: order.by === column.name ? !order.down : !column.text };
    page = 0;
    draw();
    announce?.(`Sorted by ${column.title}, ${order.down ? "descending" : "ascending"}.`);
  }

  function turn(/** @type {number} */ step) {
    page += step;
    draw();
    announce?.(place.textContent ?? "");
    const [pressed, other] = step > 0 ? [on, back] : [back, on];
    if (pressed.disabled) other.focus();
  }

  function draw() {
    const column = /** @type {Column<Row>} */ (columns.find((each) => each.name === order.by));
    sorted = [...rows].sort((a, b) => compare(column.value(a), column.value(b)) * (order.down ? -1 : 1));
    columns.forEach((each, index) => {
      const sort = each.name === order.by ? (order.down ? "descending" : "ascending") : null;
      if (sort) head[index].setAttribute("aria-sort", sort);
      else head[index].removeAttribute("aria-sort");
    });
    const some = sorted.slice(page * most, (page + 1) * most);
    shown = new Map(some.map((row) => [row, line(row)]));
    fill(body, ...shown.values());
    place.textContent = `${page * most + 1}–${page * most + some.length} of ${counted(rows.length, noun)}`;
    back.disabled = page === 0;
    on.disabled = (page + 1) * most >= rows.length;
  }

  function line(/** @type {Row} */ row) {
    const cells = columns.map((column, index) =>
      index
        ? h("td", { class: kind(column), role: "cell", "data-title": column.title }, column.cell(row))
        : h("th", { class: kind(column), role: "rowheader", scope: "row" }, column.cell(row)),
    );
    const tell = (/** @type {Row | null} */ each) => () => over?.(each);
    return h("tr", { role: "row", onpointerenter: tell(row), onpointerleave: tell(null), onfocusin: tell(row), onfocusout: tell(null) }, cells);
  }

  draw();
  const light = (/** @type {Row | null} */ row) => shown.forEach((line, each) => line.classList.toggle("lit", each === row));
  return { root, rows: () => sorted, light };
}

/** The order of two values; what is unknown comes first. */
function compare(/** @type {number | string | null} */ a, /** @type {number | string | null} */ b) {
  if (a === null || b === null) return Number(a !== null) - Number(b !== null);
  return typeof a === "string" && typeof b === "string" ? a.localeCompare(b) : Number(a) - Number(b);
}
