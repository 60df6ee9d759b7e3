// @ts-check
// The review: which chains are shown and in which order, what keys and buttons do, and what is saved.
import { counted, fill, h } from "./dom.js";
import { got, posted } from "./api.js";
import { others, show } from "./chain.js";

const NAME = "hiergeo-reviewer";
const KEYS = "hiergeo-review-keys";
const FILTERS = {
  undecided: "undecided by me",
  all: "all",
  accept: "accepted by me",
  reject: "rejected by me",
  edited: "edited",
};
const STATES = ["undecided", "edited", "accept", "reject"];

const place = (id) => /** @type {HTMLElement} */ (document.getElementById(id));
const stored = (key) => {
  try {
    return localStorage.getItem(key);
  } catch {
    return null;
  }
};
const store = (key, value) => {
  try {
    localStorage.setItem(key, value);
  } catch {
    return;
  }
};

/** What is known and shown. */
const now = {
  me: stored(NAME) ?? "",
  all: /** @type {any} */ (null),
  row: /** @type {any} */ (null),
  filter: "undecided",
  doubtful: false,
  editing: false,
  rejecting: false,
  busy: false,
  message: /** @type {any} */ (null),
};

/** Rows that pass the filter, in order; the row in sight stays. */
function listed() {
  const { states, mine, doubts } = now.all;
  const passes = {
    undecided: (row) => mine[row] === 0,
    all: () => true,
    accept: (row) => mine[row] === 2,
    reject: (row) => mine[row] === 3,
    edited: (row) => now.all.edited.has(row) || states[row] === 1,
  }[now.filter];
  const rows = states.map((_, row) => row).filter((row) => passes(row) || row === now.row?.row);
  return now.doubtful ? rows.sort((a, b) => doubts[a] - doubts[b]) : rows;
}

function say(text) {
  place("live").textContent = text;
}

function draw() {
  drawBar();
  if (!now.me) return drawName();
  if (!now.row) return fill(place("chain"), h("p", { class: "opening" }, done()));
  const rows = listed();
  const at = rows.indexOf(now.row.row) + 1;
  const below = [h("div", { class: "actions" }, now.editing ? saving() : now.rejecting ? reasons() : deciding())];
  const beside = others(now.row, now.me);
  if (beside) below.unshift(beside);
  if (now.message) below.push(now.message);
  show(place("chain"), now.row, { of: `${at} of ${rows.length}`, editing: now.editing, me: now.me, mine: null }, below);
}

function done() {
  return now.filter === "undecided" ? "You have decided on every chain." : "No chain is left with this filter.";
}

function drawBar() {
  const { mine } = now.all;
  const decided = mine.filter((each) => each > 0).length;
  place("bar").hidden = !now.me;
  fill(
    place("bar"),
    h("label", { class: "progress" }, h("progress", { max: String(mine.length), value: decided }), ` ${decided} of ${mine.length} decided`),
    h("label", null, "Show ", choice()),
    now.all.scored &&
      h("label", null, h("input", { type: "checkbox", checked: now.doubtful, onchange: (event) => sorted(event.target.checked) }), " doubtful first"),
    h("span", { class: "who" }, "as ", button(now.me, "rename", () => renamed())),
    button("Export", "export", exported),
    button("?", "keys", help, "Help with keys"),
  );
}

function choice() {
  const options = Object.entries(FILTERS).map(([key, words]) => h("option", { value: key }, words));
  const select = h("select", { class: "field", id: "filter", onchange: (event) => filtered(event.target.value) }, options);
  select.value = now.filter;
  return select;
}

function button(words, id, act, label = null) {
  return h("button", { type: "button", class: "button", id, "aria-label": label, onclick: act }, words);
}

function drawName() {
  const field = h("input", { class: "field", id: "name", maxlength: "64", required: true, autocomplete: "username", value: now.me });
  const form = h(
    "form",
    { class: "card name", onsubmit: (event) => (event.preventDefault(), named(field.value)) },
    h("h2", null, "Who checks?"),
    h("p", null, "Decisions are kept with a name, so that two people can check the same chains and be compared."),
    h("label", null, "Your name ", field),
    " ",
    h("button", { class: "button", type: "submit" }, "Begin"),
  );
  fill(place("chain"), form);
  field.focus();
}

