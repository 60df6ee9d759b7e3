// @ts-check
/** The disc: all items of a space on one stage, its labels, and what colours, filters, selects and saves them below it. */

import { Columns } from "./columns.js";
import { failure, fill, h, named } from "./dom.js";
import { listen } from "./gestures.js";
import { landmarks, nearest, regions } from "./grid.js";
import { Inspector } from "./inspect.js";
import { latest } from "./latest.js";
import { Pace } from "./levels.js";
import { saveMap } from "./mapfile.js";
import { legend, styleOf, tokens } from "./marks.js";
import { PLAIN } from "./points.js";
import { Relations } from "./related.js";
import { rectangle, Selection } from "./selection.js";
import { Stage } from "./stage.js";

/** Fields along a side of the disc, each of which may have one label beside those of the ladder, and labels of the whole. */
const [FIELDS, LANDMARKS] = [4, 8];

/** Values of a column, at most, whose names stand around the centre in the place of landmarks. */
const REGIONS = 12;

/** Magnification from which items are shown by their pictures, and points of which the way to another space is drawn. */
const [PICTURED, MORPHED] = [1.8, 60_000];

/** Milliseconds after the last movement before the URL follows. */
const SETTLED = 350;

const PLACING = "Placing the items on the disc …";

const RINGS = "Nearer to the centre is more general; each ring holds a quarter of the items.";
const LEVEL = "Here no item is more general than another: only directions tell items apart.";
const SAME = "The dots stand still: these spaces have the same embeddings, and differ in angles and distances alone.";

export class Disc {
  /** @param {any} app */
  constructor(app) {
    this.app = app;
    this.pace = new Pace();
    /** @type {Stage | null} */
    this.stage = null;
    this.facts = latest();
    this.related = latest();
    this.names = latest();
    this.saving = latest();
    this.settling = 0;
    /** Where the camera looks, as the state has it. */
    this.at = "";
    /** The picture that has labels. */
    this.labelled = -1;
    this.mode = "move";
    const { collection, state } = app;
    this.columns = new Columns(app, () => this.restyle());
    this.selection = new Selection(app, this.columns, () => this.stage);
    this.waiting = h("div", { class: "map-waiting", tabindex: -1 }, PLACING);
    this.failure = h("p", { class: "failed", role: "alert", hidden: true });
    const act = (/** @type {string} */ sign, /** @type {string} */ label, /** @type {(stage: Stage) => void} */ does) =>
      h("button", { type: "button", class: "button", "aria-label": label, title: label, onclick: () => this.stage && does(this.stage) }, sign);
    const zoom = h("div", { class: "climb-zoom", role: "group", "aria-label": "Disc" },
      act("−", "Zoom out", (stage) => stage.magnify(1 / 1.4)),
      act("+", "Zoom in", (stage) => stage.magnify(1.4)),
      act("Reset", "Show the whole disc", (stage) => stage.reset()),
      (this.opener = h("button", { type: "button", class: "button", "aria-expanded": "false", "aria-controls": "tools", onclick: () => this.open(this.tools.hidden) }, "Colour and filter")));
    this.place = h("div", { class: "map-place" }, this.waiting);
    this.counted = h("p", { class: "map-note" });
    this.note = h("p", { class: "map-note" });
    const fixed = [...(collection.tiers ? ["tier"] : []), "radius", ...(collection.images && collection.captions ? ["kind"] : [])];
    const colours = new Set([...fixed, ...this.columns.list.map(({ name }) => name)]);
    this.colour = h("select", { class: "field", onchange: () => state.set({ colour: this.colour.value }) }, [...colours].map((name) => h("option", { value: name }, name)));
    const drags = ["move", "rectangle", "lasso"].map((mode) =>
      h("label", null, h("input", { type: "radio", name: "map-drag", value: mode, checked: mode === "move", onchange: () => this.drag(mode) }), h("span", null, mode)));
    this.marks = h("ul", { class: "legend map-legend", "aria-label": "Marks" });
    const save = (/** @type {"png" | "svg"} */ type, /** @type {string} */ title) => h("button", { type: "button", class: "button small", title, onclick: () => this.save(type) }, `Save ${type.toUpperCase()}`);
    const close = h("button", { type: "button", class: "button small close", "aria-label": "Close the tools", onclick: () => this.open(false) }, "×");
    this.tools = h("aside", { class: "tools card", id: "tools", "aria-label": "Colour, filter and select", tabindex: -1, hidden: true }, close,
      h("p", { class: "map-buttons" }, h("label", null, "Colour by ", this.colour), save("png", "Save the disc as PNG"), save("svg", "Save the disc as SVG, with at most 20,000 points")),
      this.columns.passing, this.columns.root, this.selection.found,
      h("fieldset", { class: "switch map-choice" }, h("legend", null, "Drag to"), drags), this.selection.form, help());
    this.root = h("div", { class: "disc" }, this.place, zoom, this.failure, this.marks, this.counted, this.note);
    const restyle = () => this.restyle();
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", restyle);
    new MutationObserver(restyle).observe(document.documentElement, { attributes: true, attributeFilter: ["data-theme"] });
  }

