// @ts-check
// The ladder view: a staircase of items for each space, from general to specific, on one axis of radii.

import { createChosen, createParents } from "./beside.js";
import { caption, counted, failure, fill, h, named, number, picture, s } from "./dom.js";
import { offers } from "./figure.js";
import { latest } from "./latest.js";
import { preview } from "./photo.js";
import { arrangeAll } from "./staircase.js";
import { added, comparison, shares, sharing, steps, verdict } from "./stairs.js";
import { equal } from "./state.js";

/** How the query is marked beside its ladder. */
const QUERY = "your query";

/** Characters of a caption beside its step. */
const CAPTION = 90;

/** Most general items that are offered where nothing is asked. */
const ROOTS = 12;

/** What is said instead of a ladder. */
const FAR = "Nothing here is near your query.";
const FLAT = "Radii hardly differ in this space, so that there is no ladder.";

export const view = { name: "ladder", title: "Ladder", mount };

function mount(root, app) {
  const summary = h("p", { class: "reading" });
  const switcher = h("select", { class: "field switcher", "aria-label": "Space that is shown", onchange: () => show(switcher.selectedIndex) });
  const columns = h("div", { class: "columns" });
  const saved = h("div", { class: "offers" });
  const chosen = createChosen(app);
  const empty = h("div", { class: "empty" });
  const whole = h("div", { class: "ladders" }, h("div", { class: "head" }, summary, saved), switcher, columns);
  fill(root, empty, h("div", { class: "split" }, whole, chosen.root));
  const begin = latest();
  /** Columns, each of the lenses whose ladders are equal. @type {any[]} */
  let shown = [];

  const laddered = () => shown.filter((each) => each.ladder && !each.far && each.lens.climbs);
  const every = (/** @type {any[]} */ columns) => columns.flatMap((each) => each.all);
  const arrange = () => {
    const drawn = laddered();
    if (drawn.length && columns.clientWidth) arrangeAll(drawn);
  };
  new ResizeObserver(arrange).observe(columns);
  columns.addEventListener("error", arrange, true); // a picture that is absent leaves its label lower
  columns.addEventListener("scroll", () => markSwitch(switcher, columns), { passive: true });
  for (const [name, on] of [
    ["pointerover", true],
    ["pointerout", false],
    ["focusin", true],
    ["focusout", false],
  ])
    columns.addEventListener(String(name), (event) => light(columns, event, Boolean(on)));

  root.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && app.state.get().item) app.state.set({ item: null });
  });

  async function update(now, before) {
    const held = root.contains(document.activeElement) ? /** @type {Element} */ (document.activeElement) : null;
    const place = Math.max(0, [...columns.children].findIndex((each) => each.contains(held)));
    const closed = !now.item && chosen.root.contains(held);
    chosen.show(now, every(shown));
    mark(columns, now.item);
    if (closed) (stepOf(columns, before?.item) ?? panel()).focus();
    if (before && equal(now.query, before.query) && equal(now.lenses, before.lenses) && now.by === before.by) return;
    const wanted = begin();
    empty.hidden = Boolean(now.query);
    whole.hidden = !now.query;
    if (!now.query) {
      shown = [];
      chosen.show(now, shown);
      await invite(app, empty, now.lenses[0], wanted);
      return;
    }
    whole.setAttribute("aria-busy", "true");
    const lenses = now.lenses.map((key) => app.collection.lenses.find((lens) => lens.key === key));
    let found;
    try {
      found = await climbed(app, lenses, now.query);
    } catch (error) {
      if (!wanted()) return;
      fill(columns);
      whole.hidden = true;
      throw error;
    } finally {
      if (wanted()) whole.removeAttribute("aria-busy");
    }
    if (!wanted()) return;
    shown = found;
    draw(app.state.get());
    const at = /** @type {Element} */ (document.activeElement);
    const lost = held && (at === document.body || !at.checkVisibility());
    if (lost) (columns.children[place] ?? columns.firstElementChild).querySelector("h2").focus();
  }

  const panel = () => root.closest("[role=tabpanel]");

  function draw(now) {
    const drawn = laddered();
    const ladders = every(drawn);
    const counts = shares(ladders.map((each) => each.ladder));
    const decide = ladders.map(({ lens }) => lens.cones.decide);
    fill(
      summary,
      drawn.length > 0 && [
        `Each step: the closest ${app.collection.images ? "caption or picture" : "caption"} at most this far from the root. `,
        decide.includes(true) && "✓ and a filled dot: this space says that the caption implies your query (margin ≥ 0). ",
        decide.includes(false) &&
          "“Closer than 99 % of pairs”: that share of random pairs of items is farther from entailing; nearly all cones are empty, so that there is no yes or no. ",
        "Margins and angles are in radians. ",
        drawn.some(({ ladder }) => ladder.rungs.some(added)) &&
          "“Adds …”: words that are not said of your query, so that the step is wrong unless they mean the same. ",
      ],
      h("b", null, comparison(counts, ladders.length)),
    );
    columns.style.setProperty("--columns", String(shown.length));
    columns.classList.toggle("single", shown.length === 1);
    fill(
      columns,
      shown.map((each) => column(app, each, counts, ladders.length, now, () => draw(app.state.get()))),
    );
    switcher.disabled = shown.length < 2;
    fill(
      switcher,
      shown.map((each, i) => h("option", null, `${shown.length > 1 ? `${i + 1} of ${shown.length}: ` : ""}${titleOf(each)}`)),
    );
    fill(saved, drawn.length > 0 && offers(app, ladders, now.query));
    columns.scrollLeft = 0;
    markSwitch(switcher, columns);
    arrange();
    chosen.show(now, every(shown));
    mark(columns, now.item);
    app.announce(shown.map(spoken).join(" "));
  }

  function show(place) {
    columns.scrollTo({ left: columns.children[place].offsetLeft - columns.offsetLeft });
  }

  return { update };
}

