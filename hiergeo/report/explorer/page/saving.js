// @ts-check
// Buttons that save what a view shows: its table as CSV, its plots as SVG and PNG with the colours on the screen.

import { h, s } from "./dom.js";
import { fileName, pngFile, styledCopy, svgFile } from "./files.js";
import { fitted } from "./plots.js";

/** @type {Record<string, string>} */
const TYPES = { csv: "text/csv;charset=utf-8", svg: "image/svg+xml", png: "image/png" };

/**
 * A copy of a drawing that stands alone: with its size, its colours and fonts in attributes, and the paper of the screen.
 * @param {SVGSVGElement} drawing that is on the page
 * @returns {SVGSVGElement}
 */
export function standalone(drawing) {
  const copy = styledCopy(drawing);
  const { width, height } = drawing.getBoundingClientRect();
  copy.setAttribute("width", String(Math.round(width)));
  copy.setAttribute("height", String(Math.round(height)));
  copy.prepend(s("rect", { width: "100%", height: "100%", fill: getComputedStyle(document.body).backgroundColor }));
  return copy;
}

/**
 * A row of buttons, one for each file.
 * @param {{download: Function, announce: (text: string) => void}} app
 * @param {string} about what is saved, read aloud with the button and part of the file's name
 * @param {{csv?: () => string, drawing?: () => SVGSVGElement | Promise<SVGSVGElement>}} from csv: the table; drawing: one that stands alone, saved as PNG and SVG
 * @param {string} [word] before the buttons
 * @returns {HTMLElement}
 */
export function downloads(app, about, { csv, drawing }, word = "Download") {
  /** @type {Record<string, () => string | Promise<string | Blob>>} */
  const files = {};
  if (csv) files.csv = csv;
  if (drawing) {
    files.png = async () => pngFile(await drawing());
    files.svg = async () => svgFile(await drawing());
  }
  const save = async (/** @type {string} */ kind) => {
    const name = `${fileName(about)}.${kind}`;
    try {
      app.download(name, TYPES[kind], await files[kind]());
      app.announce(`Saved ${name}.`);
    } catch (error) {
      app.announce(/** @type {Error} */ (error).message);
    }
  };
  const button = (/** @type {string} */ kind) =>
    h(
      "button",
      { type: "button", class: "button small", "aria-label": `${kind.toUpperCase()}: download ${about}`, onclick: () => save(kind) },
      kind.toUpperCase(),
    );
  return h("p", { class: "downloads" }, word && h("span", { "aria-hidden": "true" }, `${word} `), Object.keys(files).map(button));
}

/**
 * A plot with its title, a sentence and its downloads.
 * @param {any} app
 * @param {{title: string, words: any, about: string, draw: (width: number) => Node, table: () => string, key?: HTMLElement}} of
 *   about: what is saved; draw: the plot at a width; table: its data as CSV; key: what its colours mean
 * @returns {HTMLElement}
 */
export function figure(app, { title, words, about, draw, table, key }) {
  const host = h("div", { class: "plot" });
  fitted(host, draw);
  const drawing = () => standalone(/** @type {SVGSVGElement} */ (host.firstElementChild));
  const told = words instanceof Node ? words : h("p", { class: "reading-line" }, words);
  return h("figure", null, h("figcaption", null, h("b", null, title), told), key, host, downloads(app, about, { csv: table, drawing }));
}
