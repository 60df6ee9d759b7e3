// @ts-check
/** The map: all items of a lens around the root, one panel a lens, with what moves, colours, selects and saves them. */

import { Selection } from "./brush.js";
import { caption, fill, h, named, number, picture } from "./dom.js";
import { latest } from "./latest.js";
import { Pace } from "./levels.js";
import { legend, rampBar, sample } from "./marks.js";
import { Panel } from "./panel.js";
import { saveMap } from "./mapfile.js";

/** Milliseconds after the last movement before the URL follows. */
const SETTLED = 350;

export const view = { name: "map", title: "Map", mount: (/** @type {any} */ root, /** @type {any} */ app) => new MapView(root, app) };

class MapView {
  /** @param {HTMLElement} root @param {any} app */
  constructor(root, app) {
    this.app = app;
    this.pace = new Pace();
    /** @type {Map<string, Panel>} */
    this.panels = new Map();
    this.drag = "move";
    this.together = true;
    this.active = "";
    /** Where the cameras look, as the state has it. */
    this.at = "";
    this.settling = 0;
    this.begin = latest();
    const { state, collection } = app;
    const colours = [...(collection.tiers ? ["tier"] : []), "radius", ...(collection.images && collection.captions ? ["kind"] : [])];
    this.colours = choice("Colour", "map-colour", colours, (colour) => state.set({ colour }));
    this.drags = choice("Drag to", "map-drag", ["move", "rectangle", "lasso"], (drag) => this.setDrag(drag));
    this.drags.show("move");
    this.selection = new Selection(app, () => this.current()?.stage ?? null);
    this.row = h("div", { class: "map-panels" });
    this.marks = h("ul", { class: "legend map-legend", "aria-label": "Marks" });
    this.chosen = h("section", { class: "map-about card", "aria-label": "Chosen item", hidden: true });
    this.help = h("p", { class: "help", id: "map-help" });
    root.append(this.controls(), h("div", { class: "map-body" },
      h("div", null, this.row, h("div", { class: "map-foot" }, this.marks,
        h("div", { class: "map-buttons", role: "group", "aria-label": "Save the picture" },
          button("Save PNG", null, () => this.save("png")),
          button("Save SVG", "Save SVG, with at most 20,000 points", () => this.save("svg"))))),
      h("div", { class: "map-side" }, this.chosen, this.selection.element, help(this.help))));
    const restyle = () => this.restyle();
    window.addEventListener("popstate", () => this.settling && this.follow(state.get()));
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", restyle);
    new MutationObserver(restyle).observe(document.documentElement, { attributes: true, attributeFilter: ["data-theme"] });
  }

  /** The panel that was used last. @returns {Panel | undefined} */
  current() {
    return this.panels.get(this.active) ?? this.panels.values().next().value;
  }

  controls() {
    const act = (/** @type {(stage: import("./stage.js").Stage) => void} */ does) => () => {
      const stage = this.current()?.stage;
      if (stage) does(stage);
    };
    const box = h("input", { type: "checkbox", checked: true, onchange: () => this.setTogether(box.checked) });
    this.joint = h("label", { class: "map-joint", hidden: true }, box, " move together");
    return h("div", { class: "map-bar optional" },
      this.colours.element, this.drags.element,
      h("div", { class: "map-buttons", role: "group", "aria-label": "View" },
        button("−", "Zoom out", act((stage) => stage.magnify(1 / 1.4))),
        button("+", "Zoom in", act((stage) => stage.magnify(1.4))),
        button("Reset", null, act((stage) => stage.reset())), this.joint));
  }

  /** @param {"png" | "svg"} type */
  async save(type) {
    const panel = this.current();
    if (!panel?.stage) return;
    try {
      await saveMap(this.app, panel.stage, type);
    } catch (error) {
      panel.fail(/** @type {Error} */ (error));
    }
  }

  /** @param {string} drag */
  setDrag(drag) {
    this.drag = drag;
    this.row.classList.toggle("brushing", drag !== "move");
  }

  /** @param {boolean} together */
  setTogether(together) {
    this.together = together;
    const panel = this.current();
    if (together && panel?.stage) this.moved(panel);
  }

  /** @param {any} state @param {any} before */
  update(state, before) {
    this.colours.show(state.colour);
    this.arrange(state.lenses);
    for (const panel of this.panels.values()) panel.update(state);
    if (looks(state) !== this.at) this.follow(state);
    if (!before || state.colour !== before.colour) this.restyle();
    if (!before || state.item !== before.item || state.lenses !== before.lenses) this.about(state.item);
  }

  /** One panel for every lens, in their order. @param {string[]} keys */
  arrange(keys) {
    if (keys.join() === [...this.panels.keys()].join()) return;
    const old = this.panels;
    this.panels = new Map(keys.map((key) => [key, old.get(key) ?? this.panel(key)]));
    for (const [key, panel] of old) if (!this.panels.has(key)) panel.close();
    this.row.replaceChildren(...[...this.panels.values()].map(({ figure }) => figure));
    this.row.dataset.count = String(this.panels.size);
    for (const { stage } of this.panels.values()) if (stage) stage.sharers = this.panels.size;
    this.joint.hidden = this.panels.size < 2;
    if (this.selection.marked && !keys.includes(this.selection.marked.lens.key)) this.selection.clear();
  }

  /** @param {string} key */
  panel(key) {
    const lens = this.app.collection.lenses.find((/** @type {any} */ each) => each.key === key);
    return new Panel(this.app, lens, {
      pace: this.pace,
      mode: () => this.drag,
      moved: (panel) => this.moved(panel),
      touched: (panel) => (this.active = panel.lens.key),
      opened: (panel) => this.opened(panel),
      leads: (panel) => panel === this.current(),
      region: (panel, polygon) => panel.stage && this.selection.region(panel.stage, polygon),
    });
  }

