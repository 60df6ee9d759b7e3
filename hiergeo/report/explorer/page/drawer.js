// @ts-check
/** The chosen item: what is more general, more specific and nearest to it in a space, and the way on from each. */

import { caption, failure, fill, h, named, number, picture } from "./dom.js";
import { csv } from "./files.js";
import { latest } from "./latest.js";
import { downloads } from "./saving.js";
import { spaceName, verdict } from "./rungs.js";

/** Items of a list at first, and how many more a press of its button brings. */
const STEP = 6;

/** Characters of a caption in a list. */
const LISTED = 80;

/** What is listed, and what each list is called. @type {["parents" | "children" | "neighbours", string][]} */
const LISTS = [["parents", "More general"], ["children", "More specific"], ["neighbours", "Nearest"]];

export class Drawer {
  /** @param {any} app */
  constructor(app) {
    this.app = app;
    this.answer = latest();
    this.root = h("aside", { class: "drawer card", "aria-label": "Chosen item", tabindex: -1, hidden: true });
    this.most = STEP;
  }

  /** @param {string | null} id @param {any} lens */
  show(id, lens) {
    if (id !== this.id) this.most = STEP;
    if (lens !== this.lens) this.other = this.lens ?? otherThan(lens, this.app.collection.lenses);
    this.lens = lens;
    this.id = id;
    this.root.hidden = !id;
    const asked = id ? this.ask(id, lens) : null;
    if (id) this.root.setAttribute("aria-busy", "true");
    return this.answer(asked, (found) => this.draw(found, lens), (error) => this.fail(error, id, lens));
  }

  /** @param {string} id @param {any} lens */
  async ask(id, lens) {
    const { source } = this.app;
    const { most, other } = this;
    const around = async (/** @type {any} */ space) => {
      const answers = await Promise.all(LISTS.map(([kind]) => source.ask(kind, space.key, { item: id }, { k: most + 1 })));
      const lists = answers.map(({ hits }) => hits.filter((/** @type {any} */ hit) => !hit.is_query && hit.id !== id).slice(0, most));
      return { lists, keys: answers.map(({ by }) => by), rank: await rankOf(id, space, source) };
    };
    const [[item], held, here, there] = await Promise.all([
      source.items([id]),
      lens.cones.decide ? source.ask("count", lens.key, { item: id }).catch(() => null) : null,
      around(lens),
      other ? around(other).catch(() => null) : null,
    ]);
    return { item, held, ...here, there: there && { ...there, title: spaceName(other, this.app.collection.lenses) } };
  }

  /** @param {{item: any, held: any, lists: any[][], keys: string[], rank: number, there: any} | null} found @param {any} lens */
  draw(found, lens) {
    this.root.removeAttribute("aria-busy");
    if (!found) return fill(this.root);
    const { item, held, lists, keys, rank, there } = found;
    const { app } = this;
    const tier = item.tier === null || item.tier < 0 ? null : app.collection.tiers?.[item.tier];
    const radius = item.radius?.[lens.key];
    const more = () => {
      this.most += STEP;
      this.show(this.id ?? null, lens);
    };
    fill(this.root,
      this.closing(),
      h("div", { class: "drawer-item" },
        item.image && picture(app.source, item.id, 192),
        h("p", { class: "full", tabindex: 0, role: "group", "aria-label": "Caption" }, h("bdi", null, named(item))),
        h("p", { class: "help" }, item.name && item.caption && [h("bdi", null, item.name), " · "], tier && [h("bdi", null, tier), " · "], typeof radius === "number" && `radius ${number(radius, 3)}`),
        there && percent(there.rank) !== percent(rank) && h("p", { class: "help moved" }, `More specific than ${percent(rank)} of all items; in `, h("bdi", null, there.title), `, than ${percent(there.rank)}.`),
        held && h("p", { class: "help held" }, `Its cone holds ${Math.max(0, held.count - 1).toLocaleString("en")} of ${lens.rows.toLocaleString("en")} items.`),
        h("button", { type: "button", class: "button", onclick: () => app.state.set({ query: { item: item.id }, item: null }) }, "Climb from here")),
      LISTS.map(([kind, title], i) => h("section", { class: `drawer-${kind}` },
        h("h2", null, title, h("span", { class: "help" }, ` by ${keys[i]}`)),
        there && lists[i].length > 0 && h("p", { class: "help moved" }, `${shared(lists[i], there.lists[i])} of ${lists[i].length} in `, h("bdi", null, there.title), " too"),
        lists[i].length ? h("ul", null, lists[i].map((hit) => this.entry(hit))) : h("p", { class: "help" }, "None."),
        lists[i].length === this.most
          ? h("button", { type: "button", class: "button small", "aria-label": `${title}: show ${STEP} more`, onclick: more }, `${STEP} more`)
          : null)),
      downloads(app, "items around the chosen one", { csv: () => table(found, lens) }));
  }

  /** @param {any} hit */
  entry(hit) {
    const { words, css } = verdict(hit);
    return h("li", { "data-id": hit.id },
      h("button", { type: "button", onclick: () => this.app.state.set({ item: hit.id }) },
        hit.image && picture(this.app.source, hit.id, 64),
        h("span", { class: "body" }, caption(named(hit), LISTED), " ",
          h("span", { class: `hover numbers ${css}` }, `r ${number(hit.radius)} · ${words || `distance ${number(hit.distance)}`}`))));
  }

  /** @param {Error} error @param {string | null} id @param {any} lens */
  fail(error, id, lens) {
    this.root.removeAttribute("aria-busy");
    fill(this.root, this.closing(), h("div", { role: "alert" }, failure(error, () => this.show(id, lens))));
  }

  closing() {
    const close = () => this.app.state.set({ item: null });
    return h("button", { type: "button", class: "button small close", "aria-label": "Close the chosen item", onclick: close }, "×");
  }
}

/** The space that one is compared with before another was shown: of other embeddings where there is one. @param {any} lens @param {any[]} lenses */
const otherThan = (lens, lenses) => lenses.find(({ source }) => source !== lens.source) ?? lenses.find((each) => each !== lens);

/** The share of items of smaller radius: equal areas of the disc hold equally many. @param {string} id @param {any} lens @param {any} source */
async function rankOf(id, lens, source) {
  const [[{ x, y }], { reach }] = await Promise.all([source.places(lens.key, [{ item: id }]), source.map(lens.key)]);
  return (x * x + y * y) / (reach * reach);
}

/** How many items are in both of two lists. @param {any[]} one @param {any[]} other */
const shared = (one, other) => one.filter(({ id }) => other.some((hit) => hit.id === id)).length;

const percent = (/** @type {number} */ share) => `${number(100 * share, 0)} %`;

/** All that is listed, as CSV. @param {{item: any, lists: any[][]}} found @param {any} lens */
function table({ item, lists }, lens) {
  const names = ["space", "of_id", "of", "is", "id", "caption", "radius", "margin_rad", "angle_rad", "distance", "entailed", "rank_among_pairs"];
  return csv(names, lists.flatMap((hits, i) => hits.map((hit) =>
    [lens.title, item.name ?? item.id, named(item), LISTS[i][1].toLowerCase(), hit.name ?? hit.id, named(hit), hit.radius, hit.margin, hit.angle, hit.distance, hit.entails, hit.rank])));
}
