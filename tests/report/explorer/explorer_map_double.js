// A collection that is made up: points of several spaces around the root, and the source that serves them.

const CAPACITY = 512;
const WORDS = ["animal", "a dog", "a small dog on a sofa", "vehicle", "=cmd|' /C calc'!A0", "<img src=x onerror=alert(1)>", "say \"woof\", twice"];

/** Random numbers in [0, 1) that are the same every time. */
export function generator(seed) {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

/** A map; seed: spaces of the same one have the same radii, and lie in other directions. */
export function makeMap(space, count, high = 3) {
  const random = generator(7);
  const chart = (r) => Math.tanh(r / 2);
  const points = Array.from({ length: count }, (_, id) => {
    const tier = Math.floor(4 * random());
    const radius = Math.fround(high * Math.min(0.99, Math.max(0.02, 0.2 + 0.2 * tier + 0.3 * (random() - 0.5))));
    const angle = 2 * Math.PI * random() + space;
    const image = random() < 0.06;
    const z = chart(radius);
    return { id, tier: image ? -1 : tier, radius, image, x: Math.fround(z * Math.cos(angle)), y: Math.fround(z * Math.sin(angle)) };
  });
  const extent = 1.001 * chart(high);
  const tiles = new Map();
  const share = (level, x, y, members) => {
    tiles.set(`${level}/${x}/${y}`, members.slice(0, CAPACITY));
    const side = (2 * extent) / 2 ** (level + 1);
    const parts = [[], [], [], []];
    for (const point of members.slice(CAPACITY)) {
      const [px, py] = [point.x, point.y].map((value) => Math.floor((value + extent) / side));
      parts[px - 2 * x + 2 * (py - 2 * y)].push(point);
    }
    parts.forEach((some, part) => some.length && share(level + 1, 2 * x + (part & 1), 2 * y + (part >> 1), some));
  };
  share(0, 0, 0, points);
  const circles = [1, 2, 3].map((quarter) => ({ name: `quarter ${quarter}`, radius: (high * quarter) / 4, z: chart((high * quarter) / 4) }));
  const facts = {
    version: `space ${space}`, reach: chart(high), extent, low: 0.02 * high, high: 0.99 * high, circles, count,
    tiles: [...tiles].map(([key, members]) => [...key.split("/").map(Number), members.length]),
  };
  return { facts, tiles, points };
}

export class DoubleSource {
  constructor(maps, bins) {
    this.maps = maps;
    this.bins = bins;
    this.can = { pictures: true };
    this.running = 0;
    this.most = 0;
  }

  item(id) {
    const radius = Object.fromEntries(Object.entries(this.maps).map(([lens, { points }]) => [lens, points[id].radius]));
    const { image, tier } = this.maps[0].points[id];
    return { id: String(id), caption: image ? null : `${WORDS[id % WORDS.length]} ${id}`, image: image || id % 7 === 0, tier, radius };
  }

  async column(name) {
    return Uint8Array.from(this.maps[0].points, ({ id }) => this.bins[name](id));
  }

  async map(lens) {
    return this.maps[lens].facts;
  }

  async tile(lens, level, x, y) {
    this.most = Math.max(this.most, ++this.running);
    await new Promise((done) => setTimeout(done, 1));
    this.running -= 1;
    const members = this.maps[lens].tiles.get(`${level}/${x}/${y}`);
    return {
      ids: BigUint64Array.from(members, ({ id }) => BigInt(id)),
      x: Float32Array.from(members, (point) => point.x),
      y: Float32Array.from(members, (point) => point.y),
      radius: Float32Array.from(members, (point) => point.radius),
      tier: Int8Array.from(members, (point) => point.tier),
      kind: Uint8Array.from(members, (point) => Number(point.image)),
    };
  }

  async items(ids) {
    return ids.map((id) => this.item(Number(id)));
  }

  thumbnail() {
    return "data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7";
  }

  async places(lens, queries) {
    return queries.map(({ item }) => this.maps[lens].points[Number(item ?? 11)]).map(({ x, y, radius }) => ({ x, y, radius }));
  }

  async ask(verb, lens, query, { k } = {}) {
    const { points } = this.maps[lens];
    const own = points[Number(query.item ?? 11)];
    const inward = points.filter(({ radius, image }) => radius < own.radius && !image);
    const outward = points.filter(({ radius, image }) => radius > own.radius && !image);
    if (verb === "ladder") return { query: { radius: own.radius }, rungs: inward.slice(0, 3).sort((a, b) => a.radius - b.radius).map(({ id }) => ({ from: 0, to: 1, hit: this.item(id) })) };
    return { hits: (verb === "parents" ? inward : outward).slice(0, k).map(({ id }) => this.item(id)) };
  }
}

/** Show the disc of a made-up collection, with what a test needs of it on `window`. */
export async function show(root, spaces, count) {
  const [{ createState }, { Disc }] = await Promise.all([import("/page/state.js"), import("/page/disc.js")]);
  const maps = Object.fromEntries(spaces.map((space, lens) => [lens, makeMap(space, count)]));
  const lenses = spaces.map((space, lens) => ({ key: String(lens), title: `made up · ${space}`, climbs: true }));
  const bins = { length: (id) => id % 7, source: (id) => (id % 10 ? id % 3 : 255) };
  const counts = (name, of) => Array.from({ length: of }, (_, bin) => maps[0].points.filter(({ id }) => bins[name](id) === bin).length);
  const columns = [
    { name: "length", kind: "number", edges: [0, 1, 2, 3, 4, 5, 6, 7], values: null, counts: counts("length", 7) },
    { name: "source", kind: "text", edges: null, values: ["web", "<b>book</b>", "other"], counts: counts("source", 3) },
  ];
  const tiers = ["most general", "general", "specific", "most specific"];
  const collection = { title: "made up", items: count, captions: count, images: 1, tiers, lenses, columns };
  const state = createState(collection);
  const told = { said: [], saved: [] };
  const source = new DoubleSource(maps, bins);
  const app = {
    source, collection, state,
    announce: (text) => told.said.push(text),
    download: (name, type, content) => told.saved.push({ name, type, content }),
  };
  const shown = new Disc(app);
  root.append(shown.root, shown.tools);
  let before = null;
  const update = (now) => {
    shown.update(now, before, lenses.find(({ key }) => key === now.lens));
    before = now;
  };
  state.subscribe(update);
  update(state.get());
  Object.assign(window, { app, shown, told });
}
