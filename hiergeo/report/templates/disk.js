"use strict";
(() => {
  const explorer = document.querySelector(".explorer");
  if (!explorer) return;
  const NEAR = 26;
  const SVG = "http://www.w3.org/2000/svg";
  const chains = [...document.querySelectorAll("#chains > li")].map((item) => ({
    captions: [...item.querySelectorAll("ol > li")].map((caption) => caption.textContent),
    picture: item.querySelector("img")?.src,
  }));
  const facts = explorer.querySelector(".facts");
  const views = [...explorer.querySelectorAll(".view")].map(read);
  const now = { view: 0, chain: 0, step: 0 };

  function read(figure) {
    const svg = figure.querySelector(".disk");
    const points = [...svg.querySelectorAll("use[data-chain]")].map((mark) => ({
      mark,
      chain: Number(mark.dataset.chain),
      x: Number(mark.getAttribute("x")),
      y: Number(mark.getAttribute("y")),
      radius: mark.dataset.r,
    }));
    const root = svg.viewBox.baseVal.width / 2;
    const lit = element("g", { class: "lit" });
    svg.append(lit);
    const of = chains.map((_, chain) => points.filter((point) => point.chain === chain));
    const angle = (chain) => {
      const end = of[chain][chains[chain].captions.length - 1];
      return Math.atan2(root - end.y, end.x - root);
    };
    const round = chains.map((_, chain) => chain).sort((a, b) => angle(a) - angle(b));
    return { figure, svg, points, of, round, root, lit };
  }

  function element(name, attributes, text) {
    const made = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    if (text) made.textContent = text;
    return made;
  }

  function light(chain, step) {
    const view = views[now.view];
    const points = view.of[chain];
    now.chain = chain;
    now.step = Math.min(step, points.length - 1);
    const captions = points.slice(0, chains[chain].captions.length);
    const image = points[captions.length];
    const path = (some) => "M" + some.map((point) => `${point.x} ${point.y}`).join("L");
    const links = [element("path", { class: "link", d: path([{ x: view.root, y: view.root }, ...captions]) })];
    if (image) links.push(element("path", { class: "link to-image", d: path([captions.at(-1), image]) }));
    const marks = points.map((point, place) => {
      const grown = element("g", { transform: `translate(${point.x} ${point.y}) scale(${place === now.step ? 2.1 : 1.5})` });
      const copy = point.mark.cloneNode();
      copy.removeAttribute("x");
      copy.removeAttribute("y");
      grown.append(copy);
      return grown;
    });
    view.lit.replaceChildren(...links, ...marks);
    tell(points);
  }

  function tell(points) {
    const chain = chains[now.chain];
    const list = document.createElement("ol");
    chain.captions.forEach((caption, tier) => {
      const item = document.createElement("li");
      item.className = `tier${tier % 4}` + (tier === now.step ? " current" : "");
      const words = document.createElement("bdi");
      words.textContent = caption;
      item.append(words, radius(points[tier]));
      list.append(item);
    });
    const told = /** @type {HTMLElement[]} */ ([list]);
    if (points.length > chain.captions.length) {
      const line = document.createElement("p");
      line.className = "of-image" + (now.step === chain.captions.length ? " current" : "");
      line.append("its image", radius(points.at(-1)));
      told.push(line);
    }
    if (chain.picture) {
      const picture = document.createElement("img");
      picture.src = chain.picture;
      picture.alt = "";
      told.unshift(picture);
    }
    facts.replaceChildren(...told);
  }

  function radius(point) {
    const figure = document.createElement("span");
    figure.className = "interval";
    figure.textContent = ` r = ${point.radius}`;
    return figure;
  }

  function show(number) {
    now.view = number;
    views.forEach((view, place) => (view.figure.hidden = place !== number));
    light(now.chain, now.step);
  }

  function nearest(view, event) {
    const matrix = view.svg.getScreenCTM();
    const at = new DOMPoint(event.clientX, event.clientY).matrixTransform(matrix.inverse());
    let best;
    let least = (NEAR / matrix.a) ** 2;
    for (const point of view.points) {
      const away = (point.x - at.x) ** 2 + (point.y - at.y) ** 2;
      if (away < least) [best, least] = [point, away];
    }
    return best;
  }

  function point(view, event) {
    const found = nearest(view, event);
    if (found) light(found.chain, view.of[found.chain].indexOf(found));
  }

  function key(view, event) {
    const place = view.round.indexOf(now.chain);
    const last = view.round.length - 1;
    const moves = {
      ArrowRight: () => light(view.round[place === last ? 0 : place + 1], now.step),
      ArrowLeft: () => light(view.round[place === 0 ? last : place - 1], now.step),
      ArrowUp: () => light(now.chain, now.step + 1),
      ArrowDown: () => light(now.chain, Math.max(0, now.step - 1)),
      Home: () => light(view.round[0], now.step),
      End: () => light(view.round[last], now.step),
    };
    if (!(event.key in moves) || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    moves[event.key]();
  }

  for (const view of views) {
    view.svg.setAttribute("role", "application");
    view.svg.setAttribute("tabindex", "0");
    view.svg.setAttribute("aria-describedby", "disk-help");
    view.svg.addEventListener("pointermove", (event) => point(view, event));
    view.svg.addEventListener("pointerdown", (event) => point(view, event));
    view.svg.addEventListener("keydown", (event) => key(view, event));
  }
  const choices = /** @type {NodeListOf<HTMLInputElement>} */ (explorer.querySelectorAll(".switch input"));
  for (const choice of choices) {
    choice.addEventListener("change", () => show(Number(choice.value)));
  }
  explorer.classList.add("live");
  for (const part of explorer.querySelectorAll(".switch, .told")) part.removeAttribute("hidden");
  now.chain = views[0].round[0];
  now.step = chains[now.chain].captions.length - 1;
  show(Number([...choices].find((choice) => choice.checked).value));
})();
