// @ts-check
// The shell: it opens the collection, builds the query box, tabs and the choice of spaces, and mounts a view when it is first shown.

import { counted, failure, fill, h } from "./dom.js";
import { download } from "./files.js";
import { createQueryBox, queryOf } from "./search.js";
import { LiveSource, takeToken } from "./source.js";
import { COLUMNS, createState } from "./state.js";
import { showTips } from "./tips.js";

const VIEWS = [
  { name: "climb", title: "Climb", load: () => import("./climb.js") },
  { name: "map", title: "Map", load: () => import("./map.js") },
];

const UNPICTURED = "No picture of these items may be shown: start the explorer with their folder (--images).";

const part = (id) => /** @type {any} */ (document.getElementById(id));

/** Open the collection and build the page; a page that cannot open says why. */
async function open() {
  const base = new URL(".", document.baseURI).href;
  try {
    const source =
      document.documentElement.dataset.source === "static"
        ? await staticSource(base)
        : new LiveSource(base, takeToken());
    const collection = await source.collection();
    build(source, collection);
  } catch (error) {
    part("opening").textContent = /** @type {Error} */ (error).message;
    part("opening").classList.add("failed");
  }
}

async function staticSource(base) {
  const { StaticSource } = await import("./static.js");
  return new StaticSource(base);
}

function build(source, collection) {
  const state = createState(collection);
  const again = () => panels.forEach((panel) => panel.again());
  const app = { source, collection, state, announce, download, again };
  document.title = `${collection.title} · hiergeo explorer`;
  part("title").textContent = `Explorer of ${collection.title}`;
  fill(part("about"), h("bdi", null, collection.title), ` ${sizeOf(collection)}`);
  const example = collection.examples[0];
  const shown = state.get();
  if (example && !shown.query && !shown.item && !state.lost()) state.set({ query: queryOf(example) }, { push: false });
  part("ask").append(createQueryBox(app));
  for (const notice of collection.notices) part("ask").append(h("p", { class: "help notice" }, notice));
  if (collection.pictures === false) part("ask").append(h("p", { class: "help", id: "unpictured" }, UNPICTURED));
  const panels = VIEWS.map((view) => createPanel(view, app));
  const tabs = createTabs(app);
  createSpaces(app);
  const show = (now, before) => {
    const held = now.view !== before.view && part("views").contains(document.activeElement);
    tabs.show(now.view);
    for (const panel of panels) panel.show(now);
    part("spaces").hidden = collection.lenses.length < 2 || now.view === "climb";
    if (now.view !== "climb" && part("ask").parentElement !== part("main")) part("main").insertBefore(part("ask"), part("bar"));
    if (held) part(`panel-${now.view}`).focus();
  };
  state.subscribe(show);
  part("options").addEventListener("click", () => {
    const open = document.documentElement.classList.toggle("options");
    part("options").setAttribute("aria-expanded", String(open));
  });
  part("skip").addEventListener("click", () => part(`panel-${state.get().view}`).focus());
  showTips();
  part("opening").remove();
  show(state.get(), state.get());
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

/** One view's panel: it loads the module when it is first shown, and contains its errors. */
function createPanel(view, app) {
  const body = h("div", { class: `view ${view.name}` });
  const trouble = h("div", { role: "alert" });
  const root = h(
    "section",
    { role: "tabpanel", id: `panel-${view.name}`, "aria-labelledby": `tab-${view.name}`, tabindex: -1, hidden: true },
    trouble,
    body,
  );
  part("views").append(root);
  /** @type {Promise<{update: Function} | null> | undefined} */
  let mounted;
  let last = null;

  function fail(error, told = error) {
    console.warn(error);
    fill(trouble, failure(told, again));
  }

  async function mount() {
    try {
      const { view: module } = await view.load();
      return await module.mount(body, app);
    } catch (error) {
      mounted = undefined;
      fail(error, new Error(`The view “${view.title}” cannot be shown here; the others go on.`));
      return null;
    }
  }

  async function show(now) {
    root.hidden = now.view !== view.name;
    if (root.hidden) return;
    mounted ??= mount();
    const shown = await mounted;
    const current = app.state.get();
    if (!shown || current.view !== view.name || current === last) return;
    const before = last;
    last = current;
    try {
      await shown.update(current, before);
      if (last === current) fill(trouble);
    } catch (error) {
      if (last !== current) return;
      last = null;
      fail(error);
    }
  }

  /** Ask anew for all that is shown. */
  function again() {
    if (root.contains(document.activeElement)) root.focus({ preventScroll: true });
    last = null;
    return show(app.state.get());
  }

  return { show, again };
}

function createTabs(app) {
  const list = part("tabs");
  const tabs = VIEWS.map(({ name, title }) =>
    h(
      "button",
      {
        type: "button",
        role: "tab",
        id: `tab-${name}`,
        "aria-controls": `panel-${name}`,
        onclick: () => app.state.set({ view: name }),
      },
      title,
    ),
  );
  list.append(...tabs);
  list.addEventListener("keydown", (event) => {
    const at = tabs.indexOf(event.target);
    const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: -1 }[event.key];
    if (at < 0 || to === undefined) return;
    event.preventDefault();
    const next = (to + tabs.length) % tabs.length;
    tabs[next].focus();
    app.state.set({ view: VIEWS[next].name }, { push: false });
  });
  return {
    show(name) {
      VIEWS.forEach((view, i) => {
        tabs[i].setAttribute("aria-selected", String(view.name === name));
        tabs[i].tabIndex = view.name === name ? 0 : -1;
      });
    },
  };
}

/** Which lenses are shown: at least one and at most `COLUMNS`. */
function createSpaces(app) {
  const { lenses } = app.collection;
  const boxes = lenses.map((lens) => h("input", { type: "checkbox", value: lens.key, onchange: choose }));
  const refresh = (now) => boxes.forEach((box) => (box.checked = now.lenses.includes(box.value)));

  function choose(event) {
    const chosen = boxes.filter((box) => box.checked).map((box) => box.value);
    if (chosen.length && chosen.length <= COLUMNS) return app.state.set({ lenses: chosen });
    event.target.checked = !event.target.checked;
    announce(chosen.length ? `At most ${COLUMNS} spaces are shown side by side.` : "At least one space is shown.");
  }

  part("spaces").append(
    ...lenses.map((lens, i) => h("label", null, boxes[i], h("span", null, h("bdi", null, lens.title)))),
  );
  app.state.subscribe(refresh);
  refresh(app.state.get());
}

open();
