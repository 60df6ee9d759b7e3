// @ts-check
// The query box: a text, a photo or an item; where nothing can be embedded it finds captions instead.

import { caption, counted, fill, h, named, picture } from "./dom.js";
import { latest } from "./latest.js";
import { hasCamera, prepared, snapshot, takePhotos } from "./photo.js";

/** Examples that are offered. */
const EXAMPLES = 5;

/** Captions that are found at most. */
const FOUND = 12;

/** Milliseconds without a key after which captions are looked for. */
const PAUSE = 180;

/** The query of an entry of `collection.examples`. */
export function queryOf(example) {
  return typeof example === "string" ? { text: example } : example;
}

/** What is said of a photo that was too large to be kept. */
const LOST = "The photo that was asked here was too large to be kept when the page was loaded again: choose it once more.";

/** Ask a query; one that is asked already is asked again. */
function ask(app, query) {
  if (!app.state.set({ query, item: null })) app.again();
}

/** The query box above all views. @param {any} app @returns {HTMLElement} */
export function createQueryBox(app) {
  const { source, collection, state } = app;
  const { text: asks, photo: sees } = source.can;
  const limits = collection.limits ?? {};
  const wording = asks ? (sees ? "Describe something, or drop a photo" : "Describe something") : "Find a caption";
  const input = h("input", {
    id: "query",
    class: "field",
    type: "text",
    placeholder: wording,
    "aria-label": asks ? "Query" : "Find a caption",
    autocomplete: "off",
    autocapitalize: "off",
    enterkeyhint: "search",
    maxlength: limits.text_characters ?? 4096,
    oninput: () => !asks && results.later(input.value),
    onkeydown: key,
  });
  const chooser = h("input", {
    type: "file",
    accept: "image/*",
    class: "unseen",
    tabindex: -1,
    "aria-label": "Photo",
    id: "photo",
    onchange: chosen,
  });
  const clear = h("button", { type: "button", class: "button clear", "aria-label": "Clear the query", onclick: () => empty() }, "×");
  const told = h("p", { class: "failed", role: "alert", hidden: true });
  /** A query that is being prepared, as a photo is or a caption that is looked for, gives way to any later one. */
  const answer = latest();
  const results = createResults(app, input, told, answer);
  const form = h(
    "form",
    { class: "ask", role: "search", onsubmit: submitted },
    h(
      "div",
      { class: "line" },
      h("div", { class: "entry" }, input, clear),
      sees && [
        h("button", { type: "button", class: "button photo", onclick: () => chooser.click() }, "Photo"),
        hasCamera() && h("button", { type: "button", class: "button photo lens", onclick: () => take(snapshot()) }, "Camera"),
        chooser,
      ],
      h("button", { type: "submit", class: "button go" }, asks ? "Climb" : "Find"),
    ),
    results.list,
    told,
    examples(app),
  );

  function submitted(event) {
    event.preventDefault();
    const text = input.value.trim();
    told.hidden = true;
    if (!text) return;
    if (!asks) return results.take();
    answer();
    ask(app, { text });
  }

  function key(event) {
    if (event.isComposing) return;
    if (!asks && results.key(event)) return;
    if (event.key !== "Escape") return;
    event.preventDefault();
    empty();
  }

  function empty() {
    answer();
    input.value = "";
    told.hidden = true;
    results.close();
    state.set({ query: null, item: null });
    input.focus();
    app.announce("The query is cleared.");
  }

  /** @param {Promise<File | Blob>} file */
  function take(file) {
    told.hidden = true;
    const query = file.then((some) => prepared(some, limits));
    answer(query, (made) => state.set({ query: made, item: null }), (error) => say(error.message));
  }

  function say(words) {
    told.textContent = words;
    told.hidden = false;
  }

  function chosen() {
    const [file] = chooser.files;
    chooser.value = "";
    if (file) take(Promise.resolve(file));
  }

  function refresh(now, before) {
    if (before && now.query === before.query) return;
    const query = now.query;
    answer();
    told.hidden = true;
    if (state.lost()) say(LOST);
    form.classList.toggle("asked", Boolean(query));
    input.value = query && "text" in query ? query.text : "";
    clear.hidden = !query;
  }

  if (sees) takePhotos((file) => take(Promise.resolve(file)));
  document.addEventListener("keydown", (event) => {
    const target = /** @type {Element} */ (event.target);
    if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey || target.closest("input:not([type=radio], [type=checkbox]), textarea, select"))
      return;
    event.preventDefault();
    input.focus();
    input.select();
  });
  state.subscribe(refresh);
  refresh(state.get(), null);
  return form;
}

