// @ts-check
// The data of a page without a server: the interface of LiveSource over files that hiergeo explore --export wrote.

import { h } from "./dom.js";
import { Kept, SourceError, byId, decoded, readTile } from "./source.js";

const FREE = "a page without a server embeds no text of its own, but finds captions: write a part of one.";

export class StaticSource {
  /** @param {string} base URL of the page, with a slash at its end */
  constructor(base) {
    this.base = base;
    this.can = { text: false, photo: false, pictures: true };
    this.kept = new Kept();
  }

  /** What is explored. */
  async collection() {
    const found = await this.json("collection.json");
    this.layout = found.stored;
    this.first = found.lenses[0].key;
    this.facts = new Map(found.lenses.map((/** @type {any} */ lens) => [lens.key, lens]));
    this.can.pictures = found.pictures;
    this.columns = (found.columns ?? []).map((/** @type {any} */ column) => column.name);
    return found;
  }

  /**
   * The answer of a lens to a query; of a text that to the item whose caption contains it.
   * @param {"ladder" | "children" | "parents" | "neighbours" | "count"} kind
   * @param {string} lens its key
   * @param {any} query {text} or {item}
   * @param {{k?: number, by?: string}} [options]
   */
  async ask(kind, lens, query, { k = 10, by = "margin" } = {}) {
    const place = await this.placeOf(query);
    return this.kept.once(`${kind} ${this.key(lens)} ${place} ${k} ${by}`, () => this.asked(kind, lens, place, k, by));
  }

  async asked(verb, lens, place, k, by) {
    const [items, { radius }, answers] = await Promise.all([this.items_(), this.lens(lens), this.answers(lens, place)]);
    if (["children", "parents"].includes(verb) && by !== "margin") throw new SourceError(`A page without a server lists ${verb} by margin alone.`, "by");
    const { query, hits, rungs, ...answer } = answers[place % this.layout.chunk][verb];
    const hit = ([at, ...numbers]) => ({ ...items.all[at], radius: radius[at], ...Object.fromEntries(numbers.map((value, i) => [this.layout.numbers[i], value])) });
    return {
      ...answer,
      query: { ...query, ...items.all[place], kind: query.kind },
      ...(hits && { hits: hits.slice(0, k).map(hit) }),
      ...(rungs && { rungs: rungs.map((rung) => ({ ...rung, hit: hit(rung.hit) })) }),
    };
  }

  /** Items by id, at most 256. */
  async items(ids) {
    const [items, lenses] = await Promise.all([this.items_(), this.everyLens()]);
    return ids.map((id) => {
      const place = known(items, id);
      const radius = Object.fromEntries(lenses.map(([key, seen]) => [key, seen.radius[place]]));
      return { ...items.all[place], radius };
    });
  }

  /** Items of smallest radius; of those whose caption contains a text. */
  async find(lens, k, text = "") {
    const [items, seen] = await Promise.all([this.items_(), this.lens(lens)]);
    const wanted = folded(text);
    const matching = wanted ? seen.order.filter((/** @type {number} */ place) => items.folded[place].includes(wanted)) : seen.order;
    return distinct(matching, items, k).map((place) => ({ ...items.all[place], radius: seen.radius[place] }));
  }

  /** URL of a picture of an item; of the one size that is stored. */
  thumbnail(id) {
    return this.kept.once(`picture ${id}`, async () => {
      const items = await this.items_();
      const number = items.all[known(items, id)].picture;
      if (number === null) throw new SourceError("this item has no picture that is stored.");
      const file = Math.floor(number / this.layout.pictures);
      const pictures = await this.kept.once(`pictures ${file}`, () => this.json(`pictures/${file}.json`));
      return `data:image/webp;base64,${pictures[number % this.layout.pictures]}`;
    });
  }

  /** Facts of the map of a lens. */
  map(lens) {
    return this.kept.once(`map ${lens}`, () => this.json(`${this.folder(lens)}/map.json`));
  }

  /** The points of one tile of a map, as typed arrays. */
  async tile(lens, level, x, y) {
    return readTile(await this.bytes(`${this.folder(lens)}/tiles/${level}-${x}-${y}.bin`));
  }

  /** Where items are on the map. */
  async places(lens, queries) {
    const points = await this.points(lens);
    const places = await Promise.all(queries.map((query) => this.placeOf(query)));
    return places.map((place) => ({ x: points.x[place], y: points.y[place], radius: points.radius[place] }));
  }

