// @ts-check
/** What the page saves: tables as CSV, plots as SVG and PNG with the colours that they have on the screen. */

/** The properties of a drawing that style sheets set, copied into the file because it has no style sheet of its own. */
const DRAWN = [
  "fill", "fill-opacity", "stroke", "stroke-width", "stroke-opacity", "stroke-dasharray", "stroke-linecap",
  "stroke-linejoin", "font-family", "font-size", "font-weight", "text-anchor", "opacity", "visibility",
];

/** Pixels of a PNG for each pixel on the screen. */
const SHARPNESS = 2;

/**
 * A table as CSV (RFC 4180). A text that a spreadsheet would run as a formula gets an apostrophe before it.
 * @param {string[]} names
 * @param {(string | number | boolean | null | undefined)[][]} rows
 */
export function csv(names, rows) {
  return [names, ...rows].map((row) => row.map(cell).join(",") + "\r\n").join("");
}

/** @param {string | number | boolean | null | undefined} value */
function cell(value) {
  if (value === null || value === undefined) return "";
  if (typeof value !== "string") return String(value);
  const text = /^[=+\-@\t\r]/.test(value) && Number.isNaN(Number(value)) ? `'${value}` : value;
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/**
 * A drawing as a file of its own.
 * @param {SVGElement} drawing  that is on the page
 */
export function svgText(drawing) {
  const copy = /** @type {SVGElement} */ (drawing.cloneNode(true));
  const { width, height } = drawing.getBoundingClientRect();
  copy.setAttribute("xmlns", "http://www.w3.org/2000/svg");
  copy.setAttribute("width", String(Math.round(width)));
  copy.setAttribute("height", String(Math.round(height)));
  const [seen, drawn] = [drawing, copy].map((root) => [root, ...root.querySelectorAll("*")]);
  seen.forEach((element, index) => {
    const style = getComputedStyle(element);
    for (const name of DRAWN) drawn[index].setAttribute(name, style.getPropertyValue(name));
    drawn[index].removeAttribute("class");
  });
  const paper = document.createElementNS("http://www.w3.org/2000/svg", "rect");
  paper.setAttribute("width", "100%");
  paper.setAttribute("height", "100%");
  paper.setAttribute("fill", getComputedStyle(document.body).backgroundColor);
  copy.prepend(paper);
  return `<?xml version="1.0" encoding="UTF-8"?>\n${new XMLSerializer().serializeToString(copy)}\n`;
}

/**
 * A drawing as a PNG.
 * @param {SVGElement} drawing  that is on the page
 * @returns {Promise<Blob>}
 */
export async function png(drawing) {
  const { width, height } = drawing.getBoundingClientRect();
  const address = URL.createObjectURL(new Blob([svgText(drawing)], { type: "image/svg+xml" }));
  try {
    const image = new Image();
    image.src = address;
    await image.decode();
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [Math.round(width * SHARPNESS), Math.round(height * SHARPNESS)];
    canvas.getContext("2d")?.drawImage(image, 0, 0, canvas.width, canvas.height);
    return await new Promise((resolve, reject) =>
      canvas.toBlob((blob) => (blob ? resolve(blob) : reject(new Error("This browser could not draw the PNG."))), "image/png"),
    );
  } finally {
    URL.revokeObjectURL(address);
  }
}

/**
 * A row of buttons, one for each file that can be saved.
 * @param {{download: (name: string, type: string, content: string | Blob) => void, announce: (text: string) => void}} app
 * @param {string} about  of what, read aloud
 * @param {Record<string, () => string | Blob | Promise<string | Blob>>} files  file name -> its content, made when asked for
 */
export function downloads(app, about, files) {
  const row = document.createElement("p");
  row.className = "downloads";
  for (const [name, make] of Object.entries(files)) {
    const kind = name.slice(name.lastIndexOf(".") + 1);
    const button = document.createElement("button");
    button.type = "button";
    button.className = "button small";
    button.textContent = kind.toUpperCase();
    button.setAttribute("aria-label", `Download ${about} as ${kind.toUpperCase()}`);
    button.addEventListener("click", async () => {
      try {
        app.download(name, TYPES[kind] ?? "application/octet-stream", await make());
        app.announce(`Saved ${name}.`);
      } catch (error) {
        app.announce(/** @type {Error} */ (error).message);
      }
    });
    row.append(button);
  }
  return row;
}

/** @type {Record<string, string>} */
const TYPES = { csv: "text/csv;charset=utf-8", svg: "image/svg+xml", png: "image/png", json: "application/json" };