function deciding() {
  return [
    key("Accept", "a", () => decide("accept"), "good"),
    key("Reject", "r", () => set({ rejecting: true }, "#reasons button"), "bad"),
    key("Edit", "e", () => set({ editing: true }, "textarea")),
    key("Undo", "u", undo),
    key("Previous", "k", () => step(-1)),
    key("Next", "j", () => step(1)),
  ];
}

function reasons() {
  return h(
    "fieldset",
    { class: "reasons", id: "reasons" },
    h("legend", null, "Why is it rejected?"),
    now.all.reasons.map((reason, at) => key(reason, String(at + 1), () => decide("reject", reason))),
    key("Cancel", "Esc", () => set({ rejecting: false })),
  );
}

function saving() {
  return [key("Save", "Enter", save, "good"), key("Leave as it was", "Esc", () => set({ editing: false }))];
}

function key(words, name, act, kind = "") {
  return h("button", { type: "button", class: `button ${kind}`, "data-key": name, onclick: act }, words, " ", h("kbd", { "aria-hidden": "true" }, name));
}

/** Change what is shown, and put the focus on what a selector finds. */
function set(changes, focus = "") {
  Object.assign(now, { message: null, ...changes });
  draw();
  const target = focus ? place("chain").querySelector(focus) : place("chain");
  /** @type {any} */ (target)?.focus();
}

function failed(error) {
  const stale = error.status === 409;
  const again = stale ? [" ", button("Look again", "again", () => open(now.row.row))] : null;
  now.message = h("p", { class: "failed", role: "alert" }, error.message, again);
  const shown = place("chain").querySelector(".sides");
  shown?.querySelectorAll(".failed[role]").forEach((each) => each.remove());
  if (shown) shown.append(now.message);
  else fill(place("chain"), now.message);
}

/** Do one thing at a time; a failure is told and changes nothing. */
async function alone(act) {
  if (now.busy) return;
  now.busy = true;
  try {
    await act();
  } catch (error) {
    failed(error);
  } finally {
    now.busy = false;
  }
}

function took(answer) {
  const { row } = answer;
  const own = row.verdicts.find((each) => each.reviewer === now.me);
  now.all.states[row.row] = STATES.indexOf(row.state);
  now.all.mine[row.row] = own ? STATES.indexOf(own.kind) : 0;
  if (row.editor) now.all.edited.add(row.row);
  else now.all.edited.delete(row.row);
}

const decide = (kind, reason = "") =>
  alone(async () => {
    const { row, version } = now.row;
    took(await posted("decide", { row, version, reviewer: now.me, kind, reason }));
    say(`Row ${row} ${kind === "accept" ? "accepted" : "rejected"}.`);
    now.rejecting = false;
    await next(1);
  });

const undo = () =>
  alone(async () => {
    const answer = await posted("undo", { reviewer: now.me });
    if (!answer.row) return say("There is nothing to undo.");
    took(answer);
    now.row = answer.row;
    set({ editing: false, rejecting: false });
    say(`Undone: ${answer.undone} of row ${answer.row.row}.`);
  });

const save = () =>
  alone(async () => {
    const side = (name) => [...document.querySelectorAll(`textarea[data-side="${name}"]`)].map((each) => /** @type {any} */ (each).value);
    const negative = now.row.negative ? side("negative") : null;
    const { row, version } = now.row;
    const answer = await posted("edit", { row, version, reviewer: now.me, positive: side("positive"), negative });
    took(answer);
    now.row = answer.row;
    set({ editing: false });
    if (answer.warnings.length) {
      now.message = h("p", { class: "cautions", role: "alert" }, `Saved, but ${answer.warnings.join("; ")}.`);
      draw();
    }
    say(`Row ${row} saved.`);
  });