  /** The bin of every item in a column of the data. */
  column(name) {
    const place = this.columns.indexOf(name);
    return this.kept.once(`column ${place}`, async () => byId(await this.json(`column-${place}.json`), (await this.items_()).all.map(({ id }) => id)));
  }

  /** What the space of a lens is like. */
  audit(lens) {
    return this.kept.once(`audit ${lens}`, () => this.json(`${this.folder(lens)}/audit.json`));
  }

  /** The place of what a query names. */
  async placeOf(query) {
    const items = await this.items_();
    if (query.item !== undefined) return known(items, query.item);
    if (query.text === undefined) throw new SourceError("A page without a server takes no photos: choose an item.", "image");
    const wanted = folded(query.text);
    const seen = await this.lens(this.first);
    let best = -1;
    for (const place of wanted ? seen.order : []) {
      const shorter = best < 0 || items.folded[place].length < items.folded[best].length;
      if (items.folded[place].includes(wanted) && shorter) best = place;
    }
    if (best < 0) throw new SourceError(`No caption contains this text: ${FREE}`, "q");
    return best;
  }

  /** All items, their captions as they are compared, and their places by their ids. */
  items_() {
    return this.kept.once("items", async () => {
      const all = await this.json("items.json");
      const folds = all.map(({ caption }) => folded(caption ?? ""));
      return { all, folded: folds, places: new Map(all.map(({ id }, place) => [id, place])) };
    });
  }

  /** Radii of the items in a lens, and their places by radius. */
  lens(key) {
    return this.kept.once(`lens ${key}`, async () => {
      const radius = Float32Array.from(await this.json(`${this.folder(key)}/radii.json`));
      const order = Uint32Array.from(radius, (_, place) => place).sort((a, b) => radius[a] - radius[b] || a - b);
      return { radius, order };
    });
  }

  everyLens() {
    return Promise.all([...this.facts.keys()].map(async (key) => [key, await this.lens(key)]));
  }

  /** The answers of a lens among which those of an item are. */
  answers(lens, place) {
    const file = Math.floor(place / this.layout.chunk);
    return this.kept.once(`answers ${lens} ${file}`, () => this.json(`${this.folder(lens)}/answers/${file}.json`));
  }

  /** Where all items are on the map of a lens, by their places. */
  points(lens) {
    return this.kept.once(`points ${lens}`, async () => {
      const [facts, items] = await Promise.all([this.map(lens), this.items_()]);
      const count = items.all.length;
      const found = { x: new Float32Array(count), y: new Float32Array(count), radius: new Float32Array(count) };
      const tiles = await Promise.all(facts.tiles.map(([level, x, y]) => this.tile(lens, level, x, y)));
      for (const tile of tiles)
        tile.ids.forEach((id, i) => {
          const place = known(items, String(id));
          for (const name of ["x", "y", "radius"]) found[name][place] = tile[name][i];
        });
      return found;
    });
  }

  key(lens) {
    if (!this.facts.has(lens)) throw new SourceError("this page has no such space.", "lens");
    return lens;
  }

  folder(lens) {
    return `lens-${this.key(lens)}`;
  }

  async json(name) {
    return (await this.fetched(name)).json();
  }

  async bytes(name) {
    return (await this.fetched(name)).arrayBuffer();
  }

  /** What a file holds; it is a script that hands over the base64 of a zlib stream, since browsers load no other data from a disk. */
  async fetched(name) {
    const file = `data/${name}.js`;
    const text = await new Promise((done) => {
      const end = () => done(script.held);
      const script = h("script", { src: this.base + file, onload: end, onerror: end });
      document.head.append(script);
      script.remove();
    });
    if (!text) throw new SourceError(`A file of this page cannot be loaded (${file}): check the connection, or export it again.`);
    return new Response(new Blob([decoded(text)]).stream().pipeThrough(new DecompressionStream("deflate")));
  }
}

/** The first places of distinct captions, k at most; those without a caption all count. */
function distinct(places, items, k) {
  const seen = new Set();
  const found = [];
  for (const place of places) {
    if (found.length >= k) break;
    const { caption } = items.all[place];
    if (caption !== null && seen.has(caption)) continue;
    seen.add(caption);
    found.push(place);
  }
  return found;
}

function known(items, id) {
  const place = items.places.get(String(id));
  if (place === undefined) throw new SourceError("This page holds no such item.", "item");
  return place;
}

function folded(text) {
  return text.normalize("NFC").toLowerCase().trim();
}
