"use strict";
(() => {
  const SVG = "http://www.w3.org/2000/svg";
  const MARGIN = 12;
  const { styledCopy, svgText, png, save, csv: csvText } = globalThis.hiergeoFiles;

  // Tables and lists: rows of records, name of the column -> text

  function words(node) {
    const copy = node.cloneNode(true);
    for (const hidden of copy.querySelectorAll(".unseen, [aria-hidden='true']")) hidden.remove();
    return copy.textContent.replace(/\s+/g, " ").trim();
  }

  const spaced = (name) => name.replace(/[A-Z]/g, (letter) => " " + letter.toLowerCase());

  function fields(cell, column) {
    const held = Object.entries(cell.dataset).filter(([name]) => name !== "label");
    if (!held.length) return [[column, words(cell)]];
    return held.map(([name, value]) => [name === "value" ? column : `${column} ${spaced(name)}`.trim(), value]);
  }

  function* tableRecords(table) {
    const columns = [...table.tHead.rows[0].cells].map((cell) => cell.dataset.value ?? words(cell));
    for (const row of [...table.tBodies].flatMap((body) => [...body.rows])) {
      const spread = [...row.cells].flatMap((cell) => Array(cell.colSpan).fill(cell));
      yield spread.flatMap((cell, place) => fields(cell, columns[place]));
    }
  }

  function* listRecords(list) {
    for (const item of list.querySelectorAll("[data-record]")) {
      const { record, ...held } = item.dataset;
      const told = Object.entries(held).map(([name, value]) => [spaced(name), value]);
      yield record ? [...told, [record, words(item)]] : told;
    }
  }

  function csv(part) {
    const records = [...(part.tHead ? tableRecords(part) : listRecords(part))];
    const columns = columnsOf(records);
    const rows = records.map((record) => {
      const known = new Map(/** @type {[string, string][]} */ (record));
      return columns.map((column) => known.get(column) ?? "");
    });
    return csvText([columns, ...rows]);
  }

  function columnsOf(records) {
    const found = [];
    for (const record of records) {
      let after = -1;
      for (const [column] of record) {
        const place = found.indexOf(column);
        if (place < 0) found.splice(++after, 0, column);
        else after = place;
      }
    }
    return found;
  }

  // Figures: what is drawn, with its legend, as one SVG in the colours of paper

  const visible = (node) => node.getClientRects().length > 0;

  function element(name, attributes, ...children) {
    const made = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    made.append(...children);
    return made;
  }

  function placed(svg, box, origin) {
    const made = styledCopy(svg);
    const place = { x: box.left - origin.left, y: box.top - origin.top, width: box.width, height: box.height };
    for (const [name, value] of Object.entries(place)) made.setAttribute(name, value.toFixed(2));
    made.setAttribute("overflow", "visible");
    return made;
  }

  function legendWords(figure) {
    const found = [];
    for (const legend of figure.querySelectorAll(".legend")) {
      const walker = document.createTreeWalker(legend, NodeFilter.SHOW_TEXT);
      while (walker.nextNode()) {
        const range = document.createRange();
        range.selectNodeContents(walker.currentNode);
        const box = range.getBoundingClientRect();
        const text = walker.currentNode.textContent.replace(/\s+/g, " ").trim();
        if (text && box.width) found.push({ text, box, style: getComputedStyle(walker.currentNode.parentElement) });
      }
    }
    return found;
  }

  function written({ text, box, style }, origin) {
    const size = parseFloat(style.fontSize);
    return element("text", {
      x: (box.left - origin.left).toFixed(2),
      y: (box.top + box.height / 2 + 0.35 * size - origin.top).toFixed(2),
      "font-family": style.fontFamily,
      "font-size": style.fontSize,
      fill: style.color,
    }, text);
  }

  function drawn(figure) {
    const parts = [...figure.querySelectorAll("svg")].filter(visible).map((svg) => [svg, svg.getBoundingClientRect()]);
    const labels = legendWords(figure);
    const boxes = [...parts.map(([, box]) => box), ...labels.map(({ box }) => box)];
    const origin = {
      left: Math.min(...boxes.map((box) => box.left)) - MARGIN,
      top: Math.min(...boxes.map((box) => box.top)) - MARGIN,
    };
    const width = Math.ceil(Math.max(...boxes.map((box) => box.right)) + MARGIN - origin.left);
    const height = Math.ceil(Math.max(...boxes.map((box) => box.bottom)) + MARGIN - origin.top);
    const whole = element("svg", { width, height, viewBox: `0 0 ${width} ${height}` });
    whole.append(element("title", {}, figure.dataset.title));
    const told = figure.querySelector("figcaption");
    if (told) whole.append(element("desc", {}, words(told)));
    whole.append(element("rect", { width, height, fill: "#fff" }));
    whole.append(...parts.map(([svg, box]) => placed(svg, box, origin)), ...labels.map((label) => written(label, origin)));
    return whole;
  }

  function onPaper(draw) {
    const root = document.documentElement;
    const theme = root.dataset.theme;
    root.dataset.theme = "light";
    try {
      return draw();
    } finally {
      if (theme === undefined) delete root.dataset.theme;
      else root.dataset.theme = theme;
    }
  }

  // Buttons

  const KINDS = {
    CSV: ["text/csv;charset=utf-8", csv],
    SVG: ["image/svg+xml", (part) => svgText(onPaper(() => drawn(part)))],
    PNG: ["image/png", (part) => png(onPaper(() => drawn(part)))],
  };

  function button(part, kind, failure) {
    const [type, content] = KINDS[kind];
    const made = document.createElement("button");
    made.type = "button";
    made.className = "button small";
    made.textContent = kind;
    made.setAttribute("aria-label", `${kind}: ${part.dataset.title}`);
    made.addEventListener("click", async () => {
      failure.textContent = "";
      try {
        save(`hiergeo-${part.dataset.download}.${kind.toLowerCase()}`, type, await content(part));
      } catch (error) {
        failure.textContent = error.message;
      }
    });
    return made;
  }

  for (const part of document.querySelectorAll("[data-download]")) {
    const row = document.createElement("p");
    row.className = "downloads";
    const kinds = part.localName === "figure" ? ["SVG", "PNG"] : ["CSV"];
    const failure = document.createElement("span");
    failure.className = "help";
    failure.setAttribute("role", "status");
    row.append(...kinds.map((kind) => button(part, kind, failure)), failure);
    if (part.localName === "figure") part.append(row);
    else (part.closest(".scroll") ?? part).after(row);
  }
})();
