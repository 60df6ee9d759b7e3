// @ts-check
/** What a space is like, below its disc: the radii of each tier with the query among them, and the verdict of its audit. */

import { counted, failure, fill, h, number } from "./dom.js";
import { latest } from "./latest.js";
import { numbersTable } from "./numbers.js";
import { fitted, histogram } from "./plots.js";
import { radii, survey } from "./survey.js";

/** Pixels beyond which the strip is not stretched. */
const WIDEST = 1200;

const UNKNOWN = "Chains of captions, general to specific, would show whether radii follow them: name theirs by --data, or have them made by hiergeo chains build.";

export class Standing {
  /** @param {any} app */
  constructor(app) {
    this.app = app;
    this.answer = latest();
    /** The verdict; empty where none is known. */
    this.told = "";
    this.strip = h("div", { class: "strip" });
    this.verdict = h("summary");
    this.body = h("div", { class: "survey" });
    this.root = h("details", { class: "standing", ontoggle: () => this.ask() }, this.verdict, this.strip, this.body);
  }

  /** Show another space, or where another query lies in it. @param {any} lens @param {number | null} radius */
  show(lens, radius) {
    this.radius = radius;
    if (lens !== this.lens) {
      this.lens = lens;
      this.found = null;
      this.told = "";
      fill(this.strip, this.app.collection.tiers ? null : h("p", { class: "help" }, UNKNOWN));
      fill(this.verdict, "About this space");
      fill(this.body);
    }
    this.ask();
  }

  /** Ask for the audit where tiers are known or it is looked at; one that takes long goes on meanwhile. */
  ask() {
    const { app, lens } = this;
    if (this.found) return this.draw();
    if (!lens || !(app.collection.tiers || this.root.open)) return;
    if (!this.body.childElementCount) fill(this.body, h("p", { class: "help" }, "Measuring …"));
    return this.answer(app.source.audit(lens.key), (found) => {
      this.found = found;
      this.told = found.audit ? verdictOf(found.audit) : "";
      fill(this.verdict, this.told || "About this space");
      const answers = Object.values(found.audit?.answers ?? {}).map(({ sentence }) => h("li", null, sentence));
      fill(this.body,
        h("h2", { class: "unseen" }, "Audit"),
        answers.length > 0 && h("ul", { class: "answers", "aria-label": "Answers of the audit" }, answers, statistic(found.audit)),
        radii(found, lens, app),
        h("details", null, h("summary", null, "All findings and numbers"), survey(found, lens, app), numbersTable(found, lens, app)));
      this.draw();
    }, (error) => fill(this.body, failure(error, () => this.ask())));
  }

  /** The strip. */
  draw() {
    if (!this.found.tiers.length) return;
    if (this.redraw) this.redraw();
    else this.redraw = fitted(this.strip, (width) => (this.found ? strip(this.found, this.radius ?? null, width) : h("span")), WIDEST);
  }
}

/** What is said of pairs of captions by the word for their order. @type {Record<string, string>} */
const ORDER = {
  forward: "general before specific",
  reversed: "most are the wrong way round",
  none: "no more than by chance",
  unclear: "which may be chance",
};
/** What is said of captions of equal length. @type {Record<string, string>} */
const BEYOND = { yes: ", also among captions of equal length", no: ", but not among captions of equal length", unclear: "; among captions of equal length it is unclear" };

/** What is said of copies of the network without training. @type {Record<string, string>} */
const LEARNED = { yes: "; untrained copies do worse", no: "; untrained copies do as well", unclear: "; untrained copies may do as well" };

/** The share of pairs in the right order, of which a tie is half of one. @param {number} tau */
const right = (tau) => `${number(50 * (1 + tau), 1)}\u00a0%`;

/** What an audit found of the order of the tiers, in plain words; what counting words does better comes first. @param {any} audit */
function verdictOf({ numbers: { length_tau_d: words, tau_d }, answers: { order, beyond_length: beyond, learned } }) {
  if (!ORDER[order?.word]) return "All captions are equally general here.";
  if (words > order.high && beyond?.word !== "yes") return `Counting words puts ${right(words)} of pairs of captions in the right order, this space ${right(tau_d)}.`;
  return `${right(tau_d)} of pairs of captions are in the right order, ${ORDER[order.word]}${order.word === "forward" ? `${BEYOND[beyond?.word] ?? ""}${LEARNED[learned?.word] ?? ""}` : ""}.`;
}

/** What the verdict is by its name. @param {any} audit */
function statistic({ numbers: { length_tau_d: words, tau_d } }) {
  if (!Number.isFinite(tau_d)) return null;
  const alone = Number.isFinite(words) ? `; it is ${number(words, 3)} by the number of words alone` : "";
  return h("li", null, `A tau_d of ${number(tau_d, 3)} means that ${right(tau_d)} of pairs are in the right order, with ties as half${alone}.`);
}

/** The radii of each tier, general at the top, and a line at that of the query. @param {any} found @param {number | null} radius @param {number} width */
function strip({ tiers, radius: { edges } }, radius, width) {
  const [low, high] = [edges[0], edges[edges.length - 1]];
  return histogram({ width, edges, compact: true,
    rows: tiers.map((/** @type {any} */ { name, items, counts }) => ({ name, counts, css: "strip-tier", about: `${name}: ${counted(items, "item")}` })),
    x: { low, high, label: "radius" },
    label: `Radii from ${number(low)} to ${number(high)} by tier, the most general at the top${radius === null ? "" : `; your query is at ${number(radius)}`}.`,
    marks: radius === null ? [] : [{ at: Math.min(high, Math.max(low, radius)), name: "your query" }],
  });
}
