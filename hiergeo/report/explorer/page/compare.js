// @ts-check
/** Two lenses compared: what moved between them, and what they answer to the same query. */

import { differences, showDifferences } from "./differences.js";
import { failure, fill, h, shortened } from "./dom.js";
import { latest } from "./latest.js";
import { told } from "./moved.js";

/** Items in the table, and neighbours and children that are compared for each; an exported page has these. */
const [MOVERS, NEIGHBOURS] = [50, 10];

export const view = {
  name: "compare",
  title: "Compare",

  /** @param {HTMLElement} root @param {any} app */
  mount(root, app) {
    const { lenses } = app.collection;
    const trouble = h("div", { role: "alert" });
    const found = h("div", { class: "moved" });
    const answers = h("div", { class: "answers" });
    const [beginItems, beginAnswers] = [latest(), latest()];
    if (lenses.length < 2) {
      fill(root, h("p", { class: "empty" }, "This collection is seen in one space. Start it with a second geometry (-g) or a second source to compare two."));
      return { update() {} };
    }
    const pairOf = (/** @type {any} */ state) => state.against.map((/** @type {string} */ key) => lenses.find((/** @type {any} */ lens) => lens.key === key));

    const boxes = ["Compare", "against"].map((words, side) => {
      const change = (/** @type {Event} */ event) => {
        const against = [...app.state.get().against];
        against[side] = /** @type {HTMLSelectElement} */ (event.target).value;
        app.state.set({ against });
      };
      const options = lenses.map((/** @type {any} */ lens) => h("option", { value: lens.key }, shortened(lens.title, 70)));
      const select = h("select", { class: "field", onchange: change }, options);
      return { select, root: h("label", { class: "choice" }, h("span", null, words), select) };
    });
    const swap = () => app.state.set({ against: [...app.state.get().against].reverse() });
    const controls = h("div", { class: "controls optional" }, boxes.map((box) => box.root), h("button", { type: "button", class: "button", onclick: swap }, "Swap"));
    fill(root, controls, trouble, found, answers);

    async function show(/** @type {any} */ state) {
      const wanted = beginItems();
      const [a, b] = state.against;
      fill(trouble);
      found.removeAttribute("aria-busy");
      if (a === b) return fill(found, h("p", { class: "empty" }, "Choose two different spaces."));
      found.setAttribute("aria-busy", "true");
      if (!found.childElementCount) fill(found, h("p", { class: "empty" }, "Comparing all items …"));
      try {
        const moved = await app.source.moved(a, b, { k: NEIGHBOURS, count: MOVERS });
        if (!wanted()) return;
        fill(found, told(moved, pairOf(state), app));
        app.announce(moved.sentences[0]);
      } catch (error) {
        if (!wanted()) return;
        fill(found);
        fill(trouble, failure(/** @type {Error} */ (error), app.again));
      } finally {
        if (wanted()) found.removeAttribute("aria-busy");
      }
    }

    function answer(/** @type {any} */ state) {
      const wanted = beginAnswers();
      if (state.against[0] === state.against[1]) return fill(answers);
      return showDifferences(answers, differences(app, state, pairOf(state)), wanted, app.again);
    }

    return {
      async update(/** @type {any} */ state, /** @type {any} */ before) {
        const differ = (/** @type {string} */ name) => !before || JSON.stringify(before[name]) !== JSON.stringify(state[name]);
        const other = differ("against");
        boxes.forEach((box, side) => (box.select.value = state.against[side]));
        const query = other || before.query !== state.query || ["item", "by"].some(differ);
        await Promise.all([other && show(state), query && answer(state)]);
      },
    };
  },
};