  /** Show or hide the tools; what was pressed keeps the focus. @param {boolean} open */
  open(open) {
    this.tools.hidden = !open;
    this.opener.setAttribute("aria-expanded", String(open));
    (open ? this.tools : this.opener).focus({ preventScroll: true });
  }

  /** Follow the state. @param {any} state @param {any} before @param {any} lens */
  update(state, before, lens) {
    if (!before) this.failure.hidden = true;
    if (lens !== this.lens || this.broken) this.enter(lens);
    if (JSON.stringify([state.centre, state.turn, state.zoom]) !== this.at) this.follow(state);
    this.colour.value = state.colour;
    if (!before || state.where !== before.where || state.colour !== before.colour) {
      this.columns.update(state);
      this.restyle();
    }
    this.relate(state);
  }

  /** Show a space: the points of another one go to their places, those of the same embeddings stay. @param {any} lens */
  enter(lens) {
    const other = lens !== this.lens;
    this.lens = lens;
    this.broken = false;
    return this.facts(this.app.source.map(lens.key), (facts) => {
      this.relations = new Relations(this.app.source, lens.key);
      const same = this.stage !== null && this.stage.facts.version === facts.version;
      this.describe(same && other ? SAME : null);
      if (same && this.stage) Object.assign(this.stage, { lens });
      else this.build(facts, lens);
      this.selection.clear();
      this.relate(this.app.state.get());
    }, (error) => {
      this.broken = true;
      if (this.stage) this.remove();
      fill(this.waiting, failure(error, () => this.enter(lens)));
    });
  }

  /** @param {any} facts @param {any} lens */
  build(facts, lens) {
    const { app } = this;
    const old = this.stage;
    const from = old && old.count <= MORPHED ? old.places() : null;
    const tell = {
      moved: () => this.moved(),
      failed: (/** @type {Error} */ error) => this.fail(error),
      drawn: (/** @type {number} */ count) => this.count(count),
    };
    this.style = this.styled(facts);
    const stage = new Stage(app.source, lens, lens.climbs ? facts : { ...facts, circles: [] }, { pace: this.pace, style: this.style }, tell, from);
    if (old) Object.assign(stage.camera, { isometry: old.camera.isometry, zoom: old.camera.zoom });
    stage.element.setAttribute("aria-describedby", "map-help");
    const inspector = new Inspector(app, stage);
    const before = old?.element ?? this.waiting;
    const held = before.contains(document.activeElement);
    before.replaceWith(stage.element);
    old?.close();
    if (held) stage.element.focus();
    this.stage = stage;
    this.inspector = inspector;
    this.labelled = -1;
    listen(stage.element, {
      drag: (start, end) => stage.drag(start, end),
      magnify: (factor, at) => stage.magnify(factor, at),
      hover: (at) => inspector.hover(at),
      tap: (at, touch) => inspector.tap(at, touch),
      centre: (at) => stage.centre(nearest(stage.tiles(), stage.camera, at, 20)?.z ?? stage.camera.base(at)),
      brushing: () => this.mode !== "move",
      brush: (path, done) => this.brush(path, done),
    });
    this.root.classList.toggle("brushing", this.mode !== "move");
    this.restyle();
    this.follow(app.state.get());
  }

