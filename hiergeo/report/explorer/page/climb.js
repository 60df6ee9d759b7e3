// @ts-check
/** The climb: what is asked, all items of a space on a disc with the way to it, and the steps of that way as cards. */

import { cards, climbed, sentence } from "./cards.js";
import { Compared } from "./compare.js";
import { caption, failure, fill, h, named, picture } from "./dom.js";
import { Drawer } from "./drawer.js";
import { lastAnswer } from "./latest.js";
import { Pace } from "./levels.js";
import { Panel } from "./panel.js";
import { preview } from "./photo.js";
import { share } from "./share.js";
import { Standing } from "./standing.js";

/** Most general items that are offered where nothing is asked. */
const ROOTS = 7;

/** Milliseconds after the last movement before the URL follows. */
const SETTLED = 350;

/** Characters of what is asked. */
const ASKED = 220;

const FAR = "Nothing here is near your query.";
const FLAT = "Radii hardly differ in this space, so that there is no ladder.";

export const view = { name: "climb", title: "Climb", mount: (/** @type {HTMLElement} */ root, /** @type {any} */ app) => new Climb(root, app) };

class Climb {
  /** @param {HTMLElement} root @param {any} app */
  constructor(root, app) {
    this.app = app;
    this.answer = lastAnswer();
    this.subjects = lastAnswer();
    this.pace = new Pace();
    this.settling = 0;
    /** Where the camera looks, as the state has it. */
    this.at = "";
    this.subject = h("div", { class: "climb-subject" });
    this.slot = h("div", { class: "climb-ask" });
    this.sentence = h("p", { class: "climb-sentence" });
    this.shared = h("div", { class: "optional" });
    this.ladder = h("section", { class: "climb-ladder", "aria-label": "Ladder" });
    this.drawer = new Drawer(app);
    this.place = h("div", { class: "climb-place" });
    this.standing = new Standing(app);
    this.compared = new Compared(app);
    this.spaces = this.choice();
    const act = (/** @type {(stage: any) => void} */ does) => () => this.panel?.stage && does(this.panel.stage);
    const button = (/** @type {string} */ sign, /** @type {string} */ label, /** @type {(stage: any) => void} */ does) =>
      h("button", { type: "button", class: "button", "aria-label": label, title: label, onclick: act(does) }, sign);
    this.zoom = h("div", { class: "climb-zoom", role: "group", "aria-label": "Disc" },
      button("−", "Zoom out", (stage) => stage.magnify(1 / 1.4)),
      button("+", "Zoom in", (stage) => stage.magnify(1.4)),
      button("Reset", "Show the whole disc", (stage) => stage.reset()));
    fill(root,
      h("div", { class: "climb-left" }, this.subject, this.slot, this.sentence, this.shared),
      h("div", { class: "climb-right" }, this.ladder, this.drawer.root),
      h("div", { class: "climb-disc" }, this.spaces.element, this.place, this.standing.root, this.compared.root));
    for (const [name, on] of [["pointerover", true], ["pointerout", false], ["focusin", true], ["focusout", false]])
      this.ladder.addEventListener(String(name), (/** @type {Event} */ event) => this.light(event, Boolean(on)));
    root.addEventListener("keydown", (event) => {
      if (event.key === "Escape" && app.state.get().item) app.state.set({ item: null });
    });
    const restyle = () => this.panel?.restyle();
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", restyle);
    new MutationObserver(restyle).observe(document.documentElement, { attributes: true, attributeFilter: ["data-theme"] });
  }

  /** Which space is shown; nothing to choose where there is one. */
  choice() {
    const { collection, state } = this.app;
    const choose = (/** @type {string} */ key) => {
      const others = state.get().lenses.filter((/** @type {string} */ each) => each !== key);
      state.set({ lenses: [key, ...others] });
    };
    const inputs = collection.lenses.map(({ key }) => h("input", { type: "radio", name: "climb-space", value: key, onchange: () => choose(key) }));
    const labels = collection.lenses.map(({ title }, /** @type {number} */ i) => h("label", null, inputs[i], h("span", null, caption(title, 60))));
    return {
      element: h("fieldset", { class: "switch climb-spaces", hidden: inputs.length < 2 }, h("legend", { class: "unseen" }, "Space"), labels),
      show: (/** @type {string} */ key) => inputs.forEach((/** @type {any} */ input) => (input.checked = input.value === key)),
    };
  }

  /** @param {any} state @param {any} before */
  async update(state, before) {
    const key = state.lenses[0];
    const lens = this.app.collection.lenses.find((/** @type {any} */ each) => each.key === key);
    const other = this.panel?.lens !== lens;
    const asked = !before || other || state.query !== before.query || state.by !== before.by;
    this.spaces.show(key);
    const box = document.getElementById("ask");
    if (box && box.parentElement !== this.slot) this.slot.append(box);
    if (other) this.enter(lens);
    this.compared.show(lens);
    if (JSON.stringify([state.centre, state.turn, state.zoom]) !== this.at) this.follow(state);
    this.panel?.update(state);
    if (!before || state.query !== before.query) this.name(state.query);
    if (asked || state.item !== before.item) this.choose(state, before, lens, other);
    if (asked) await this.climb(state, lens);
  }

  /** Show another space. @param {any} lens */
  enter(lens) {
    this.panel?.close();
    this.panel = new Panel(this.app, lens, {
      pace: this.pace,
      mode: () => "move",
      moved: (panel) => this.moved(panel),
      touched: () => {},
      opened: (panel) => {
        this.follow(this.app.state.get());
        panel.update(this.app.state.get());
      },
      leads: () => true,
      region: () => {},
    });
    this.panel.place.append(this.zoom);
    fill(this.place, this.panel.figure);
  }

