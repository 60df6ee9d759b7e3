// @ts-check
// What the page asks the server. The static page has the same interface over files, in static.js.

/** Answers that are kept, since several views ask the same. */
const ANSWERS = 200;

/** Pictures that are kept as URLs of blobs. */
const PICTURES = 400;

/** Milliseconds before what takes long is asked for again. */
const PATIENCE = 3000;

/** Where the token is kept while the tab is open. */
const TOKEN = "hiergeo-token";

/** A request that got no answer; `message` is a sentence for people, `field` the parameter that is to blame. */
export class SourceError extends Error {
  /** @param {string} message @param {string | null} [field] @param {number} [status] of HTTP; 0 without a response */
  constructor(message, field = null, status = 0) {
    super(message);
    this.field = field;
    this.status = status;
  }
}

/** Promises under names, as many as it holds: those that were asked for last. */
export class Kept {
  /** @param {number} [most] @param {(made: any) => void} [dropped] called with what a promise held that is not kept any more */
  constructor(most = ANSWERS, dropped = () => {}) {
    this.most = most;
    this.dropped = dropped;
    /** Least recently asked for first. @type {Map<string, Promise<any>>} */
    this.held = new Map();
  }

  /** A promise that is kept under a name unless it fails. */
  once(name, make) {
    const found = this.held.get(name);
    const made = found ?? Promise.resolve().then(make);
    this.held.delete(name);
    this.held.set(name, made);
    if (!found) made.catch(() => this.held.get(name) === made && this.held.delete(name));
    if (this.held.size > this.most) {
      const [oldest, old] = this.held.entries().next().value;
      this.held.delete(oldest);
      old.then(this.dropped, () => {});
    }
    return made;
  }

}

/** The bytes of a base64 text. @param {string} text */
export const decoded = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));

/** Bins of items by their ids, which are 0, 1, 2, ... where they are null. @param {Uint8Array} bins @param {string[] | null} ids */
export const byId = (bins, ids) => (ids ? Object.fromEntries(ids.map((id, i) => [id, bins[i]])) : bins);

/** The data of a running server. */
export class LiveSource {
  /** @param {string} base URL of the page, with a slash at its end @param {string | null} [token] that requests carry */
  constructor(base, token = null) {
    this.base = base;
    this.token = token;
    this.can = { text: false, photo: false, pictures: true };
    this.kept = new Kept();
    /** Pictures as URLs of blobs; the memory of those that are not kept is given back. */
    this.pictures = new Kept(PICTURES, (url) => URL.revokeObjectURL(url));
    /** @type {WeakMap<Blob, string>} */
    this.photos = new WeakMap();
    this.photo = 0;
  }

  /** What is explored. Sets `can`. */
  async collection() {
    const found = await this.json("api/collection");
    this.can = { text: found.lenses.some((lens) => lens.embeds.text), photo: found.lenses.some((lens) => lens.embeds.image), pictures: found.pictures };
    return found;
  }

  /**
   * The answer of a lens to a query.
   * @param {"ladder" | "children" | "parents" | "neighbours" | "count"} kind
   * @param {string} lens its key
   * @param {any} query {text}, {item} or {photo}
   * @param {{k?: number, by?: string, steps?: number}} [options]
   */
  async ask(kind, lens, query, options = {}) {
    return this.kept.once([kind, lens, this.nameOf(query), JSON.stringify(options)].join("\n"), async () =>
      this.json("api/search", posted({ kind, lens, query: await sendable(query), ...options })),
    );
  }

  /** Items by id, at most 256. */
  async items(ids) {
    if (!ids.length) return [];
    const asked = ids.join(",");
    return (await this.kept.once(`items\n${asked}`, () => this.json(`api/items?ids=${asked}`))).items;
  }

  /** Items of smallest radius; of those whose caption contains a text. */
  async find(lens, k, text = null) {
    return (await this.json(`api/find?${new URLSearchParams({ lens, k, ...(text === null ? {} : { text }) })}`)).items;
  }

  /** URL of a picture of an item, with sides of at most 64 or 192 pixels. */
  thumbnail(id, side) {
    const path = `${this.base}api/thumbnail/${id}?side=${side}`;
    if (!this.token) return path;
    return this.pictures.once(path, async () => URL.createObjectURL(await (await this.fetched(path)).blob()));
  }

