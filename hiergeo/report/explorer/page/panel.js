// @ts-check
/** One lens on the map view: its title, its stage, what is said of its plane, and what went wrong. */

import { rectangle } from "./brush.js";
import { failure, fill, h, named } from "./dom.js";
import { listen } from "./gestures.js";
import { landmarks, nearest } from "./grid.js";
import { Inspector } from "./inspect.js";
import { latest } from "./latest.js";
import { styleOf, tokens } from "./marks.js";
import { PLAIN } from "./points.js";
import { Relations } from "./related.js";
import { Stage } from "./stage.js";

/**
 * @typedef {{pace: import("./levels.js").Pace, mode: () => string, moved: (panel: Panel) => void,
 *   touched: (panel: Panel) => void, opened: (panel: Panel) => void,
 *   leads: (panel: Panel) => boolean,
 *   region: (panel: Panel, polygon: [number, number][]) => void}} Host the view that holds the panels
 */

/** Fields along a side of a map, each of which may have one label beside those of the ladder, and labels of a whole map. */
const [FIELDS, LANDMARKS] = [4, 8];

const PLACING = "Placing the items on the map …";

export class Panel {
  /** @param {any} app @param {any} lens @param {Host} host */
  constructor(app, lens, host) {
    this.app = app;
    this.lens = lens;
    this.host = host;
    /** @type {Stage | null} */
    this.stage = null;
    this.waiting = h("div", { class: "map-waiting", tabindex: -1 }, PLACING);
    this.failure = h("p", { class: "failed", role: "alert", hidden: true });
    this.place = h("div", { class: "map-place" }, this.waiting);
    this.note = h("p", { class: "map-note" });
    this.counted = h("p", { class: "map-note" });
    this.figure = h("figure", { class: "map-panel" },
      h("figcaption", { class: "map-title" }, h("bdi", null, lens.title)), this.place, this.failure, this.counted, this.note);
    this.relations = new Relations(app.source, lens.key, (error) => this.fail(error));
    this.begin = latest();
    /** The picture that has labels. */
    this.labelled = -1;
    this.open();
  }

  async open() {
    this.broken = false;
    try {
      const facts = await this.app.source.map(this.lens.key);
      if (!this.closed) this.build(facts);
    } catch (error) {
      this.broken = true;
      fill(this.waiting, failure(/** @type {Error} */ (error), () => this.open()));
    }
  }

  /** @param {any} facts */
  build(facts) {
    const { app, host, lens } = this;
    this.facts = facts;
    const tell = {
      moved: () => this.moved(),
      failed: (/** @type {Error} */ error) => this.fail(error),
      drawn: (/** @type {number} */ count) => this.count(count),
    };
    const look = { pace: host.pace, style: this.style() };
    const stage = new Stage(app.source, lens, facts, look, tell);
    this.stage = stage;
    stage.element.setAttribute("aria-label", `Map of ${lens.title}: ${facts.count.toLocaleString("en")} items around the root`);
    stage.element.setAttribute("aria-describedby", "map-help");
    const inspector = new Inspector(app, stage);
    this.inspector = inspector;
    const held = this.waiting.contains(document.activeElement);
    this.waiting.replaceWith(stage.element);
    if (held) stage.element.focus();
    stage.element.addEventListener("pointerdown", () => host.touched(this));
    stage.element.addEventListener("focus", () => host.touched(this));
    listen(stage.element, {
      drag: (from, to) => stage.drag(from, to),
      magnify: (factor, at) => stage.magnify(factor, at),
      hover: (at) => inspector.hover(at),
      tap: (at, touch) => inspector.tap(at, touch),
      centre: (at) => stage.centre(nearest(stage.tiles(), stage.camera, at, 20)?.z ?? stage.camera.base(at)),
      brushing: () => host.mode() !== "move",
      brush: (path, done) => this.brush(path, done),
    });
    this.describe();
    host.opened(this);
  }