function examples(app) {
  const offered = app.collection.examples
    .map(queryOf)
    .filter((each) => app.source.can.text || "item" in each)
    .slice(0, EXAMPLES);
  if (!offered.length) return null;
  const chips = offered.map((query) => {
    const words = h("span", null, query.about || ("text" in query ? caption(query.text, 60) : `item ${query.item}`));
    const chip = h("button", { type: "button", class: "button small chip", onclick: () => ask(app, query) }, words);
    if ("item" in query) describe(app, query, chip, words);
    return chip;
  });
  return h("p", { class: "examples optional" }, h("span", { class: "help" }, "Try "), chips);
}

async function describe(app, { item: id, about }, chip, words) {
  const [item] = await app.source.items([id]).catch(() => []);
  if (!item) return;
  chip.classList.toggle("pictured", Boolean(item.image && app.source.can.pictures));
  fill(chip, item.image && picture(app.source, id, 64), words);
  fill(words, about || caption(named(item), 60));
}

/** Captions that contain what is written, as a list below the box. */
function createResults(app, input, told, answer) {
  const list = h("ul", { class: "found", role: "listbox", id: "found", "aria-label": "Captions", hidden: true });
  let items = [];
  /** The text that they contain. */
  let of = "";
  let at = -1;
  let timer = 0;
  if (!app.source.can.text) {
    const roles = { role: "combobox", "aria-expanded": "false", "aria-controls": "found", "aria-autocomplete": "list" };
    for (const [name, value] of Object.entries(roles)) input.setAttribute(name, value);
  }

  function later(text) {
    answer();
    clearTimeout(timer);
    timer = setTimeout(() => look(text), PAUSE);
  }

  /** Show what contains a text; whether that is still wanted. */
  async function look(text) {
    clearTimeout(timer);
    if (!text.trim()) return close();
    return answer(app.source.find(app.state.get().lens, FOUND, text.trim()), (found) => {
      [items, of] = [found, text];
      show();
      app.announce(items.length ? `${counted(items.length, "caption")} found.` : "No caption contains this text.");
    }, (error) => {
      told.textContent = error.message;
      told.hidden = false;
    });
  }

  function show() {
    at = -1;
    const rows = items.map((item, i) =>
      h(
        "li",
        { role: "option", id: `found-${i}`, "aria-selected": "false", onclick: () => choose(i) },
        item.image && picture(app.source, item.id, 64),
        caption(named(item)),
      ),
    );
    fill(list, rows.length ? rows : h("li", { class: "help", role: "option", "aria-disabled": "true" }, "No caption contains this text."));
    list.hidden = false;
    input.setAttribute("aria-expanded", "true");
    input.removeAttribute("aria-activedescendant");
  }

  function close() {
    answer();
    clearTimeout(timer);
    items = [];
    list.hidden = true;
    if (input.hasAttribute("aria-expanded")) input.setAttribute("aria-expanded", "false");
    input.removeAttribute("aria-activedescendant");
  }

  function choose(place) {
    const { id } = items[place];
    close();
    input.value = "";
    ask(app, { item: id });
  }

  async function take() {
    const known = items.length > 0 && of === input.value;
    if ((known || (await look(input.value))) && items.length) choose(Math.max(at, 0));
  }

  /** Whether a key was for the list. */
  function key(event) {
    if (list.hidden) return false;
    if (event.key === "Escape") {
      event.preventDefault();
      close();
      return true;
    }
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!step || !items.length) return false;
    event.preventDefault();
    list.children[at]?.setAttribute("aria-selected", "false");
    at = (at + step + items.length + (at < 0 && step < 0 ? 1 : 0)) % items.length;
    list.children[at].setAttribute("aria-selected", "true");
    list.children[at].scrollIntoView({ block: "nearest" });
    input.setAttribute("aria-activedescendant", `found-${at}`);
    return true;
  }

  return { list, later, take, key, close };
}
