// @ts-check
// The ladder and the children of the query in two lenses, with what only one of them shows marked.

import { caption, failure, fill, h, isPhone, named, number } from "./dom.js";
import { verdict } from "./stairs.js";

/** Children that are compared. */
const CHILDREN = 10;

/** Characters of a caption in a list. */
const SHOWN = 110;

/**
 * @typedef {import("./stairs.js").Hit} Hit
 * @typedef {{title: string, hits: Hit[]}} Seen  the hits of one lens
 */

/**
 * What two lenses answer to the query of a state.
 *
 * @param {any} app
 * @param {any} state
 * @param {any[]} lenses the two
 * @returns {Promise<Node[]>}
 */
export async function differences(app, state, lenses) {
  const query = state.item ? { item: state.item } : state.query;
  if (!query) return [h("p", { class: "empty" }, "Ask something above to see its ladder and children in both spaces.")];
  const seen = async (/** @type {string} */ verb, /** @type {(answer: any) => Hit[]} */ hits, /** @type {any} */ options) =>
    Promise.all(
      lenses.map(async (lens) => ({ title: lens.title, hits: hits(await app.source.ask(verb, lens.key, query, options)) })),
    );
  const [ladders, children, item] = await Promise.all([
    seen("ladder", (answer) => answer.rungs.map((/** @type {any} */ rung) => rung.hit).filter(Boolean), {}),
    seen("children", (answer) => answer.hits, { k: CHILDREN, by: state.by }),
    query.item ? app.source.items([query.item]).then((/** @type {any[]} */ found) => found[0]) : null,
  ]);
  const name = item ? named(item) : (query.text ?? query.name ?? "the photo");
  const choose = (/** @type {Hit} */ hit) => app.state.set({ item: hit.id });
  return [
    h("h2", { tabindex: -1 }, "In both spaces: ", h("q", null, caption(name, 80))),
    pair("Ladder, from general to specific", ladders, (hit) => `r ${number(hit.radius)}`, choose),
    pair(implied(children, state.by), children, (hit) => verdict(hit, { yes: "implied, margin", no: "not implied, margin" }).words, choose),
  ];
}

/** What the children of two lenses are: a list of what is entailed, or of what comes nearest to it.
 * @param {Seen[]} seen @param {string} by */
function implied(seen, by) {
  const hits = seen.flatMap((each) => each.hits);
  const count = hits.filter((hit) => hit.entails).length;
  if (hits.some((hit) => hit.entails === null && !hit.is_query)) return `Nearest to being implied, by ${by}`;
  if (!count) return "Nearest to being implied (none is)";
  return count === hits.length ? `What it implies, by ${by}` : `Nearest to being implied, by ${by} (those of margin ≥ 0 are)`;
}

/** Two lists side by side, and a sentence of how much they share.
 * @param {string} title @param {Seen[]} seen @param {(hit: Hit) => string} told @param {(hit: Hit) => void} choose */
function pair(title, seen, told, choose) {
  const ids = seen.map((each) => new Set(each.hits.map((hit) => hit.id)));
  const shared = [...ids[0]].filter((id) => ids[1].has(id)).length;
  const list = (/** @type {Seen} */ each, /** @type {number} */ side) =>
    h(
      "div",
      { class: "side" },
      h("h4", null, caption(each.title, 60)),
      h(
        "ol",
        null,
        each.hits.map((hit) => {
          const only = !ids[1 - side].has(hit.id);
          return h(
            "li",
            { class: only ? "only" : null },
            h("button", { type: "button", class: "link", onclick: () => choose(hit) }, caption(named(hit), SHOWN)),
            h("span", { class: "note" }, told(hit), only && h("b", null, " · only here")),
          );
        }),
      ),
      each.hits.length === 0 && h("p", { class: "note" }, "Nothing."),
    );
  return h(
    "details",
    { class: "pair", open: !isPhone() },
    h("summary", null, h("h3", null, title)),
    h("p", { class: "note" }, `${shared} of ${Math.max(ids[0].size, ids[1].size)} are the same in both.`),
    h("div", { class: "sides" }, seen.map(list)),
  );
}

/**
 * Fill an element with the differences, or with the sentence that says why there are none.
 *
 * @param {HTMLElement} element
 * @param {Promise<Node[]>} made
 * @param {() => boolean} current whether they are still wanted
 * @param {() => void} again asks for them once more
 */
export async function showDifferences(element, made, current, again) {
  try {
    const nodes = await made;
    if (!current()) return;
    const held = element.contains(document.activeElement);
    fill(element, nodes);
    if (held) element.querySelector("h2")?.focus({ preventScroll: true });
  } catch (error) {
    if (current()) fill(element, h("div", { role: "alert" }, failure(/** @type {Error} */ (error), again)));
  }
}