  /** Facts of the map of a lens. */
  map(lens) {
    return this.kept.once(`map\n${lens}`, () => this.json(`api/map?${new URLSearchParams({ lens })}`));
  }

  /** The points of one tile of a map, as typed arrays; status 409 if the facts of the map have to be loaded anew. */
  async tile(lens, level, x, y, version) {
    const asked = new URLSearchParams({ lens, level, x, y, version });
    try {
      return readTile(await (await this.fetched(`${this.base}api/tile?${asked}`)).arrayBuffer());
    } catch (error) {
      if (error instanceof SourceError && error.status === 409) this.kept.held.clear();
      throw error;
    }
  }

  /** Where queries are on the map. */
  async places(lens, queries) {
    const sent = await Promise.all(queries.map(sendable));
    return (await this.json("api/places", posted({ lens, queries: sent }))).places;
  }

  /** The bin of every item in a column of the data, by its id; 255 where there is no value. */
  column(name) {
    return this.kept.once(`column\n${name}`, async () => {
      const { bins, ids } = await this.json(`api/columns/${encodeURIComponent(name)}`);
      return byId(decoded(bins), ids);
    });
  }

  /** What the space of a lens is like. */
  audit(lens) {
    return this.kept.once(`audit\n${lens}`, () => this.patient(`api/audit?${new URLSearchParams({ lens })}`));
  }

  /** An answer that takes long, and goes on meanwhile: it is asked for again until it is there. */
  async patient(path) {
    for (;;) {
      try {
        return await this.json(path);
      } catch (error) {
        if (error.status !== 503) throw error;
        await new Promise((go) => setTimeout(go, PATIENCE));
      }
    }
  }

  nameOf(query) {
    if (!query.photo) return JSON.stringify(query);
    if (!this.photos.has(query.photo)) this.photos.set(query.photo, `photo ${(this.photo += 1)}`);
    return this.photos.get(query.photo);
  }

  async json(path, init = {}) {
    const response = await this.fetched(`${this.base}${path}`, init);
    try {
      return await response.json();
    } catch {
      throw new SourceError("The server's answer cannot be read: load the page again.");
    }
  }

  async fetched(url, init = {}) {
    const headers = { ...init.headers, ...(this.token ? { Authorization: `Bearer ${this.token}` } : {}) };
    let response;
    try {
      response = await fetch(url, { ...init, headers });
    } catch {
      throw new SourceError("The server does not answer: check that hiergeo explore is still running, then ask again.");
    }
    if (response.ok) return response;
    const told = await response.json().catch(() => null);
    if (response.status === 401 && !this.token)
      throw new SourceError("This server asks for a token: open the link that hiergeo explore printed.", null, 401);
    throw new SourceError(sentence(told?.error ?? `The server refused this with status ${response.status}.`), told?.field, response.status);
  }
}

/** The points of a tile, as the server and the static page store them: little endian, see `/api/openapi.json`. @param {ArrayBuffer} content */
export function readTile(content) {
  const count = new DataView(content).getUint32(0, true);
  let offset = 8;
  const next = (Kind, size) => {
    const found = new Kind(content, offset, count);
    offset += count * size;
    return found;
  };
  return {
    ids: next(BigUint64Array, 8),
    x: next(Float32Array, 4),
    y: next(Float32Array, 4),
    radius: next(Float32Array, 4),
    tier: next(Int8Array, 1),
    kind: next(Uint8Array, 1),
  };
}

/** The token in the hash of a link; it is taken out of the URL, and kept while the tab is open. */
export function takeToken(page = window) {
  const values = new URLSearchParams(page.location.hash.slice(1));
  const given = values.get("token");
  if (given) {
    values.delete("token");
    page.history.replaceState(page.history.state, "", `${page.location.pathname}${page.location.search}#${values}`);
  }
  try {
    if (given) page.sessionStorage.setItem(TOKEN, given);
    return given ?? page.sessionStorage.getItem(TOKEN);
  } catch {
    return given; // storage is switched off: the token lasts as long as the page
  }
}

function posted(body) {
  return { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) };
}

async function sendable(query) {
  if (!query.photo) return query;
  const bytes = new Uint8Array(await query.photo.arrayBuffer());
  let text = "";
  for (let i = 0; i < bytes.length; i += 0x8000) text += String.fromCharCode(...bytes.subarray(i, i + 0x8000));
  return { image: btoa(text) };
}

function sentence(text) {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