  /** The camera looks where the state does. @param {any} state */
  follow({ centre, turn, zoom }) {
    clearTimeout(this.settling);
    this.at = JSON.stringify([centre, turn, zoom]);
    const stage = this.panel?.stage;
    if (!stage) return;
    stage.step = undefined;
    stage.camera.look(centre, turn, zoom);
    stage.repaint();
  }

  /** The disc was moved: the URL follows when it rests. @param {Panel} panel */
  moved({ stage }) {
    clearTimeout(this.settling);
    this.settling = window.setTimeout(() => {
      if (!stage || stage !== this.panel?.stage) return;
      const { centre, zoom, isometry } = stage.camera;
      const patch = { centre: centre.map((value) => Number(value.toPrecision(7))), turn: isometry.turn, zoom };
      this.at = JSON.stringify([patch.centre, patch.turn, patch.zoom]);
      this.app.state.set(patch, { push: false });
    }, SETTLED);
  }

  /** What is asked, large. @param {any} query */
  async name(query) {
    const { source } = this.app;
    const drawn = (/** @type {any[]} */ ...parts) => fill(this.subject, parts);
    const text = (/** @type {string} */ words) => h("p", { class: "climb-words" }, caption(words, ASKED));
    const item = query && "item" in query ? source.items([query.item]) : null;
    await this.subjects(item, (items) => {
      if (items?.[0]) drawn(items[0].image && picture(source, items[0].id, 192), text(named(items[0])));
      else if (query?.photo) drawn(preview(query.photo, query.name));
      else drawn(query?.text && text(query.text));
    }, () => drawn(text(`item ${query.item}`)));
  }

  /** @param {any} state @param {any} before @param {any} lens @param {boolean} other */
  choose(state, before, lens, other) {
    const { root } = this.drawer;
    const held = [this.ladder, root].some((each) => each.contains(document.activeElement));
    for (const each of this.ladder.querySelectorAll(".climb-card"))
      each.firstElementChild?.setAttribute("aria-pressed", String(each.dataset.id === state.item));
    if (other || !before || state.item !== before.item) this.drawer.show(state.item, lens);
    if (!held || !before || state.item === before.item) return;
    if (state.item) root.focus();
    else (this.ladder.querySelector(`[data-id="${before.item}"] button`) ?? this.panel?.stage?.element)?.focus();
  }

  /** Ask for the ladder, and show it. @param {any} state @param {any} lens */
  async climb({ query, by }, lens) {
    const { app } = this;
    const asked = query ? app.source.ask("ladder", lens.key, query, { by }) : app.source.roots(lens.key, ROOTS);
    this.ladder.setAttribute("aria-busy", "true");
    await this.answer(asked, (found) => {
      this.ladder.removeAttribute("aria-busy");
      if (found?.error) return this.say("", failure({ ...found, message: found.error }, app.again));
      this.standing.show(lens, query ? found.query.radius : null);
      if (!query) return this.invite(found);
      if (!lens.climbs) return this.say(FLAT);
      this.steps(found, lens, false, found.query.far === true);
    }, (error) => {
      this.ladder.removeAttribute("aria-busy");
      this.say("", failure(error, app.again));
    });
  }

  /** @param {any} ladder @param {any} lens @param {boolean} open @param {boolean} [far] */
  steps(ladder, lens, open, far = false) {
    const { app } = this;
    if (far) {
      const anyway = () => this.steps(ladder, lens, open);
      return this.say(FAR, h("button", { type: "button", class: "button", onclick: anyway }, "Show the ladder all the same"));
    }
    const unfold = () => {
      this.steps(ladder, lens, true);
      this.ladder.querySelectorAll("button")[3]?.focus();
    };
    this.say(sentence(lens, climbed(ladder)), cards(app, { lens, ladder, open, unfold }));
    const { query } = app.state.get();
    const title = query.text ?? query.name ?? (this.subject.textContent || `item ${query.item}`);
    const image = () => this.subject.querySelector("img");
    fill(this.shared, share(app, { lens, ladder, query, title, image, verdict: () => this.standing.told }));
    this.ladder.classList.toggle("unfolded", open);
  }

  /** What to do where nothing is asked: the most general items. @param {any[]} items */
  invite(items) {
    const { state, source } = this.app;
    const enter = (/** @type {any} */ item) => () => state.set({ query: { item: item.id }, item: null });
    this.say("", h("p", { class: "help" }, "The most general items:"),
      h("ol", { class: "cards" }, items.map((item) => h("li", { class: "climb-card", "data-id": item.id },
        h("button", { type: "button", onclick: enter(item) }, item.image && picture(source, item.id, 64), h("span", { class: "body" }, caption(named(item), 80)))))));
  }

  /** @param {string} words @param {...any} below */
  say(words, ...below) {
    this.sentence.textContent = words;
    fill(this.ladder, below);
    fill(this.shared);
    if (words) this.app.announce(words);
  }

  /** Show where a card is on the disc. @param {Event} event @param {boolean} on */
  light(event, on) {
    const card = /** @type {HTMLElement | null} */ (/** @type {Element} */ (event.target).closest("[data-id]"));
    const stage = this.panel?.stage;
    const rung = card && stage?.shown.related.path.find(({ id }) => id === card.dataset.id);
    stage?.show({ hovered: on && rung ? rung.z : null });
  }
}