  /** Take the stage away: its place says what is waited for. */
  remove() {
    const { stage } = this;
    const held = stage?.element.contains(document.activeElement);
    stage?.close();
    stage?.element.replaceWith(this.waiting);
    fill(this.waiting, PLACING);
    if (held) this.waiting.focus();
    this.stage = null;
  }

  /** The style of the points, from the state and the style sheet. @param {any} facts */
  styled({ low, high }) {
    const { collection, state } = this.app;
    const by = state.get().colour;
    const tiered = this.columns.named("tier")?.counts.reduce((sum, some) => sum + some, 0) ?? 0;
    return styleOf({ by, collection, low, high, column: this.columns.of(by), tiered, shown: this.columns.passes() }, tokens(document.documentElement));
  }

  restyle() {
    if (!this.stage) return;
    this.style = this.styled(this.stage.facts);
    this.stage.restyle(this.style);
    const { colour, where } = this.app.state.get();
    const column = this.columns.named(colour);
    fill(this.marks, legend(this.style).map(({ parts, bin }) => {
      const words = parts.map((part) => (typeof part === "string" ? h("bdi", null, part) : part));
      if (!column || bin === undefined) return h("li", null, words);
      const open = where[column.name]?.includes(bin) ?? false;
      return h("li", null, h("button", { type: "button", class: "map-filter", "aria-pressed": String(open), onclick: () => this.columns.toggle(column, bin) }, words));
    }));
  }

  /** What is to be known of the disc. @param {string | null} why the dots did not move */
  describe(why = null) {
    const plain = this.stage?.painter.kind === "canvas" && this.stage.facts.count > PLAIN ? ` This browser has no WebGL 2: at most ${PLAIN.toLocaleString("en")} points are drawn.` : "";
    this.note.textContent = (why ?? (this.lens.climbs ? RINGS : LEVEL)) + plain;
  }

  /** All that is wanted is drawn. @param {number} count points */
  count(count) {
    const { stage } = this;
    if (!stage) return;
    const all = stage.facts.count;
    const [some, whole] = [count, all].map((value) => value.toLocaleString("en"));
    this.counted.textContent = count < all ? `${some} of ${whole} items are drawn: magnify to see the others.` : "";
    this.root.dataset.drawn = String(count);
    if (stage.painter.kind === "canvas") this.describe();
    stage.element.setAttribute("aria-label", `Disc of ${stage.lens.title}: ${whole} items around the root`);
    this.label(stage);
  }

  /** Name a few items in sight, which the pointer need not look for; once there is room, by their pictures. @param {Stage} stage */
  label(stage) {
    if (this.labelled === stage.version) return;
    this.labelled = stage.version;
    const { source } = this.app;
    const near = stage.camera.zoom > 1;
    const column = this.columns.of(this.app.state.get().colour);
    if (!near && column?.values && column.values.length <= REGIONS) {
      const places = regions(stage.tiles(), column.bin, column.values.length);
      const names = column.values.map((name, i) => ({ id: null, z: places[i], name, radius: null, centred: true }));
      this.names();
      return stage.show({ landmarks: names.filter(({ z }) => Number.isFinite(z[0])) });
    }
    const points = landmarks(stage.tiles(), stage.camera, near ? 2 * FIELDS : FIELDS).sort((a, b) => a.radius - b.radius);
    const some = points.filter(({ kind }) => near || !kind).slice(0, near ? FIELDS * FIELDS * 2 : LANDMARKS);
    const pictured = stage.camera.zoom >= PICTURED && source.can.pictures;
    const asked = source.items(some.map(({ id }) => id)).then((/** @type {any[]} */ items) => Promise.all(items.map(async (item) => {
      const url = pictured && item.image ? await Promise.resolve(source.thumbnail(item.id, 64)).catch(() => null) : null;
      return { ...item, url };
    })));
    this.names(asked, (items) => {
      const held = new Map(items.map((/** @type {any} */ item) => [item.id, item]));
      stage.show({ landmarks: some.flatMap(({ id, z }) => (held.has(id) ? [{ id, z, name: named(held.get(id)), radius: null, url: held.get(id).url }] : [])) });
    });
  }

