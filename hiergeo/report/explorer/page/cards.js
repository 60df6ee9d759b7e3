// @ts-check
/** The ladder as cards: one for each step, the most general first, with its number on the disc, and the sentence about all. */

import { caption, counted, h, named, number, picture, shortened } from "./dom.js";
import { steps, verdict } from "./rungs.js";

/**
 * @typedef {import("./rungs.js").Rung} Rung
 * @typedef {{lens: any, ladder: any, open: boolean, unfold: () => void}} Shown  open: whether all steps are there
 */

/** Cards that are shown of a longer ladder, and of these how many at each of its ends. */
const [MOST, ENDS] = [7, 3];

/** Characters of a caption on a card, and of the name of a model. */
const [CAPTION, MODEL] = [110, 40];

/** Steps that the sentence names at most, characters of a name that it takes if there is one as short, and of all. */
const [NAMED, BRIEF, NAMES] = [3, 32, 56];

/** What a card says of a step by whether it is true, and its class. @type {Map<any, [string, string, string]>} */
const MARKS = new Map([[true, ["✓", "true", "yes"]], [false, ["✗", "not true", "no"]]]);

/** The steps of a ladder to a query; what is the query itself is none. @param {any} ladder @returns {Rung[]} */
export const climbed = (ladder) => steps(ladder).filter(({ hit }) => !hit?.is_query);

/** The steps of a ladder, and how many behind the first ones are left out of a long one unless all are open.
 * @param {any} ladder @param {boolean} open */
export function folded(ladder, open) {
  const rungs = climbed(ladder);
  const hidden = open || rungs.length <= MOST ? 0 : rungs.length - 2 * ENDS;
  return { rungs, first: hidden ? ENDS : rungs.length, hidden };
}

/** What a ladder is like, in a line: what is true of the query, the most specific first; steps count from the query.
 * @param {any} lens @param {Rung[]} rungs */
export function sentence(lens, rungs) {
  const wrong = rungs.flatMap(({ holds }, i) => (holds === false ? [rungs.length - i] : [])).reverse();
  const all = counted(rungs.length, "step");
  const last = wrong.at(-1);
  const told = wrong.length > 3 ? `${wrong.length} are wrong`
    : wrong.length ? `${wrong.length > 1 ? `steps ${wrong.slice(0, -1).join(", ")} and ${last} are` : `step ${last} is`} wrong`
    : rungs.length && rungs.every(({ holds }) => holds) ? "all true" : "";
  const known = rungs.flatMap(({ hit, holds }) => (holds && hit?.caption ? [hit.caption] : [])).reverse();
  const brief = known.filter((name) => name.length <= BRIEF);
  /** @type {string[]} */
  const names = brief.length ? [] : known.slice(0, 1);
  for (const name of brief) if (names.length < NAMED && [...names, name].join().length <= NAMES) names.push(name);
  const [model] = lens.title.split(" · ");
  const [first = "", ...others] = names;
  const begun = first ? `${[first.charAt(0).toUpperCase() + first.slice(1), ...others].join(", ")}: ${all}` : `${shortened(model, MODEL)} climbs this in ${all}`;
  return `${begun}${told && `, ${told}`}.`;
}

/** The cards of a ladder, those in the middle of a long one behind a button. @param {any} app @param {Shown} shown @returns {HTMLElement[]} */
export function cards(app, { lens, ladder, open, unfold }) {
  const { rungs, first, hidden } = folded(ladder, open);
  const list = rungs.map((rung, i) => card(app, rung, i, rungs.length));
  const more = h("button", { type: "button", class: "button small", "aria-label": `Show ${counted(hidden, "more step")}`, onclick: unfold }, `+${hidden}`);
  if (hidden) list.splice(first, hidden, h("li", { class: "fold" }, more));
  return [h("p", { class: "help" }, "The most general comes first."),
    h("ol", { class: "cards", reversed: true, "aria-label": `Steps in ${lens.title}, the most general first` }, list)];
}

/** @param {any} app @param {Rung} rung @param {number} i @param {number} all */
function card(app, { hit: held, holds }, i, all) {
  const hit = /** @type {import("./rungs.js").Hit} */ (held);
  const { words } = verdict(hit, false);
  const [sign, told, css] = MARKS.get(holds) ?? ["", "", ""];
  const made = h("li", { class: holds === false ? "climb-card wrong" : "climb-card", "data-id": hit.id },
    h("button", { type: "button", "aria-pressed": "false", onclick: () => app.state.set({ item: hit.id }) },
      h("span", { class: "badge", "aria-hidden": "true" }, all - i),
      hit.image && picture(app.source, hit.id, 64),
      h("span", { class: "body" },
        caption(named(hit), CAPTION),
        " ",
        h("span", { class: "hover numbers" }, words && h("span", null, words),
          `r ${number(hit.radius)} · angle ${number(hit.angle)} · margin ${number(hit.margin)} · distance ${number(hit.distance)}`)),
      sign && h("span", { class: `truth ${css}` }, h("span", { "aria-hidden": "true" }, sign), h("span", { class: "unseen" }, told))));
  made.style.setProperty("--turn", String((i + 1) / all));
  return made;
}