  /** The style of the points, from the state and the style sheet. */
  style() {
    const { app, facts } = this;
    return styleOf(app.state.get().colour, app.collection.tiers, facts, tokens(document.documentElement));
  }

  describe() {
    fill(this.note,
      "Nearer to the centre is more general: each ring holds a quarter of the items. Alike items lie in like directions. ",
      this.stage?.painter.kind === "canvas" ? `This browser has no WebGL 2: at most ${PLAIN.toLocaleString("en")} points are drawn.` : null);
  }

  /** All that is wanted is drawn. @param {number} count points */
  count(count) {
    const all = this.facts.count;
    const [some, whole] = [count, all].map((value) => value.toLocaleString("en"));
    this.counted.textContent = count < all ? `${some} of ${whole} items are drawn: magnify to see the others.` : "";
    this.figure.dataset.drawn = String(count);
    this.label();
  }

  /** Name a few captions in sight, which the pointer need not look for. */
  async label() {
    const { stage } = this;
    if (!stage || this.labelled === stage.version) return;
    this.labelled = stage.version;
    const wanted = this.begin();
    const most = stage.camera.zoom > 1 ? FIELDS * FIELDS : LANDMARKS;
    const points = landmarks(stage.tiles(), stage.camera, FIELDS).sort((a, b) => a.radius - b.radius).slice(0, most);
    const items = await this.app.source.items(points.map(({ id }) => id)).catch(() => []);
    if (!wanted() || stage !== this.stage) return;
    const names = new Map(items.map((/** @type {any} */ item) => [item.id, named(item)]));
    stage.show({ landmarks: points.flatMap(({ id, z }) => (names.has(id) ? [{ id, z, name: names.get(id), radius: null }] : [])) });
  }

  /** @param {[number, number][]} path @param {boolean} done */
  brush(path, done) {
    const polygon = this.host.mode() === "rectangle" && path.length ? rectangle(path) : path;
    this.stage?.show({ brush: done || !polygon.length ? null : [...polygon] });
    if (!done || polygon.length < 3) return;
    const [xs, ys] = [0, 1].map((axis) => polygon.map((at) => at[axis]));
    if (Math.max(...xs) - Math.min(...xs) > 4 && Math.max(...ys) - Math.min(...ys) > 4) this.host.region(this, polygon);
  }

  moved() {
    this.inspector?.moved();
    this.host.moved(this);
  }

  /** Follow the state. @param {any} state */
  update(state) {
    if (this.broken) this.open();
    this.relate(state);
  }

  /** @param {any} state */
  async relate(state) {
    if (!this.stage) return;
    const related = await this.relations.update(state);
    if (!related || this.closed) return;
    if (related.query?.z.join() !== this.stage.shown.related.query?.z.join()) this.stage.grow();
    this.stage.show({ related });
    const { item } = related;
    if (item && item.id !== this.seen && this.host.leads(this) && !this.stage.holds(item.z)) this.stage.centre(item.z);
    this.seen = item?.id;
  }

  restyle() {
    this.stage?.restyle(this.style());
  }

  /** The items have changed, and the map with them: begin anew. */
  reopen() {
    if (!this.stage) return;
    const held = this.stage.element.contains(document.activeElement);
    this.stage.close();
    this.stage.element.replaceWith(this.waiting);
    fill(this.waiting, PLACING);
    if (held) this.waiting.focus();
    this.stage = null;
    this.labelled = -1;
    this.relations = new Relations(this.app.source, this.lens.key, (error) => this.fail(error));
    this.open();
  }

  /** @param {Error & {status?: number}} error */
  fail(error) {
    if (error.status === 409) return this.reopen();
    if (this.failure.hidden || this.failure.textContent !== error.message) this.failure.textContent = error.message;
    this.failure.hidden = false;
    clearTimeout(this.forgetting);
    this.forgetting = window.setTimeout(() => (this.failure.hidden = true), 8000);
  }

  close() {
    this.closed = true;
    clearTimeout(this.forgetting);
    this.stage?.close();
    this.figure.remove();
  }
}
