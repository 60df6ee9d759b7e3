// @ts-check
/** The audit: what the spaces in sight are like, in sentences and plots for each, and in numbers side by side. */

import { caption, failure, fill, h, isPhone } from "./dom.js";
import { numbersTable } from "./numbers.js";
import { survey } from "./survey.js";

export const view = {
  name: "audit",
  title: "Audit",

  /** @param {HTMLElement} root @param {any} app */
  mount(root, app) {
    /** @type {Map<string, {lens: any, root: HTMLElement, found: any}>} */
    const kept = new Map();
    /** @type {string[]} */
    let shown = [];
    const surveys = h("div", { class: "surveys" });
    const numbers = h("div");
    fill(root, surveys, h("details", { open: !isPhone() }, h("summary", null, h("h2", null, "Numbers")), numbers));

    /** The section of a lens, which fills itself when its audit is there. */
    function section(/** @type {string} */ key) {
      const lens = app.collection.lenses.find((/** @type {any} */ each) => each.key === key);
      const body = h("div", { "aria-busy": "true" }, h("p", { class: "empty" }, "Measuring …"));
      const heading = `audit-${key}`;
      const made = h("section", { class: "survey", "aria-labelledby": heading }, h("h2", { id: heading }, caption(lens.title, 80)), body);
      const entry = { lens, root: made, found: null };
      kept.set(key, entry);
      app.source.audit(key).then(
        (/** @type {any} */ found) => {
          entry.found = found;
          body.removeAttribute("aria-busy");
          fill(body, survey(found, lens, app));
          if (!shown.includes(key)) return;
          tabulate();
          app.announce(`${lens.title}: ${found.findings[0].sentence}`);
        },
        (/** @type {Error} */ error) => {
          kept.delete(key);
          body.removeAttribute("aria-busy");
          fill(body, h("div", { role: "alert" }, failure(error, app.again)));
        },
      );
      return entry;
    }

    function tabulate() {
      const found = shown.map((key) => kept.get(key)).filter((entry) => entry?.found);
      fill(numbers, found.length > 0 && numbersTable(/** @type {any} */ (found), app));
    }

    return {
      update(/** @type {any} */ state) {
        const same = shown.join() === state.lenses.join() && shown.every((key) => kept.has(key));
        if (same) return;
        shown = [...state.lenses];
        fill(surveys, shown.map((key) => (kept.get(key) ?? section(key)).root));
        tabulate();
      },
    };
  },
};