  /** A panel has its stage: it shows what the state says. @param {Panel} panel */
  opened(panel) {
    if (!panel.stage) return;
    panel.stage.sharers = this.panels.size;
    const state = this.app.state.get();
    this.look(panel, state);
    panel.update(state);
    this.restyle();
  }

  /** All cameras look where the state does; a movement that it does not have yet is given up. @param {any} state */
  follow(state) {
    clearTimeout(this.settling);
    this.settling = 0;
    this.at = looks(state);
    for (const panel of this.panels.values()) this.look(panel, state);
  }

  /** @param {Panel} panel @param {any} state */
  look({ stage }, state) {
    if (!stage) return;
    stage.step = undefined;
    stage.camera.look(state.centre, state.turn, state.zoom);
    stage.repaint();
  }

  /** A stage was moved: the others follow, and the URL when it rests. @param {Panel} panel */
  moved(panel) {
    const { stage } = panel;
    if (!stage) return;
    this.active = panel.lens.key;
    const { centre, zoom, isometry } = stage.camera;
    if (this.together)
      for (const other of this.panels.values()) {
        if (other === panel || !other.stage) continue;
        other.inspector?.moved();
        other.stage.camera.look(centre, isometry.turn, zoom);
        other.stage.changed(false);
      }
    clearTimeout(this.settling);
    this.settling = window.setTimeout(() => {
      this.settling = 0;
      const patch = { centre: centre.map((value) => Number(value.toPrecision(7))), turn: isometry.turn, zoom };
      this.at = looks(patch);
      this.app.state.set(patch, { push: false });
    }, SETTLED);
  }

  restyle() {
    const { collection } = this.app;
    for (const panel of this.panels.values()) panel.restyle();
    const style = [...this.panels.values()].find(({ stage }) => stage)?.style();
    if (!style) return;
    const written = (/** @type {number} */ value) => number(value, 2);
    fill(this.marks,
      style.by === "radius" ? h("li", null, rampBar(style, written)) : null,
      legend(style, collection).map(({ mark, text }) => h("li", null, sample(mark), h("bdi", null, text))),
      h("li", null, h("span", { class: "map-root-sample", "aria-hidden": "true" }, "+"), "root"));
  }

  /** What is chosen, beside the maps. @param {string | null} id */
  async about(id) {
    const wanted = this.begin();
    this.chosen.hidden = !id;
    if (!id) return;
    const { source, state } = this.app;
    try {
      const [item] = await source.items([id]);
      if (!wanted()) return;
      const shown = item ?? { id, caption: null };
      const radii = state.get().lenses.flatMap((/** @type {string} */ key) => {
        const radius = shown.radius?.[key];
        const title = this.app.collection.lenses.find((/** @type {any} */ lens) => lens.key === key)?.title;
        return typeof radius === "number" ? [h("dt", null, h("bdi", null, title)), h("dd", null, number(radius, 3))] : [];
      });
      fill(this.chosen,
        shown.image ? picture(source, id, 192) : null,
        h("p", { class: "map-caption" }, caption(named(shown))),
        radii.length ? h("p", { class: "map-facts" }, "Radius in") : null,
        radii.length ? h("dl", { class: "map-radii" }, radii) : null,
        h("p", { class: "map-buttons" },
          button("Centre", null, () => this.centre()),
          button("Ask from here", null, () => state.set({ query: { item: id } })),
          button("Clear", null, () => state.set({ item: null }))));
    } catch (error) {
      if (wanted()) fill(this.chosen, h("p", { class: "failed" }, /** @type {Error} */ (error).message));
    }
  }

  centre() {
    const stage = this.current()?.stage;
    const z = stage?.shown.related.item?.z;
    if (stage && z) stage.centre(z);
  }
}

/** Where a state looks, to tell whether it is another place. @param {any} state */
const looks = ({ centre, turn, zoom }) => JSON.stringify([centre, turn, zoom]);

/** @param {string} text @param {string | null} label @param {() => void} onclick */
const button = (text, label, onclick) => h("button", { type: "button", class: "button", "aria-label": label, title: label, onclick }, text);

/** A row of choices. @param {string} title @param {string} name @param {string[]} options @param {(value: any) => void} chosen */
function choice(title, name, options, chosen) {
  const inputs = options.map((value) => h("input", { type: "radio", name, value, onchange: () => chosen(value) }));
  const element = h("fieldset", { class: "switch map-choice", hidden: options.length < 2 }, h("legend", null, title),
    options.map((value, i) => h("label", null, inputs[i], h("span", null, value))));
  return { element, show: (/** @type {string} */ value) => inputs.forEach((input) => (input.checked = input.value === value)) };
}

/** @param {any} line */
function help(line) {
  const key = (/** @type {string} */ name) => h("kbd", null, name);
  fill(line,
    h("span", { class: "map-by-touch" }, "One finger scrolls the page, two move and magnify the map. Tap a point for its caption, tap it again to choose it. "),
    h("span", { class: "map-by-mouse" }, "Drag to move, turn the wheel to magnify, point at an item for its caption, click to choose it, double-click to centre. "),
    "Keyboard, once the map has the focus: arrows move it, ", key("+"), " ", key("−"), " magnify, ", key("0"), " shows all; ",
    key("n"), " ", key("p"), " step through the items in sight from the root outwards, ", key("Enter"), " chooses, ", key("c"), " centres.");
  return h("details", { class: "map-help", open: true }, h("summary", null, "How to use the map"), line);
}
