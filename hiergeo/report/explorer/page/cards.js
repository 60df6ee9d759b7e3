// @ts-check
/** The ladder as cards: one for each step, the most general first, with its number on the disc, and the sentence about all. */

import { caption, counted, h, named, number, picture, shortened } from "./dom.js";
import { added, steps, verdict } from "./rungs.js";

/**
 * @typedef {import("./rungs.js").Rung} Rung
 * @typedef {{lens: any, ladder: any, open: boolean, unfold: () => void}} Shown  open: whether all steps are there
 */

/** Cards that are shown of a longer ladder, and of these how many at each of its ends. */
const [MOST, ENDS] = [7, 3];

/** Characters of a caption on a card, and of the name of a model. */
const [CAPTION, MODEL] = [110, 40];

const FIRST = "The most general comes first.";
const RANKED = `${FIRST} Percentages: closer to “the query is one of these” than that share of random pairs.`;

/** The steps of a ladder to a query; what is the query itself is none. @param {any} ladder @returns {Rung[]} */
export const climbed = (ladder) => steps(ladder).filter(({ hit }) => !hit?.is_query);

/** The steps of a ladder, and how many behind the first ones are left out of a long one unless all are open.
 * @param {any} ladder @param {boolean} open */
export function folded(ladder, open) {
  const rungs = climbed(ladder);
  const hidden = open || rungs.length <= MOST ? 0 : rungs.length - 2 * ENDS;
  return { rungs, first: hidden ? ENDS : rungs.length, hidden };
}

/** What a ladder is like, in at most twelve words; steps count from the query. @param {any} lens @param {Rung[]} rungs */
export function sentence(lens, rungs) {
  const wrong = rungs.flatMap((rung, i) => (added(rung) ? [rungs.length - i] : [])).reverse();
  const [model] = lens.title.split(" · ");
  const climbs = `${shortened(`${model.charAt(0).toUpperCase()}${model.slice(1)}`, MODEL)} climbs this in ${counted(rungs.length, "step")}`;
  if (!wrong.length) return `${climbs}.`;
  if (wrong.length > 3) return `${climbs}; ${wrong.length} are wrong.`;
  const last = wrong.pop();
  return `${climbs}; ${wrong.length ? `steps ${wrong.join(", ")} and ${last} are` : `step ${last} is`} wrong.`;
}

/** The cards of a ladder, those in the middle of a long one behind a button. @param {any} app @param {Shown} shown @returns {HTMLElement[]} */
export function cards(app, { lens, ladder, open, unfold }) {
  const { rungs, first, hidden } = folded(ladder, open);
  const list = rungs.map((rung, i) => card(app, rung, i, rungs.length));
  const more = h("button", { type: "button", class: "button small", "aria-label": `Show ${counted(hidden, "more step")}`, onclick: unfold }, `+${hidden}`);
  if (hidden) list.splice(first, hidden, h("li", { class: "fold" }, more));
  const ranked = rungs.some((rung) => rung.hit && verdict(rung.hit).mark && !added(rung));
  return [h("p", { class: "help" }, ranked ? RANKED : FIRST),
    h("ol", { class: "cards", reversed: true, "aria-label": `Steps in ${lens.title}, the most general first` }, list)];
}

/** @param {any} app @param {Rung} rung @param {number} i @param {number} all */
function card(app, rung, i, all) {
  const hit = /** @type {import("./rungs.js").Hit} */ (rung.hit);
  const wrong = added(rung);
  const { words, css, mark } = verdict(hit, false);
  const short = wrong || !mark ? wrong || words : [h("span", { "aria-hidden": "true" }, mark), h("span", { class: "unseen" }, words)];
  const made = h("li", { class: wrong ? "climb-card wrong" : "climb-card", "data-id": hit.id },
    h("button", { type: "button", "aria-pressed": "false", onclick: () => app.state.set({ item: hit.id }) },
      h("span", { class: "badge", "aria-hidden": "true" }, all - i),
      hit.image && picture(app.source, hit.id, 64),
      h("span", { class: "body" },
        caption(named(hit), CAPTION),
        " ",
        h("span", { class: wrong ? "no" : css }, short),
        " ",
        h("span", { class: "hover numbers" }, mark && h("span", { "aria-hidden": "true" }, words),
          `r ${number(hit.radius)} · angle ${number(hit.angle)} · margin ${number(hit.margin)} · distance ${number(hit.distance)}`))));
  made.style.setProperty("--turn", String((i + 1) / all));
  return made;
}
