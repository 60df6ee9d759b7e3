// @ts-check
/** The audit: what the spaces in sight are like, in sentences, plots and numbers. */

import { caption, fill, h } from "./dom.js";
import { survey } from "./survey.js";

export const view = {
  name: "audit",
  title: "Audit",

  /** @param {HTMLElement} root @param {any} app */
  mount(root, app) {
    /** @type {Map<string, HTMLElement>} */
    const kept = new Map();

    /** The section of a lens, which fills itself when its audit is there. */
    function section(/** @type {string} */ key) {
      const lens = app.collection.lenses.find((/** @type {any} */ each) => each.key === key);
      const body = h("div", { "aria-busy": "true" }, h("p", { class: "empty" }, "Measuring …"));
      const heading = `audit-${key}`;
      const made = h("section", { class: "survey", "aria-labelledby": heading }, h("h2", { id: heading }, caption(lens.title, 80)), body);
      app.source.audit(key).then(
        (/** @type {any} */ found) => {
          body.removeAttribute("aria-busy");
          fill(body, survey(found, lens, app));
          app.announce(`${lens.title}: ${found.sentences[0]}`);
        },
        (/** @type {Error} */ error) => {
          kept.delete(key);
          body.removeAttribute("aria-busy");
          fill(body, h("p", { class: "failed", role: "alert" }, error.message));
        },
      );
      return made;
    }

    return {
      update(/** @type {any} */ state, /** @type {any} */ before) {
        if (before && String(before.lenses) === String(state.lenses) && state.lenses.every((/** @type {string} */ key) => kept.has(key))) return;
        for (const key of state.lenses) if (!kept.has(key)) kept.set(key, section(key));
        fill(root, state.lenses.map((/** @type {string} */ key) => kept.get(key)));
      },
    };
  },
};
