// @ts-check
/**
 * What a map draws beside its points: the ladder of the query, the chosen item, and its parents and children.
 *
 * Everything is asked by lens, since every geometry answers differently, and placed by the server, since an item need not
 * be among the points that are drawn.
 */

import { named } from "./dom.js";

/**
 * @typedef {import("./isometry.js").Complex} Complex
 * @typedef {{id: string | null, z: Complex, name: string, radius: number | null, wrong?: boolean, url?: string | null, centred?: boolean}} Placed  url: of its picture, where it is shown by that; centred: whether it names a region and no point
 * @typedef {{path: Placed[], query: Placed | null, item: Placed | null, parents: Placed[], children: Placed[]}} Related
 */

/** Parents and children that are linked at most. */
const LINKED = 8;

/** @type {Related} */
export const NOTHING = { path: [], query: null, item: null, parents: [], children: [] };

/** What one lens knows of the query and of the chosen item. */
export class Relations {
  /** @param {any} source @param {string} lens */
  constructor(source, lens) {
    this.source = source;
    this.lens = lens;
    /** @type {{query: any, path: Placed[], end: Placed | null, far: boolean}} */
    this.ladder = { query: undefined, path: [], end: null, far: false };
    /** @type {{item: string | null, self: Placed | null, parents: Placed[], children: Placed[]}} */
    this.family = { item: null, self: null, parents: [], children: [] };
  }

  /**
   * Ask for what changed; what fails is left out, and said.
   * @param {{query: any, item: string | null}} state @param {(error: Error) => void} failed
   * @param {any} [shown] the query whose path is drawn even if it is far from everything
   * @returns {Promise<Related>}
   */
  async update({ query, item }, failed, shown) {
    const told = (/** @type {any} */ error) => void failed(error);
    const [ladder, family] = await Promise.all([
      query === this.ladder.query ? this.ladder : this.climb(query).catch(told),
      item === this.family.item ? this.family : this.relatives(item).catch(told),
    ]);
    this.ladder = ladder ?? { query: undefined, path: [], end: null, far: false };
    this.family = family ?? { item: null, self: null, parents: [], children: [] };
    return { path: this.ladder.far && query !== shown ? [] : this.ladder.path, query: this.ladder.end, item: this.family.self, parents: this.family.parents, children: this.family.children };
  }

  /** The ladder of a query, general first, and where the query lies. @param {any} query */
  async climb(query) {
    if (!query) return { query, path: [], end: null, far: false };
    const [answer, ends] = await Promise.all([this.source.ask("ladder", this.lens, query), this.source.places(this.lens, [query]).catch(() => [])]);
    const rungs = (answer.rungs ?? []).filter((/** @type {any} */ { hit }) => hit && !hit.is_query);
    const placed = await this.place(rungs.map((/** @type {any} */ { hit }) => hit));
    const path = placed.map((each, i) => ({ ...each, wrong: rungs[i].holds === false, name: rungs[i].hit.caption ?? "" }));
    const name = query.text ?? (query.photo ? "your photo" : "query");
    const end = ends[0] ? { id: query.item ?? null, z: at(ends[0]), name, radius: answer.query?.radius ?? null } : null;
    if (end && query.item && path.at(-1)?.id === query.item) path.pop();
    if (end && query.item) end.name = (await this.source.items([query.item]))[0]?.caption || "your query";
    return { query, path, end, far: answer.query?.far === true };
  }

  /** The chosen item with its parents and children. @param {string | null} item */
  async relatives(item) {
    if (!item) return { item, self: null, parents: [], children: [] };
    const few = { k: LINKED };
    const none = () => ({ hits: [] });
    const [[self], above, below] = await Promise.all([
      this.source.items([item]),
      this.source.ask("parents", this.lens, { item }, few).catch(none),
      this.source.ask("children", this.lens, { item }, few).catch(none),
    ]);
    if (!self) return { item, self: null, parents: [], children: [] };
    const others = (/** @type {any} */ answer) => answer.hits.filter((/** @type {any} */ hit) => hit.id !== item);
    const [parents, children] = [others(above), others(below)];
    const placed = await this.place([self, ...parents, ...children]);
    const first = 1 + parents.length;
    return { item, self: placed[0] ?? null, parents: placed.slice(1, first), children: placed.slice(first) };
  }

  /** Items with their places. @param {any[]} items @returns {Promise<Placed[]>} */
  async place(items) {
    if (!items.length) return [];
    const places = await this.source.places(this.lens, items.map(({ id }) => ({ item: id })));
    return items.map((item, i) => ({ id: item.id, z: at(places[i]), name: named(item), radius: radiusOf(item, this.lens) ?? places[i].radius }));
  }
}

/** @param {any} item @param {string} lens */
function radiusOf({ radius }, lens) {
  return radius && typeof radius === "object" ? radius[lens] : radius;
}

/** @param {{x: number, y: number}} place @returns {Complex} */
const at = ({ x, y }) => [x, y];
