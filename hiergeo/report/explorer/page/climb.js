// @ts-check
/** The climb: what is asked, all items of a space on a disc with the way to it, and the steps of that way as cards. */

import { cards, climbed, sentence } from "./cards.js";
import { Disc } from "./disc.js";
import { caption, failure, fill, h, named, picture } from "./dom.js";
import { Drawer } from "./drawer.js";
import { latest } from "./latest.js";
import { preview } from "./photo.js";
import { spaceName } from "./rungs.js";
import { share } from "./share.js";
import { Standing } from "./standing.js";

/** Most general items that are offered where nothing is asked. */
const ROOTS = 7;

/** Characters of what is asked. */
const ASKED = 220;

const SENT = "It goes to the server that shows this page, which does not keep it.";
const INVITED = "Choose an item to climb from it.";
const FAR = "Nothing here is near your query.";
const FLAT = "Radii hardly differ in this space, so that there is no ladder.";

export class Climb {
  /** @param {HTMLElement} root @param {any} app @param {Node[]} box where queries are asked */
  constructor(root, app, box) {
    this.app = app;
    this.answer = latest();
    this.subjects = latest();
    this.subject = h("div", { class: "climb-subject" });
    /** What is asked, in words; empty where it has none. */
    this.words = "";
    this.sentence = h("p", { class: "climb-sentence" });
    this.shared = h("div", { class: "climb-shared" });
    this.ladder = h("section", { class: "climb-ladder", "aria-label": "Ladder" });
    this.drawer = new Drawer(app);
    this.disc = new Disc(app);
    this.standing = new Standing(app);
    this.spaces = this.choice();
    fill(root,
      h("div", { class: "climb-left" }, this.subject, this.sentence, box),
      h("div", { class: "climb-right" }, this.ladder, this.shared, this.drawer.root, this.disc.tools),
      h("div", { class: "climb-disc" }, this.spaces.element, this.disc.root, this.standing.root));
    for (const [name, on] of [["pointerover", true], ["pointerout", false], ["focusin", true], ["focusout", false]])
      this.ladder.addEventListener(String(name), (/** @type {Event} */ event) => {
        const card = /** @type {HTMLElement | null} */ (/** @type {Element} */ (event.target).closest("[data-id]"));
        this.disc.light(on ? card?.dataset.id : undefined);
      });
    root.addEventListener("keydown", (event) => {
      if (event.key !== "Escape") return;
      if (app.state.get().item) app.state.set({ item: null });
      else if (!this.disc.tools.hidden) this.disc.open(false);
    });
  }

  /** Which space is shown; nothing to choose where there is one. */
  choice() {
    const { collection, state } = this.app;
    const inputs = collection.lenses.map(({ key }) => h("input", { type: "radio", name: "climb-space", value: key, onchange: () => state.set({ lens: key }) }));
    const labels = collection.lenses.map((/** @type {any} */ lens, /** @type {number} */ i) =>
      h("label", { title: lens.title }, inputs[i], h("span", null, caption(spaceName(lens, collection.lenses), 60))));
    return {
      element: h("fieldset", { class: "switch climb-spaces", hidden: inputs.length < 2 }, h("legend", { class: "unseen" }, "Space"), labels),
      show: (/** @type {string} */ key) => inputs.forEach((/** @type {any} */ input) => (input.checked = input.value === key)),
    };
  }

  /** @param {any} state @param {any} before null where all is asked for anew */
  update(state, before) {
    const lens = this.app.collection.lenses.find((/** @type {any} */ each) => each.key === state.lens);
    const other = !before || state.lens !== before.lens;
    this.spaces.show(state.lens);
    this.disc.update(state, before, lens);
    if (!before || state.query !== before.query) this.name(state.query);
    if (other || state.item !== before.item) this.choose(state, before, lens);
    if (other || state.query !== before.query) this.climb(state, lens);
  }

  /** What is asked, large. @param {any} query */
  name(query) {
    const { source } = this.app;
    const drawn = (/** @type {any[]} */ ...parts) => fill(this.subject, parts);
    const text = (/** @type {string} */ words) => h("p", { class: "climb-words" }, caption(words, ASKED));
    const item = query && "item" in query ? source.items([query.item]) : null;
    return this.subjects(item, (items) => {
      const [asked] = items ?? [];
      this.words = (asked ? asked.caption : query?.text) ?? "";
      if (asked) drawn(asked.image && picture(source, asked.id, 192), (asked.caption || !source.can.pictures) && text(named(asked)));
      else if (query?.photo) drawn(preview(query.photo, query.name), h("p", { class: "help" }, caption(query.name, 60), `. ${SENT}`));
      else drawn(query?.text && text(query.text));
    }, () => drawn(text(`item ${query.item}`)));
  }

