// @ts-check
// The state of the page: one frozen object, kept in the hash of the URL so that links and the back button work.

/**
 * @typedef {{text: string} | {item: string} | {photo: Blob, name: string} | null} Query
 * @typedef {{lens: string, query: Query, item: string | null, colour: string, where: Record<string, number[]>,
 *   centre: [number, number], turn: number, zoom: number}} State  where: by the name of a column, its bins that are let through
 */

import { Photos } from "./photos.js";

const ID = /^\d{1,19}$/;

/** Characters of a text in the URL; a longer query stays in the history but not in the link. */
const LONGEST = 1500;

/** Changes that the back button undoes; other ones, such as panning, replace the entry of the history. */
const STEPS = ["lens", "query", "item"];

/** Characters of a name of a column in the URL, and its columns at most. */
const [NAME, COLUMNS] = [200, 24];

/** The state of the page. @param {{lenses: {key: string}[], tiers: string[] | null, colour?: string}} collection @param {Window} [page] */
export function createState(collection, page = window) {
  const first = defaults(collection);
  const photos = new Photos(page);
  /** @type {Set<(now: State, before: State) => void>} */
  const listeners = new Set();
  let now = read();

  function read() {
    const { photo, text } = page.history.state ?? {};
    const found = parse(page.location.hash, first, collection);
    const query = photos.get(photo) ?? (typeof text === "string" ? asked({ text }) : null);
    return query ? Object.freeze({ ...found, query }) : found;
  }

  function entry() {
    const query = now.query;
    if (query && "text" in query && query.text.length > LONGEST) return { text: query.text };
    return query && "photo" in query ? { photo: photos.nameOf(query) } : null;
  }

  function tell(before) {
    for (const listener of listeners) listener(now, before);
  }

  page.addEventListener("popstate", () => {
    const before = now;
    now = following(read(), before);
    if (now !== before) tell(before);
  });

  return {
    /** @returns {State} */
    get: () => now,

    /** Whether the page was left at a photo that could not be kept. */
    lost: () => !now.query && Boolean(page.history.state?.photo),

    /**
     * Change some entries; values that do not fit fall back to the defaults.
     * @param {Partial<State>} patch
     * @param {{push?: boolean}} [how] whether the back button undoes it; by default where it shows something else
     * @returns {boolean} whether that changed anything
     */
    set(patch, how = {}) {
      const before = now;
      now = following(checked({ ...now, ...patch }, first, collection), before);
      if (now === before) return false;
      const push = how.push ?? STEPS.some((name) => !equal(now[name], before[name]));
      const url = `${page.location.pathname}${page.location.search}${written(now, first)}`;
      try {
        page.history[push ? "pushState" : "replaceState"](entry(), "", url);
      } catch (error) {
        console.warn(error); // some browsers refuse many entries in a short time: the page goes on, the URL lags behind
      }
      tell(before);
      return true;
    },

    /**
     * Call a function after every change.
     * @param {(now: State, before: State) => void} listener
     * @returns {() => void} ends it
     */
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}

/** @returns {State} */
function defaults(collection) {
  return /** @type {any} */ (
    Object.freeze({
      lens: collection.lenses[0].key,
      query: null,
      item: null,
      colour: collection.colour || (collection.tiers ? "tier" : "radius"),
      where: Object.freeze({}),
      centre: [0, 0],
      turn: 0,
      zoom: 1,
    })
  );
}

/**
 * The state in a hash; what is unknown or broken has its default.
 * @param {string} hash
 * @param {State} first
 * @param {{lenses: {key: string}[]}} collection
 */
export function parse(hash, first, collection) {
  const values = new URLSearchParams(hash.replace(/^#/, ""));
  const numbers = (name) => (values.get(name) ?? "").split(",").map((each) => (each === "" ? NaN : Number(each)));
  const text = values.get("q");
  const from = values.get("from");
  return checked(
    {
      lens: values.get("lens"),
      query: text ? { text } : from ? { item: from } : null,
      item: values.get("item"),
      colour: values.get("colour"),
      where: parsed(values.get("where")),
      centre: numbers("at"),
      turn: numbers("turn")[0],
      zoom: numbers("zoom")[0],
    },
    first,
    collection,
  );
}

/** @returns {State} */
function checked(given, first, collection) {
  const centre = Array.isArray(given.centre) && given.centre.length === 2 && given.centre.every(Number.isFinite);
  const found = {
    lens: collection.lenses.some(({ key }) => key === given.lens) ? given.lens : first.lens,
    query: asked(given.query),
    item: ID.test(given.item ?? "") ? given.item : null,
    centre: centre ? Object.freeze([...given.centre]) : first.centre,
    turn: Number.isFinite(given.turn) ? given.turn : first.turn,
    zoom: Number.isFinite(given.zoom) && given.zoom > 0 ? given.zoom : first.zoom,
    colour: typeof given.colour === "string" && given.colour && given.colour.length <= NAME ? given.colour : first.colour,
    where: bins(given.where),
  };
  return /** @type {any} */ (Object.freeze(found));
}

/** Bins that are let through; names without any are left out. @returns {Record<string, number[]>} */
function bins(given) {
  if (!given || typeof given !== "object") return Object.freeze({});
  const numbers = (list) => Array.isArray(list) && list.length && list.every((bin) => Number.isInteger(bin) && bin >= 0 && bin < 255);
  return Object.freeze(Object.fromEntries(Object.entries(given).filter(([, list]) => numbers(list)).slice(0, COLUMNS)));
}

function parsed(text) {
  try {
    return JSON.parse(text ?? "{}");
  } catch {
    return {};
  }
}

/** @returns {Query} */
function asked(query) {
  if (!query) return null;
  if (query.photo instanceof Blob) return query;
  if (typeof query.text === "string" && query.text.trim()) return Object.freeze({ text: query.text });
  return ID.test(query.item ?? "") ? Object.freeze({ item: query.item }) : null;
}

/** A state as a hash, without what has its default. @param {State} state @param {State} first */
export function written(state, first) {
  const values = new URLSearchParams();
  const query = state.query;
  if (query && "text" in query && query.text.length <= LONGEST) values.set("q", query.text);
  if (query && "item" in query) values.set("from", query.item);
  if (state.item) values.set("item", state.item);
  for (const name of ["lens", "colour"]) if (state[name] !== first[name]) values.set(name, state[name]);
  if (Object.keys(state.where).length) values.set("where", JSON.stringify(state.where));
  const rounded = (value) => String(Number(value.toPrecision(7)));
  if (!equal(state.centre, first.centre)) values.set("at", state.centre.map(rounded).join());
  for (const name of ["turn", "zoom"]) if (state[name] !== first[name]) values.set(name, rounded(state[name]));
  return values.size ? `#${values.toString().replaceAll("%2C", ",")}` : "#";
}

/** Whether two values of the state are the same; photos are by identity. */
export function equal(a, b) {
  if (a === b) return true;
  if (!a || !b || typeof a !== "object" || typeof b !== "object") return false;
  if (a.photo || b.photo) return a.photo === b.photo;
  return JSON.stringify(a) === JSON.stringify(b);
}

/** The next state with the very values of the one before where they are the same, so that `===` tells what changed. */
function following(next, before) {
  const names = Object.keys(next);
  if (names.every((name) => equal(next[name], before[name]))) return before;
  return Object.freeze(Object.fromEntries(names.map((name) => [name, equal(next[name], before[name]) ? before[name] : next[name]])));
}