/** What to do where nothing is asked: an example, or one of the most general items. */
async function invite(app, empty, lens, current) {
  const asks = app.source.can.text
    ? "Write a description, drop a photo, or take an example"
    : "Find a caption, or take an example";
  fill(empty, h("p", null, `${asks}: the ladder climbs to it from the most general item.`));
  const roots = await app.source.roots(lens, ROOTS);
  if (!current() || !roots.length) return;
  const enter = (item) => app.state.set({ query: { item: item.id }, item: null });
  empty.append(
    h("p", null, "Or begin with what is nearest to the root:"),
    h(
      "p",
      { class: "roots" },
      roots.map((item) =>
        h("button", { type: "button", class: "button", onclick: () => enter(item) }, caption(named(item), 40)),
      ),
    ),
  );
}

/** The ladders of a query in some spaces, those that are equal in one column, or why a space has none. */
async function climbed(app, lenses, query) {
  const { answers, equal } = await app.source.search("ladder", lenses.map(({ key }) => key), query);
  return equal.map((keys) => {
    const all = keys.map((key) => ({ lens: lenses.find((lens) => lens.key === key), ladder: answers[key] }));
    const [{ lens, ladder }] = all;
    if (ladder.error) return { lens, all: [], error: new Error(ladder.error) };
    return { lens, all, ladder, far: ladder.query.far === true };
  });
}

/** The spaces of a column. */
const titleOf = ({ lens, all }) => (all.length ? all.map((each) => each.lens.title).join(" and ") : lens.title);

function spoken(each) {
  const [{ lens, ladder, error, far }, title] = [each, titleOf(each)];
  if (far) return `${title}: ${FAR}`;
  if (error) return `${title}: ${error.message}`;
  if (!lens.climbs) return `${title}: ${FLAT}`;
  const hits = steps(ladder).map((rung) => rung.hit);
  if (!hits.length) return `${title}: no step.`;
  return `${title}: ${counted(hits.length, "step")}, from ${named(hits[0]).slice(0, 80)} to ${named(hits[hits.length - 1]).slice(0, 80)}.`;
}

