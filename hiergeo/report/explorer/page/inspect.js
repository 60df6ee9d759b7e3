// @ts-check
/**
 * What a point on a map is: a card beside it for the pointer, the same in words for the keyboard.
 *
 * Keyboard on a stage: arrows move, + and - magnify, 0 shows all, n and p (or Shift with the arrows) step through the points
 * in sight from the root outwards, Enter chooses, c centres.
 */

import { caption, fill, h, named, number, picture, shortened } from "./dom.js";
import { inSight, nearest } from "./grid.js";
import { latest } from "./latest.js";

/**
 * @typedef {import("./stage.js").Stage} Stage
 * @typedef {import("./grid.js").Found} Found
 * @typedef {{source: any, collection: any, state: any, announce: (text: string) => void}} App
 */

/** Pixels around the pointer in which a point is found; more for fingers. */
const NEAR = { mouse: 14, touch: 26 };

/** Points that can be stepped through at most. */
const LISTED = 400;

/** Milliseconds before the caption of a point under the pointer is asked for. */
const PATIENCE = 50;

export class Inspector {
  /** @param {App} app @param {Stage} stage */
  constructor(app, stage) {
    this.app = app;
    this.stage = stage;
    this.answer = latest();
    /** @type {Found | null} */
    this.found = null;
    /** @type {Found[]} */
    this.list = [];
    this.place = -1;
    this.version = -1;
    this.card = h("div", { class: "map-card", hidden: true, "aria-hidden": "true" });
    stage.element.append(this.card);
    stage.element.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => this.key(event));
    stage.element.addEventListener("blur", () => this.point(null));
  }

  /** Show what is near a pixel. @param {[number, number] | null} at @param {boolean} [touch] */
  hover(at, touch = false) {
    const found = at ? nearest(this.stage.tiles(), this.stage.camera, at, touch ? NEAR.touch : NEAR.mouse) : null;
    if (found?.id !== this.found?.id) this.point(found);
    return found;
  }

  /** Choose what is near a pixel; a finger chooses what it has shown before. @param {[number, number]} at @param {boolean} touch */
  tap(at, touch) {
    const before = this.found?.id;
    const found = this.hover(at, touch);
    if (found && (!touch || found.id === before)) this.app.state.set({ item: found.id });
  }

  /** Ring a point, and show its card after a while. @param {Found | null} found @param {number} [patience] milliseconds
   * @param {(item: any) => void} [told] */
  point(found, patience = PATIENCE, told = () => {}) {
    this.found = found;
    this.stage.element.classList.toggle("pointing", Boolean(found));
    this.stage.show({ hovered: found?.z ?? null });
    if (!found) this.card.hidden = true;
    return this.answer(found && this.item(found, patience), (item) => {
      if (!found) return;
      this.tell(found, item);
      told(item);
    }, this.stage.tell.failed);
  }

  /** @param {Found} found @param {number} patience @returns {Promise<any>} */
  async item(found, patience) {
    if (patience) await new Promise((go) => setTimeout(go, patience));
    if (found !== this.found) return null;
    const [item] = await this.app.source.items([found.id]);
    return item ?? { id: found.id, caption: null, image: found.kind === 1, tier: found.tier };
  }

  /** Fill the card and put it beside its point. @param {Found} found @param {any} item */
  tell(found, item) {
    const { card, stage } = this;
    fill(card,
      item.image ? picture(this.app.source, item.id, 192) : null,
      h("p", null, caption(named(item))),
      h("p", { class: "map-facts" }, this.facts(found)));
    card.hidden = false;
    const [x, y] = stage.camera.onScreen(found.z);
    const { offsetWidth: width, offsetHeight: height } = card;
    const left = x + 16 + width > stage.camera.width ? x - 16 - width : x + 16;
    card.style.left = `${Math.max(4, Math.min(stage.camera.width - width - 4, left))}px`;
    card.style.top = `${Math.max(4, Math.min(stage.camera.height - height - 4, y - height / 2))}px`;
  }

  /** @param {Found} found */
  facts({ radius, tier, kind }) {
    const tiers = this.app.collection.tiers;
    const named = tiers && tier >= 0 ? [tiers[tier]] : [];
    return [...named, kind ? "image" : "caption", `radius ${number(radius, 3)}`].join(" · ");
  }

  /** The view moved: the card does not lie beside its point any more. */
  moved() {
    if (!this.card.hidden) this.card.hidden = true;
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target !== this.stage.element) return;
    const { stage } = this;
    const { width, height } = stage.camera;
    const pan = (/** @type {number} */ x, /** @type {number} */ y) =>
      stage.drag([width / 2, height / 2], [width / 2 - 0.12 * width * x, height / 2 - 0.12 * height * y]);
    /** @type {Record<string, () => void>} */
    const plain = {
      ArrowLeft: () => pan(-1, 0),
      ArrowRight: () => pan(1, 0),
      ArrowUp: () => pan(0, -1),
      ArrowDown: () => pan(0, 1),
      "+": () => stage.magnify(1.3),
      "=": () => stage.magnify(1.3),
      "-": () => stage.magnify(1 / 1.3),
      "0": () => stage.reset(),
      n: () => this.step(1),
      p: () => this.step(-1),
      Enter: () => this.found && this.app.state.set({ item: this.found.id }),
      c: () => this.found && stage.centre(this.found.z),
      Escape: () => this.point(null),
    };
    /** @type {Record<string, () => void>} */
    const shifted = { ArrowRight: () => this.step(1), ArrowUp: () => this.step(1), ArrowLeft: () => this.step(-1), ArrowDown: () => this.step(-1) };
    const act = (event.shiftKey ? shifted[event.key] : undefined) ?? plain[event.key];
    if (!act) return;
    event.preventDefault();
    act();
  }

  /** Go to the next point in sight, and say what it is. @param {number} by */
  async step(by) {
    if (this.version !== this.stage.version) {
      this.list = inSight(this.stage.tiles(), this.stage.camera, LISTED);
      this.version = this.stage.version;
      this.place = this.list.findIndex(({ id }) => id === this.found?.id);
    }
    if (!this.list.length) return this.app.announce("No point is in sight.");
    this.place = Math.max(0, Math.min(this.list.length - 1, this.place + by));
    const [found, place] = [this.list[this.place], this.place];
    await this.point(found, 0, (item) => {
      const walked = this.list.length < LISTED ? `${this.list.length} in sight` : `the ${LISTED} in sight that are nearest to the root`;
      this.app.announce(`${shortened(named(item))}, ${this.facts(found)}, ${place + 1} of ${walked}`);
    });
  }
}
