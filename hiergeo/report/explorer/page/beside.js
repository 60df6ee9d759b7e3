// @ts-check
// What stands beside the ladder: the way back up by cones, and the item in focus with its numbers in every space.

import { caption, failure, fill, h, named, number, picture } from "./dom.js";
import { latest } from "./latest.js";
import { steps, verdict } from "./stairs.js";

/** Parents of a query that are listed. */
const COUNT = 6;

/**
 * The parents of the query in one space, each a step back to something more general.
 *
 * @param {any} app
 * @param {any} lens
 * @param {any} state
 * @param {boolean} several whether the parents of another space stand beside them
 * @returns {HTMLElement}
 */
export function createParents(app, lens, state, several) {
  const list = h("ol", { class: "parents" }, h("li", { class: "help" }, "…"));
  const note = h("p", { class: "help" });
  const root = h("div", { class: "back" }, h("h2", null, several ? ["Walk back up: ", h("bdi", null, lens.title)] : "Walk back up"), note, list);
  app.source.ask("parents", lens.key, state.query, { k: COUNT + 1, by: state.by }).then(
    (answer) => {
      const hits = answer.hits.filter((hit) => !hit.is_query).slice(0, COUNT);
      note.textContent = !hits.length
        ? "Nothing is more general."
        : !lens.cones.decide
          ? `More general items, by ${state.by}.`
          : hits.some((hit) => hit.entails)
            ? `More general items, by ${state.by}: the cones of those with ✓ hold the query.`
            : "No cone of these holds the query; they come nearest to it.";
      fill(
        list,
        hits.map((hit) => entry(app, hit)),
      );
    },
    (error) => {
      note.replaceWith(failure(error, app.again));
      fill(list);
    },
  );
  return root;
}

function entry(app, hit) {
  const { words, css } = verdict(hit);
  return h(
    "li",
    { "data-id": hit.id },
    h(
      "button",
      { type: "button", onclick: () => app.state.set({ query: { item: hit.id }, item: null }) },
      hit.image && picture(app.source, hit.id, 64),
      h(
        "span",
        { class: "body" },
        h("span", { class: "words" }, caption(named(hit))),
        " ",
        h(
          "span",
          { class: "numbers" },
          h("span", null, "r ", number(hit.radius)),
          h("span", { class: css }, words),
        ),
      ),
    ),
  );
}

/**
 * The panel of the item in focus.
 *
 * @param {any} app
 * @returns {{root: HTMLElement, show: (state: any, ladders: any[]) => void}}
 */
export function createChosen(app) {
  const root = h("aside", { class: "chosen card", "aria-label": "Chosen item", hidden: true });
  const begin = latest();

  async function show(state, ladders) {
    const wanted = begin();
    root.hidden = !state.item;
    if (root.hidden) return;
    const there = ladders.filter((each) => each.ladder);
    const found = there.map(({ ladder }) => steps(ladder).find(({ hit }) => hit.id === state.item));
    const rows = (item) => there.map(({ lens }, i) => row(lens, found[i], item.radius));
    const known = found.find(Boolean)?.hit;
    if (known) draw(known, rows({}));
    if (known && found.every(Boolean)) return;
    const [item] = await app.source.items([state.item]).catch(() => []);
    if (!wanted()) return;
    if (item) draw(item, rows(item));
    else if (!known) fill(root, h("p", null, `No item ${state.item} is in this collection.`), closing());
  }

  function draw(item, rows) {
    const tier = item.tier === null || item.tier < 0 ? null : app.collection.tiers?.[item.tier];
    const go = (patch) => () => app.state.set(patch);
    fill(
      root,
      closing(),
      item.image && picture(app.source, item.id, 192),
      h("p", { class: "full", tabindex: 0, role: "group", "aria-label": "Caption" }, h("bdi", null, named(item))),
      tier && h("p", null, h("span", { class: `tag tier${item.tier % 4}` }, tier)),
      rows.length > 0 && h("dl", { class: "measures" }, rows),
      h(
        "p",
        { class: "actions" },
        h(
          "button",
          { type: "button", class: "button", onclick: go({ query: { item: item.id }, item: null }) },
          "Climb from here",
        ),
        h("button", { type: "button", class: "button", onclick: go({ view: "map" }) }, "Show on the map"),
      ),
    );
  }

  function closing() {
    return h(
      "button",
      {
        type: "button",
        class: "button small close",
        "aria-label": "Close the chosen item",
        onclick: () => app.state.set({ item: null }),
      },
      "×",
    );
  }

  return { root, show };
}

/** What a space says of an item: its numbers if it is a step there, else its radius. */
function row(lens, found, radii) {
  const name = h("dt", null, h("bdi", null, lens.title));
  if (!found) {
    const radius = radii?.[lens.key];
    return [
      name,
      h("dd", null, radius !== undefined && h("span", null, `radius ${number(radius, 3)}`), "no step of this ladder"),
    ];
  }
  const { hit, from, to } = found;
  const { words, css } = verdict(hit, { yes: "entails the query, margin", no: "does not entail the query, margin" });
  return [
    name,
    h(
      "dd",
      null,
      h("span", null, `radius ${number(hit.radius, 3)}`),
      h("span", { class: css }, words),
      !hit.is_query && h("span", null, `angle ${number(hit.angle, 3)} rad, distance ${number(hit.distance, 3)}`),
      h("span", null, `nearest for thresholds ${number(from, 3)} to ${number(to, 3)}`),
    ),
  ];
}