  /** @param {any} state @param {any} before @param {any} lens */
  choose(state, before, lens) {
    const { root } = this.drawer;
    const held = [this.ladder, root].some((each) => each.contains(document.activeElement));
    this.press(state.item);
    this.drawer.show(state.item, lens);
    if (!held || !before || state.item === before.item) return;
    if (state.item) root.focus();
    else (this.ladder.querySelector(`[data-id="${before.item}"] button`) ?? this.disc.stage?.element)?.focus();
  }

  /** Mark the card of the chosen item. @param {string | null} item */
  press(item) {
    for (const each of this.ladder.querySelectorAll(".climb-card"))
      each.firstElementChild?.setAttribute("aria-pressed", String(each.dataset.id === item));
  }

  /** Ask for the ladder, and show it. @param {any} state @param {any} lens */
  climb({ query }, lens) {
    const { app } = this;
    const asked = query ? app.source.ask("ladder", lens.key, query) : app.source.find(lens.key, ROOTS);
    this.ladder.setAttribute("aria-busy", "true");
    const nearest = query && !lens.climbs ? app.source.ask("neighbours", lens.key, query, { k: ROOTS }) : { hits: [] };
    return this.answer(Promise.all([asked, nearest]), ([found, { hits: near }]) => {
      this.ladder.removeAttribute("aria-busy");
      this.standing.show(lens, query ? found.query.radius : null);
      if (!query) return this.say(INVITED, this.offer(lens.climbs ? "The most general items:" : "Some of the items:", found));
      if (!lens.climbs) return this.say(FLAT, this.offer("Nearest to your query:", near.filter((/** @type {any} */ hit) => !hit.is_query)));
      this.steps(found, lens, false, found.query.far === true);
    }, (error) => {
      this.ladder.removeAttribute("aria-busy");
      if (this.standing.lens === lens) this.standing.show(lens, null);
      this.say("", h("div", { role: "alert" }, failure(error, app.again)));
    });
  }

  /** @param {any} ladder @param {any} lens @param {boolean} open @param {boolean} [far] */
  steps(ladder, lens, open, far = false) {
    const { app } = this;
    if (far) {
      const anyway = () => {
        this.steps(ladder, lens, open);
        this.disc.reveal(app.state.get());
      };
      return this.say(FAR, h("button", { type: "button", class: "button", onclick: anyway }, "Show the ladder all the same"));
    }
    const unfold = () => {
      this.steps(ladder, lens, true);
      this.ladder.querySelectorAll("button")[3]?.focus();
    };
    this.say(sentence(lens, climbed(ladder)), cards(app, { lens, ladder, open, unfold }));
    const { query, item } = app.state.get();
    this.press(item);
    const title = query.text ?? query.name ?? (this.words || `image ${query.item}`);
    const image = () => this.subject.querySelector("img");
    const pictures = (/** @type {string} */ id) => this.ladder.querySelector(`[data-id="${id}"] img`);
    fill(this.shared, share(app, { lens, ladder, query, title, words: () => this.words, image, pictures, verdict: () => this.standing.told }));
    this.ladder.classList.toggle("unfolded", open);
  }

  /** Items from which one can go on, under a line that says which they are. @param {string} which @param {any[]} items */
  offer(which, items) {
    const { state, source } = this.app;
    const enter = (/** @type {any} */ item) => () => state.set({ query: { item: item.id }, item: null });
    return [h("p", { class: "help" }, which),
      h("ol", { class: "cards" }, items.map((item) => h("li", { class: "climb-card", "data-id": item.id },
        h("button", { type: "button", onclick: enter(item) }, item.image && picture(source, item.id, 64), h("span", { class: "body" }, caption(named(item), 80))))))];
  }

  /** @param {string} words @param {...any} below */
  say(words, ...below) {
    this.sentence.textContent = words;
    fill(this.ladder, below);
    fill(this.shared);
    if (words) this.app.announce(words);
  }
}
