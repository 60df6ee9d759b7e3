// @ts-check
/** The columns of the data: a histogram of each, which is a filter too, and the values of the items by the place of an item. */

import { counted, fill, h, s } from "./dom.js";
import { latest } from "./latest.js";
import { hue } from "./marks.js";

/**
 * @typedef {{name: string, kind: "number" | "text", edges: number[] | null, values: string[] | null, counts: number[],
 *   bin: (id: bigint) => number}} Column bin: of an item, from 0 on; 255 where it has no value
 */

/** Width and height of a histogram, in units of its own. */
const [WIDTH, HEIGHT] = [240, 44];

/** Bin of an item without a value. */
const MISSING = 255;

export class Columns {
  /** @param {any} app @param {() => void} changed other items are let through, or another column can be shown */
  constructor(app, changed) {
    this.app = app;
    this.changed = changed;
    this.answer = latest();
    /** @type {Map<string, Record<string, number>>} */
    this.bins = new Map();
    /** @type {Column[]} */
    this.list = (app.collection.columns ?? []).map((/** @type {any} */ column) =>
      ({ ...column, bin: (/** @type {bigint} */ id) => this.bins.get(column.name)?.[String(id)] ?? MISSING }));
    /** Those beside what every item has, by which it is coloured anyway. */
    this.own = this.list.filter(({ name }) => !["radius", "tier", "kind"].includes(name));
    this.told = h("span", { role: "status" });
    this.all = h("button", { type: "button", class: "button small", onclick: () => app.state.set({ where: {} }) }, "Show all");
    this.passing = h("p", { class: "help", hidden: true }, this.told, " ", this.all);
    this.filters = this.list.map((column) => (column.edges ? this.range(column, column.edges) : this.choices(column)));
    this.root = h("div", { class: "columns", hidden: !this.list.length }, this.filters.map(({ element }) => element));
  }

  /** Follow the state: load what it colours and filters by, and say so. @param {any} state */
  update({ colour, where }) {
    this.where = where;
    this.filters.forEach(({ show }, i) => show(where[this.list[i].name]));
    const wanted = this.list.filter((column) => where[column.name] || (column.name === colour && this.own.includes(column)));
    this.answer(this.load(wanted), () => {
      this.count();
      this.changed();
    }, (error) => {
      this.passing.hidden = false;
      this.told.textContent = error.message;
    });
  }

  /** Fetch what items have in some columns, where that is not known yet. @param {Column[]} columns */
  load(columns) {
    const wanted = columns.filter(({ name }) => !this.bins.has(name));
    return Promise.all(wanted.map(async ({ name }) => this.bins.set(name, await this.app.source.column(name))));
  }

  /** The column of a name. @param {string} name */
  named(name) {
    return this.list.find((column) => column.name === name);
  }

  /** The column that items are coloured by, null for none. @param {string} name */
  of(name) {
    return this.own.find((column) => column.name === name && this.bins.has(name)) ?? null;
  }

  /** Whether all filters let an item through. @returns {(id: bigint) => boolean} */
  passes() {
    const tests = this.list.filter(({ name }) => this.where?.[name] && this.bins.has(name)).map((column) => {
      const open = new Set(this.where[column.name]);
      return (/** @type {bigint} */ id) => open.has(column.bin(id));
    });
    return tests.length ? (id) => tests.every((test) => test(id)) : () => true;
  }

  /** Ids of the items that pass; null where nothing is filtered. */
  passingIds() {
    if (!this.list.some(({ name }) => this.where?.[name])) return null;
    const passes = this.passes();
    return Object.keys(this.bins.values().next().value ?? {}).filter((id) => passes(BigInt(id)));
  }

  count() {
    const passing = this.passingIds();
    this.passing.hidden = !passing;
    this.told.textContent = passing ? `${counted(passing.length)} of ${counted(this.app.collection.items, "item")} pass the filters.` : "";
  }

  /** What an item has in each column, for tables. @param {string} id */
  values(id) {
    return this.own.map((column) => {
      const bin = column.bin(BigInt(id));
      if (bin === MISSING) return null;
      return column.values ? column.values[bin] : between(column.edges ?? [], bin, bin + 1);
    });
  }