  /** @param {string} mode */
  drag(mode) {
    this.mode = mode;
    this.root.classList.toggle("brushing", mode !== "move");
  }

  /** @param {[number, number][]} path @param {boolean} done */
  brush(path, done) {
    const polygon = this.mode === "rectangle" && path.length ? rectangle(path) : path;
    this.stage?.show({ brush: done || !polygon.length ? null : [...polygon] });
    if (!done || polygon.length < 3) return;
    const wide = (/** @type {number} */ axis) => Math.max(...polygon.map((at) => at[axis])) - Math.min(...polygon.map((at) => at[axis])) > 4;
    if (wide(0) && wide(1)) this.selection.region(polygon);
  }

  /** The camera looks where the state does. @param {any} state */
  follow({ centre, turn, zoom }) {
    clearTimeout(this.settling);
    this.at = JSON.stringify([centre, turn, zoom]);
    const { stage } = this;
    if (!stage) return;
    stage.step = undefined;
    stage.camera.look(centre, turn, zoom);
    stage.repaint();
  }

  /** The disc was moved: the URL follows when it rests. */
  moved() {
    const { stage } = this;
    this.inspector?.moved();
    clearTimeout(this.settling);
    this.settling = window.setTimeout(() => {
      if (!stage || stage !== this.stage) return;
      const { centre, zoom, isometry } = stage.camera;
      const patch = { centre: centre.map((value) => Number(value.toPrecision(7))), turn: isometry.turn, zoom };
      this.at = JSON.stringify([patch.centre, patch.turn, patch.zoom]);
      this.app.state.set(patch, { push: false });
    }, SETTLED);
  }

  /** Draw the ladder and what is chosen. @param {any} state */
  relate(state) {
    const { stage, relations } = this;
    if (!stage || !relations) return;
    const failed = (/** @type {Error} */ error) => {
      const { query, item } = this.app.state.get();
      if (query === state.query && item === state.item) this.fail(error);
    };
    this.related(relations.update(state, failed, this.revealed), (related) => {
      if (related.query?.z.join() !== stage.shown.related.query?.z.join()) stage.grow();
      stage.show({ related });
      const { item } = related;
      if (item && item.id !== this.seen && !stage.holds(item.z)) stage.centre(item.z);
      this.seen = item?.id;
    });
  }

  /** Draw the path of a query all the same that is far from everything. @param {any} state */
  reveal(state) {
    this.revealed = state.query;
    this.relate(state);
  }

  /** Show where an item of the ladder is. @param {string | undefined} id */
  light(id) {
    const rung = id && this.stage?.shown.related.path.find((each) => each.id === id);
    this.stage?.show({ hovered: rung ? rung.z : null });
  }

  /** @param {"png" | "svg"} type */
  save(type) {
    if (this.stage) this.saving(saveMap(this.app, this.stage, type), () => {}, (error) => this.fail(error));
  }

  /** Say what failed; where the items have changed, and the disc with them, begin anew. @param {Error & {status?: number}} error */
  fail(error) {
    if (error.status === 409 && this.stage) {
      this.remove();
      this.enter(this.lens);
      return;
    }
    if (this.failure.hidden || this.failure.textContent !== error.message) this.failure.textContent = error.message;
    this.failure.hidden = false;
    clearTimeout(this.forgetting);
    this.forgetting = window.setTimeout(() => (this.failure.hidden = true), 8000);
  }
}

function help() {
  const key = (/** @type {string} */ name) => h("kbd", null, name);
  return h("p", { class: "help", id: "map-help" },
    h("span", { class: "map-by-touch" }, "One finger scrolls the page, two move and magnify the disc. Tap a dot for its caption, tap it again to choose it. "),
    h("span", { class: "map-by-mouse" }, "Drag to move, turn the wheel to magnify, point at a dot for its caption, click to choose it, double-click to centre. "),
    "Keyboard, once the disc has the focus: arrows move it, ", key("+"), " ", key("−"), " magnify, ", key("0"), " shows all; ",
    key("n"), " ", key("p"), " step through the items in sight from the root outwards, ", key("Enter"), " chooses, ", key("c"), " centres.");
}