/** One space: its name, its staircase, facts of the search, and the way back up. */
function column(app, each, counts, all, now, redraw) {
  const { lens, ladder, error } = each;
  const name = h("h2", { id: `ladder-${lens.key}`, tabindex: -1 }, h("bdi", null, titleOf(each)));
  if (error)
    return h("section", { class: "column", "aria-labelledby": name.id }, name, failure(error, app.again));
  if (each.far) {
    const anyway = () => {
      each.far = false;
      redraw();
    };
    const why = " Its closest item is farther away than 99 % of the items here are from theirs: a ladder would say little.";
    const button = h("button", { type: "button", class: "button", onclick: anyway }, "Show the ladder all the same");
    return h("section", { class: "column far", "aria-labelledby": name.id }, name, h("p", null, h("b", null, FAR), why), button);
  }
  if (!lens.climbs) return h("section", { class: "column far", "aria-labelledby": name.id }, name, h("p", null, FLAT));
  const rungs = steps(ladder);
  const several = each.all.length > 1;
  const labels = rungs.map((rung) => step(app, rung, rung.hit.is_query ? "" : sharing(counts.get(rung.hit.id) ?? 0, all), several));
  each.labels = [...labels];
  each.radii = rungs.map(({ hit }) => hit.radius);
  if (!rungs.some(({ hit }) => hit.is_query)) {
    const place = rungs.filter(({ hit }) => hit.radius <= ladder.query.radius).length;
    each.labels.splice(place, 0, subject(ladder, now.query));
    each.radii.splice(place, 0, ladder.query.radius);
  }
  each.drawing = s("svg", { class: "stair", "aria-hidden": "true" });
  each.stage = h("div", { class: "stage" }, each.drawing, h("ol", { class: "steps" }, each.labels));
  return h(
    "section",
    { class: "column", "aria-labelledby": name.id },
    name,
    each.stage,
    each.all.map(({ lens }) => createParents(app, lens, now, several)),
  );
}

/** The label of a step: a button that chooses its item. Numbers that differ between its spaces are left out. */
function step(app, rung, mark, several) {
  const { hit, from, to } = rung;
  const { words, css } = verdict(hit, { numbers: !several });
  const wrong = added(rung);
  const tier = hit.tier === null || hit.tier === undefined || hit.tier < 0 ? null : app.collection.tiers?.[hit.tier];
  return h(
    "li",
    { class: `step${mark === "only here" ? " only" : ""}${hit.is_query ? " own" : ""}`, "data-id": hit.id },
    h(
      "button",
      { type: "button", onclick: () => app.state.set({ item: hit.id }) },
      hit.image && picture(app.source, hit.id, 64),
      h(
        "span",
        { class: "body" },
        h(
          "span",
          { class: "words" },
          caption(named(hit), CAPTION),
          tier && [" ", h("span", { class: `of tier${hit.tier % 4}` }, tier)],
          mark && [" ", h("span", { class: "tag mark" }, mark)],
          wrong && [" ", h("span", { class: "tag wrong" }, wrong)],
        ),
        " ",
        h(
          "span",
          { class: "numbers", title: `nearest for thresholds from ${number(from, 3)} to ${number(to, 3)}` },
          h("span", null, "r ", number(hit.radius)),
          words && h("span", { class: css }, words),
          !several && !hit.is_query && h("span", null, "angle ", number(hit.angle)),
        ),
      ),
    ),
  );
}

function subject(ladder, query) {
  const words = query.photo
    ? "your photo"
    : query.text !== undefined
      ? caption(query.text, CAPTION)
      : "the item itself";
  return h(
    "li",
    { class: "step query" },
    query.photo && preview(query.photo),
    h(
      "span",
      { class: "body" },
      h("span", { class: "words" }, words),
      " ",
      h("span", { class: "numbers" }, h("span", null, QUERY), h("span", null, "r ", number(ladder.query.radius))),
    ),
  );
}

/** Show where else the item of a step is. */
function light(columns, event, on) {
  const id = event.target.closest?.("[data-id]")?.dataset.id;
  if (id === undefined) return;
  for (const each of columns.querySelectorAll("[data-id]")) each.classList.toggle("lit", on && each.dataset.id === id);
}

/** The button of the step of an item. */
function stepOf(columns, item) {
  return columns.querySelector(`.step[data-id="${item}"] button`);
}

function mark(columns, item) {
  for (const each of columns.querySelectorAll(".step[data-id]"))
    each.firstElementChild.setAttribute("aria-pressed", String(each.dataset.id === item));
}

function markSwitch(switcher, columns) {
  switcher.selectedIndex = Math.round(columns.scrollLeft / Math.max(1, columns.clientWidth));
}
