// @ts-check
// The shell: it opens the collection, builds the query box and the screen, and says what went wrong.

import { Climb } from "./climb.js";
import { counted, failure, fill, h } from "./dom.js";
import { download } from "./files.js";
import { createQueryBox, queryOf } from "./search.js";
import { LiveSource, takeToken } from "./source.js";
import { createState } from "./state.js";
import { StaticSource } from "./static.js";
import { showTips } from "./tips.js";

const UNPICTURED = "No picture of these items may be shown: start the explorer with their folder (--images).";

const part = (id) => /** @type {any} */ (document.getElementById(id));

/** Open the collection and build the page; a page that cannot open says why. */
async function open() {
  const base = new URL(".", document.baseURI).href;
  const live = document.documentElement.dataset.source !== "static";
  try {
    const source = live ? new LiveSource(base, takeToken()) : new StaticSource(base);
    build(source, await source.collection());
  } catch (error) {
    console.warn(error);
    part("opening").textContent = /** @type {Error} */ (error).message;
    part("opening").classList.add("failed");
  }
}

function build(source, collection) {
  const state = createState(collection);
  const trouble = h("div", { role: "alert" });
  const root = h("div", { class: "climb" });
  const again = () => {
    if (root.contains(document.activeElement)) part("views").focus({ preventScroll: true });
    show(state.get(), null);
  };
  const app = { source, collection, state, announce, download, again };
  document.title = `${collection.title} · hiergeo explorer`;
  part("title").textContent = `Explorer of ${collection.title}`;
  fill(part("about"), h("bdi", null, collection.title), ` ${sizeOf(collection)}`);
  const example = collection.examples[0];
  const shown = state.get();
  if (example && !shown.query && !shown.item && !state.lost()) state.set({ query: queryOf(example) }, { push: false });
  const notes = [...collection.notices, ...(collection.pictures === false ? [UNPICTURED] : [])];
  const climb = new Climb(root, app, [createQueryBox(app), ...notes.map((note) => h("p", { class: "help notice" }, note))]);
  fill(part("views"), trouble, root);
  function show(now, before) {
    try {
      climb.update(now, before);
      fill(trouble);
    } catch (error) {
      console.warn(error);
      fill(trouble, failure(error, again));
    }
  }
  state.subscribe(show);
  part("options").addEventListener("click", () => {
    const open = document.documentElement.classList.toggle("options");
    part("options").setAttribute("aria-expanded", String(open));
  });
  part("skip").addEventListener("click", () => part("views").focus());
  showTips();
  part("opening").remove();
  show(state.get(), null);
}

function sizeOf(collection) {
  const told = [];
  if (collection.captions) told.push(counted(collection.captions, "caption"));
  if (collection.images) told.push(counted(collection.images, "picture"));
  const [items, kinds] = [counted(collection.items, "item"), told.join(", ")];
  return `· ${told.length > 1 ? `${items}: ${kinds}` : kinds || items}`;
}

function announce(text) {
  const live = part("live");
  live.textContent = live.textContent === text ? `${text}\u00a0` : text;
}

open();