const exported = () =>
  alone(async () => {
    const { metrics } = await posted("export", {});
    now.message = h("p", { class: "note", role: "status" }, `${counted(metrics.accepted, "accepted chain")} written to reviewed.csv.`);
    draw();
    if (!now.row) place("chain").append(now.message);
  });

/** The row so many steps away in the list; past the end the first, so that what was passed over comes again. */
async function next(by) {
  const rows = listed();
  const at = rows.indexOf(now.row?.row);
  const left = rows.filter((row) => row !== now.row?.row || now.filter === "all");
  if (!left.length) {
    now.row = null;
    return set({});
  }
  const target = rows[(at + by + rows.length) % rows.length];
  await load(target === now.row?.row ? left[0] : target);
}

const step = (by) => alone(() => next(by));

async function load(row) {
  now.row = await got(`api/row/${row}`);
  remember(row);
  set({ editing: false, rejecting: false });
}

const open = (row) => alone(() => load(row));

function remember(row) {
  const told = new URLSearchParams(location.hash.slice(1));
  told.set("row", String(row));
  history.replaceState(null, "", `#${told}`);
}

const first = () =>
  alone(async () => {
    now.row = null;
    const rows = listed();
    if (rows.length) await load(rows[0]);
    else set({});
  });

function filtered(value) {
  now.filter = value;
  first().then(() => place("filter").focus());
}

function sorted(value) {
  now.doubtful = value;
  first();
}

const named = (name) =>
  alone(async () => {
    now.me = name.trim().replace(/\s+/g, " ");
    store(NAME, now.me);
    await begin();
  });

function renamed() {
  now.me = "";
  draw();
}

function help() {
  const keys = [
    ["a", "accept, and go on"],
    ["r", "reject, then 1 to 5 for the reason"],
    ["e", "edit the texts: Tab to the next one, Enter saves, Esc leaves them"],
    ["u", "undo your last decision, whatever row it was on"],
    ["j, k", "next, previous"],
    ["?", "this help"],
  ];
  const dialog = /** @type {HTMLDialogElement} */ (place("help"));
  const toggle = h("input", { type: "checkbox", checked: keyed(), onchange: (event) => store(KEYS, event.target.checked ? "on" : "off") });
  fill(
    dialog,
    h("h2", { id: "help-title" }, "Checking chains"),
    h("p", null, "A chain is good if every text says less than the next one and nothing that the picture denies, and if every negative contradicts the text beside it."),
    h("dl", { class: "keys" }, keys.map(([name, words]) => [h("dt", null, h("kbd", null, name)), h("dd", null, words)])),
    h("label", null, toggle, " use single keys"),
    h("p", { class: "help" }, "Every decision is saved at once. What others decided is shown once you have decided."),
    h("button", { type: "button", class: "button", onclick: () => dialog.close() }, "Close"),
  );
  dialog.showModal();
}

const keyed = () => stored(KEYS) !== "off";

addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || !now.all) return;
  const target = /** @type {HTMLElement} */ (event.target);
  if (place("help").hasAttribute("open")) return;
  const chosen = (name) => /** @type {any} */ (place("chain").querySelector(`[data-key="${name}"]`));
  if (event.key === "Escape" && chosen("Esc")) chosen("Esc").click();
  else if (event.key === "Enter" && target.matches("textarea")) save();
  else if (target.matches("input:not([type=checkbox]), textarea, select") || !keyed()) return;
  else if (event.key === "?") help();
  else if (event.key.length === 1 && chosen(event.key.toLowerCase())) chosen(event.key.toLowerCase()).click();
  else return;
  event.preventDefault();
});

async function begin() {
  now.all = await got(`api/review?reviewer=${encodeURIComponent(now.me)}`);
  now.all.edited = new Set(now.all.edited);
  place("about").textContent = `${now.all.folder}, ${now.all.split}`;
  document.title = `${now.all.folder} · hiergeo chains review`;
  now.row = null;
  if (!now.me) return draw();
  const wanted = Number(new URLSearchParams(location.hash.slice(1)).get("row") ?? NaN);
  const rows = listed();
  if (rows.length) await load(rows.includes(wanted) ? wanted : rows[0]);
  else set({});
}

alone(begin);
