// @ts-check
// The nodes of the tree: how an item and its edge are shown, how arrow keys walk between them, and the lines that join them.

import { caption, h, named, number, picture, s } from "./dom.js";
import { verdict } from "./stairs.js";

/** Characters of captions in nodes and in the middle. */
const [IN_NODE, IN_MIDDLE] = [90, 280];

/** Number of the next edge, for ids in the document. */
let next = 0;

/**
 * @typedef {{id: string, caption: string | null, image: boolean, radius: number, margin?: number | null, angle?: number,
 *   distance?: number, is_query?: boolean, entails?: boolean | null, rank?: number | null}} Item
 */

/**
 * An item beside the middle, with the edge that joins it.
 *
 * @param {Item} item
 * @param {any} lens
 * @param {any} source
 * @param {(item: Item) => void} choose called when the item is chosen
 * @param {boolean} [joined] whether an edge joins it to the middle
 */
export function node(item, lens, source, choose, joined = true) {
  const edge = joined && item.margin !== undefined && item.margin !== null;
  const said = edge ? verdict(/** @type {any} */ (item), { yes: "entailed, margin", no: "not entailed, margin" }) : null;
  const kind = item.entails ? "holds" : item.entails === false ? "apart" : "ranked";
  const label = `tree-edge-${(next += 1)}`;
  return h(
    "li",
    { class: edge ? kind : "free" },
    h(
      "button",
      { type: "button", class: "node", tabindex: "-1", "aria-describedby": edge ? label : null, onclick: () => choose(item) },
      item.image && picture(source, item.id, 64),
      h("span", { class: "said" }, caption(named(item), IN_NODE), radius(item.radius, lens)),
    ),
    edge &&
      h(
        "span",
        { class: "between", id: label },
        h("b", null, said?.words),
        h("span", null, `angle ${number(item.angle)}`),
      ),
  );
}

/**
 * The item or query in the middle.
 *
 * @param {{name: string, item: any, radius: number | null, isRoot: boolean}} of
 * @param {any} lens
 * @param {any} source
 */
export function middle({ name, item, radius: length, isRoot }, lens, source) {
  const long = name.length > IN_MIDDLE;
  return [
    h(
      "button",
      { type: "button", class: "node current", tabindex: "0", "aria-current": "true" },
      item?.image && picture(source, item.id, 192),
      h(
        "span",
        { class: "said" },
        isRoot ? "The root of the space" : caption(name, IN_MIDDLE),
        radius(length, lens),
      ),
    ),
    h("p", { class: "note held" }),
    long && h("details", null, h("summary", null, "Whole text"), h("p", null, h("bdi", null, name))),
  ];
}

/** A radius, and where it lies between the smallest and the largest of the space.
 * @param {number | null} value @param {any} lens */
function radius(value, lens) {
  const mark = h("i");
  const share = value === null ? 0 : (value - lens.low) / (lens.high - lens.low || 1);
  mark.style.setProperty("--at", `${Math.min(1, Math.max(0, share)) * 100}%`);
  return h("span", { class: "radius" }, h("span", { class: "rule", "aria-hidden": "true" }, mark), `r ${number(value)}`);
}

/** Where the left and the right arrow key lead from a section. @type {Record<string, (string | null)[]>} */
const ACROSS = {
  above: [null, "middle"],
  middle: ["above", "below"],
  beside: ["above", "below"],
  below: ["middle", null],
};

/**
 * Arrow keys: left and right to what is more general and more specific, up and down within a column, Home and End to its ends.
 *
 * @param {KeyboardEvent} event
 * @param {HTMLElement} walk
 */
export function arrow(event, walk) {
  const node = /** @type {HTMLElement} */ (event.target);
  if (!node.matches(".node") || event.altKey || event.ctrlKey || event.metaKey) return;
  const nodes = /** @type {HTMLElement[]} */ ([...walk.querySelectorAll(".node")]);
  const box = node.getBoundingClientRect();
  const column = nodes
    .filter((each) => each.getBoundingClientRect().left < box.right && each.getBoundingClientRect().right > box.left)
    .sort((a, b) => a.getBoundingClientRect().top - b.getBoundingClientRect().top);
  const at = column.indexOf(node);
  const section = /** @type {HTMLElement} */ (node.closest("section")).className;
  const beside = (/** @type {number} */ side) => walk.querySelector(`.${ACROSS[section][side]} .node`);
  /** @type {Record<string, () => any>} */
  const targets = {
    ArrowUp: () => column[at - 1],
    ArrowDown: () => column[at + 1],
    ArrowLeft: () => beside(0),
    ArrowRight: () => beside(1),
    Home: () => column[0],
    End: () => column.at(-1),
  };
  const target = targets[event.key]?.();
  if (!target) return;
  event.preventDefault();
  focus(walk, target);
}

/** Bring a node into focus: of all nodes it alone is reached by Tab. @param {HTMLElement} walk @param {HTMLElement} target */
export function focus(walk, target) {
  for (const each of /** @type {NodeListOf<HTMLElement>} */ (walk.querySelectorAll(".node"))) each.tabIndex = each === target ? 0 : -1;
  target.focus({ preventScroll: target.matches(".current") });
}

/**
 * Draw the edges between the nodes and the middle; on a phone the list is indented instead.
 *
 * @param {HTMLElement} walk
 * @param {SVGElement} edges
 */
export function draw(walk, edges) {
  const frame = walk.getBoundingClientRect();
  const middle = walk.querySelector(".current")?.getBoundingClientRect();
  if (!middle || !frame.width) return;
  edges.setAttribute("viewBox", `0 0 ${frame.width} ${frame.height}`);
  const paths = [...walk.querySelectorAll(".above li, .below li")].map((each) => {
    const up = each.closest(".above") !== null;
    const box = (each.querySelector(".between") ?? each).getBoundingClientRect();
    const from = (up ? box.right : box.left) - frame.left;
    const to = (up ? middle.left : middle.right) - frame.left;
    const [start, end] = [box.top + box.height / 2 - frame.top, middle.top + middle.height / 2 - frame.top];
    const half = (from + to) / 2;
    const edge = s("path", { class: each.className, d: `M${from} ${start}C${half} ${start} ${half} ${end} ${to} ${end}` });
    const light = (/** @type {boolean} */ on) => () => edge.classList.toggle("lit", on);
    for (const [name, on] of [["pointerenter", true], ["focusin", true], ["pointerleave", false], ["focusout", false]])
      each.addEventListener(/** @type {string} */ (name), light(/** @type {boolean} */ (on)));
    return edge;
  });
  edges.replaceChildren(...paths);
}