  /** Let only some bins of a column through. @param {Column} column @param {number[]} bins */
  filter({ name, counts }, bins) {
    const { [name]: _, ...others } = this.app.state.get().where;
    this.app.state.set({ where: bins.length === counts.length ? others : { ...others, [name]: bins } });
  }

  /** Let one value of a text through, or not any more; all where none would be. @param {Column} column @param {number} at */
  toggle(column, at) {
    const open = this.app.state.get().where[column.name];
    const next = !open ? [at] : open.includes(at) ? open.filter((/** @type {number} */ i) => i !== at) : [...open, at].sort((a, b) => a - b);
    this.filter(column, next.length ? next : column.counts.map((_, i) => i));
  }

  /** A histogram of numbers, with the ends of what is let through. @param {Column} column @param {number[]} edges */
  range(column, edges) {
    const { name, counts } = column;
    const most = Math.max(1, ...counts);
    const width = WIDTH / counts.length;
    const bars = counts.map((count, i) => {
      const height = count ? Math.max(1, (HEIGHT * count) / most) : 0;
      return s("rect", { x: i * width, y: HEIGHT - height, width: width - 1, height }, s("title", null, `${between(edges, i, i + 1)}: ${counted(count, "item")}`));
    });
    const ends = ["from", "to"].map((end, i) => h("input", { type: "range", min: 0, max: counts.length - 1, value: i * (counts.length - 1), "aria-label": `${name}, ${end}`, oninput: () => moved(i) }));
    const words = h("span", { class: "help" });
    const moved = (/** @type {number} */ end) => {
      const [low, high] = ends.map(({ value }) => Number(value));
      if (low > high) ends[1 - end].value = ends[end].value;
      const [from, to] = ends.map(({ value }) => Number(value));
      this.filter(column, Array.from({ length: to - from + 1 }, (_, i) => from + i));
    };
    const show = (/** @type {number[] | undefined} */ open) => {
      const [from, to] = open ? [open[0] ?? 0, open.at(-1) ?? 0] : [0, counts.length - 1];
      [from, to].forEach((at, i) => {
        if (ends[i].value !== String(at)) ends[i].value = at;
        ends[i].setAttribute("aria-valuetext", between(edges, at, at + 1));
      });
      bars.forEach((bar, i) => bar.classList.toggle("out", i < from || i > to));
      words.textContent = ` ${between(edges, from, to + 1)}`;
    };
    const label = `Histogram of ${name}: ${between(edges, 0, counts.length)}`;
    const element = h("fieldset", { class: "column" }, h("legend", null, h("bdi", null, name), words),
      s("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", role: "img", "aria-label": label }, bars), h("div", { class: "ends" }, ends));
    return { element, show };
  }

  /** The values of a text, each with a bar of its items, to be switched on and off. @param {Column} column */
  choices(column) {
    const { name, counts } = column;
    const [values, most] = [column.values ?? [], Math.max(1, ...counts)];
    const buttons = values.map((value, i) => {
      const button = h("button", { type: "button", onclick: () => this.toggle(column, i) }, h("bdi", null, value), h("span", { class: "help" }, counted(counts[i])));
      button.style.setProperty("--share", String(counts[i] / most));
      button.style.setProperty("--hue", this.own.includes(column) ? hue(i, counts.length) : "var(--dot2)");
      return button;
    });
    const show = (/** @type {number[] | undefined} */ open) => buttons.forEach((button, i) => button.setAttribute("aria-pressed", String(Boolean(open?.includes(i)))));
    const element = h("fieldset", { class: "column" }, h("legend", null, h("bdi", null, name)), h("div", { class: "values" }, buttons));
    return { element, show };
  }
}

/** @param {number} value */
const short = (value) => String(Number(value.toPrecision(3))).replace("-", "−");

/** What lies between two edges; bins of whole numbers lie around them. @param {number[]} edges @param {number} from @param {number} to */
function between(edges, from, to) {
  const half = edges[1] - edges[0] === 1 && Math.abs(edges[0] % 1) === 0.5 ? 0.5 : 0;
  const [low, high] = [edges[from] + half, edges[to] - half].map(short);
  return low === high ? low : `${low} to ${high}`;
}
