// @ts-check
// The data of a page without a server: the interface of LiveSource over files that hiergeo explore --export wrote.

import { h } from "./dom.js";
import { readAnswers, readItems, readPictures } from "./packed.js";
import { Kept, SourceError, byId, decoded, keptPictures, readTile } from "./source.js";

/** Distance below which an item is the query itself. */
const SAME = 1e-5;

const FREE = "a page without a server embeds no text of its own, but finds captions: write a part of one.";

const ARTICLES = new Set(["a", "an", "the"]);

export class StaticSource {
  /** @param {string} base URL of the page, with a slash at its end */
  constructor(base) {
    this.base = base;
    this.can = { text: false, photo: false, pictures: true };
    this.kept = new Kept();
    this.pictures = keptPictures();
  }

  /** What is explored. */
  async collection() {
    const found = await this.json("collection.json");
    this.layout = found.stored;
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
    const [items, seen, chunk] = await Promise.all([this.items_(), this.lens(lens), this.answers(lens, place)]);
    const row = place % this.layout.chunk;
    const { reach, climbs } = this.facts.get(lens);
    const answer = { query: { kind: "item", id: items.ids[place], caption: items.captions[place], radius: seen.radius[place], far: null } };
    if (verb === "count") return { ...answer, count: chunk.counts[row] };
    const hit = (at, found) => judged(this.hit(items, seen, at, found), this.facts.get(lens), this.layout.lenses[lens].margins);
    if (["ladder", "neighbours"].includes(verb)) answer.query.far = reach === null ? null : false;
    if (verb === "ladder") {
      const rungs = (climbs ? chunk.ladder(row) : []).map(({ from, to, ...found }) => {
        const shown = hit(found.place, found);
        return { from, to, hit: shown, adds: added(items, place, shown.caption) };
      });
      return { ...answer, by: "distance", rungs };
    }
    if (verb !== "neighbours" && by !== "margin") throw new SourceError(`A page without a server lists ${verb} by margin alone.`, "by");
    const hits = climbs || verb === "neighbours" ? chunk.list(verb, row) : [];
    const order = verb === "neighbours" ? "distance" : by;
    return { ...answer, by: order, hits: hits.slice(0, k).map((found) => hit(found.place, found)) };
  }

  /** Items by id, at most 256. */
  async items(ids) {
    const [items, lenses] = await Promise.all([this.items_(), this.everyLens()]);
    return ids.map((id) => {
      const place = known(items, id);
      const radius = Object.fromEntries(lenses.map(([key, seen]) => [key, seen.radius[place]]));
      return { ...this.item(items, place), radius };
    });
  }

  /** Items of smallest radius; of those whose caption contains a text. */
  async find(lens, k, text = "") {
    const [items, seen] = await Promise.all([this.items_(), this.lens(lens)]);
    const wanted = folded(text);
    const matching = wanted ? seen.order.filter((/** @type {number} */ place) => items.folded[place].includes(wanted)) : seen.order;
    return distinct(matching, items, k).map((place) => this.hit(items, seen, place, {}));
  }

  /** URL of a picture of an item; of the one size that is stored. */
  thumbnail(id) {
    return this.pictures.once(id, async () => {
      const items = await this.items_();
      const number = items.picture(known(items, id));
      if (number === null) throw new SourceError("this item has no picture that is stored.");
      const file = Math.floor(number / this.layout.pictures.chunk);
      const pictures = await this.kept.once(`pictures ${file}`, async () => readPictures(await this.bytes(`pictures/${numbered(file)}`)));
      return URL.createObjectURL(new Blob([pictures[number % this.layout.pictures.chunk]], { type: this.layout.pictures.type }));
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
    return this.kept.once(`column ${place}`, async () => byId(new Uint8Array(await this.bytes(`column-${place}.bin`)), (await this.items_()).ids));
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
    const seen = await this.lens(this.layout.first);
    let best = -1;
    for (const place of wanted ? seen.order : []) {
      const shorter = best < 0 || items.folded[place].length < items.folded[best].length;
      if (items.folded[place].includes(wanted) && shorter) best = place;
    }
    if (best < 0) throw new SourceError(`No caption contains this text: ${FREE}`, "q");
    return best;
  }

  item(items, place) {
    const tier = items.tier[place];
    return { id: items.ids[place], caption: items.captions[place], image: items.image(place), tier: tier < 0 ? null : tier };
  }

  hit(items, seen, place, { margin = null, angle = null, distance = null }) {
    return { ...this.item(items, place), radius: seen.radius[place], margin, angle, distance };
  }

  /** Ids, captions, tiers and kinds of all items. */
  items_() {
    return this.kept.once("items", async () => readItems(await this.json("items.json"), await this.bytes("items.bin"), folded));
  }

  /** Radii of the items in a lens, and their places by radius. */
  lens(key) {
    return this.kept.once(`lens ${key}`, async () => {
      const radius = new Float32Array(await this.bytes(`${this.folder(key)}/items.bin`));
      const order = Uint32Array.from(radius, (_, place) => place).sort((a, b) => radius[a] - radius[b] || a - b);
      return { radius, order };
    });
  }

  everyLens() {
    return Promise.all(Object.keys(this.layout.lenses).map(async (key) => [key, await this.lens(key)]));
  }

  /** The answers of a lens among which those of an item are. */
  answers(lens, place) {
    const file = Math.floor(place / this.layout.chunk);
    return this.kept.once(`answers ${lens} ${file}`, async () =>
      readAnswers(await this.bytes(`${this.folder(lens)}/answers/${numbered(file)}`)),
    );
  }

  /** Where all items are on the map of a lens, by their places. */
  points(lens) {
    return this.kept.once(`points ${lens}`, async () => {
      const [facts, items] = await Promise.all([this.map(lens), this.items_()]);
      const count = items.ids.length;
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
    if (!Object.hasOwn(this.layout.lenses, lens)) throw new SourceError("this page has no such space.", "lens");
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

/** A hit with what the server says of it: whether it is the query, whether it entails or is entailed, and its rank. */
function judged(hit, { cones }, margins) {
  if (hit.distance < SAME) return { ...hit, margin: null, angle: null, is_query: true, entails: null, rank: null };
  const below = margins.findLastIndex((/** @type {number} */ margin) => margin < hit.margin);
  const rank = Math.max(0, below) / (margins.length - 1);
  return { ...hit, is_query: false, entails: cones.decide ? hit.margin >= 0 : null, rank };
}

/** The words of a caption but for articles, as the server finds them. @param {string | null} caption */
function wordsOf(caption) {
  const words = (caption ?? "").toLowerCase().split(/\s+/);
  return words.map((word) => word.replace(/^[.,;:!?"']+|[.,;:!?"']+$/g, "")).filter((word) => word && !ARTICLES.has(word));
}

/** The words of a caption that are not said of an item; none where nothing is known of that. */
function added(items, place, caption) {
  const said = items.said[place];
  if (said === null) return [];
  const own = new Set([...said.split(" "), ...wordsOf(items.captions[place])]);
  return [...new Set(wordsOf(caption))].filter((word) => !own.has(word));
}

/** The first places of distinct captions, k at most; those without a caption all count. */
function distinct(places, items, k) {
  const seen = new Set();
  const found = [];
  for (const place of places) {
    if (found.length >= k) break;
    const caption = items.captions[place];
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

function numbered(file) {
  return `${String(file).padStart(3, "0")}.bin`;
}
