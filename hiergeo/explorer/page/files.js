// @ts-check
// Files that the page hands out: tables as CSV, drawings as SVG and PNG.

/** Pixels of a PNG for each unit of a drawing. */
const DENSITY = 2;

/**
 * Save a file.
 *
 * @param {string} name of the file
 * @param {string} type of its content
 * @param {BlobPart} content
 */
export function download(name, type, content) {
  const url = URL.createObjectURL(content instanceof Blob ? content : new Blob([content], { type }));
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}

/**
 * Rows as CSV (RFC 4180). A text that a spreadsheet would take for a formula is preceded by an apostrophe.
 *
 * @param {string[]} header
 * @param {(string | number | boolean | null | undefined)[][]} rows
 */
export function csv(header, rows) {
  return [header, ...rows].map((row) => `${row.map(cell).join(",")}\r\n`).join("");
}

function cell(value) {
  if (value === null || value === undefined) return "";
  if (typeof value !== "string") return String(value);
  const safe = /^[=+\-@\t\r]/.test(value) && !/^-?\d+(\.\d+)?$/.test(value) ? `'${value}` : value;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

/**
 * A drawing as the text of an SVG file.
 *
 * @param {SVGSVGElement} drawing that stands alone: with its size, colours and fonts in attributes
 */
export function svgFile(drawing) {
  return `<?xml version="1.0" encoding="UTF-8"?>\n${new XMLSerializer().serializeToString(drawing)}\n`;
}

/**
 * A drawing as a PNG, at twice its size.
 *
 * @param {SVGSVGElement} drawing as for `svgFile`
 * @returns {Promise<Blob>}
 */
export async function pngFile(drawing) {
  const image = new Image();
  image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(svgFile(drawing))}`;
  await image.decode();
  const canvas = document.createElement("canvas");
  canvas.width = DENSITY * image.width;
  canvas.height = DENSITY * image.height;
  const context = canvas.getContext("2d");
  if (!context) throw new Error("This browser gives no canvas to draw on: take the SVG instead.");
  context.drawImage(image, 0, 0, canvas.width, canvas.height);
  return encoded(canvas, "image/png");
}

/**
 * What a canvas shows, as a file.
 *
 * @param {HTMLCanvasElement} canvas
 * @param {string} type
 * @param {number} [quality] of a JPEG, in [0, 1]
 * @returns {Promise<Blob>}
 */
export function encoded(canvas, type, quality) {
  return new Promise((done, failed) => {
    const given = (blob) =>
      blob ? done(blob) : failed(new Error("This browser cannot write the picture: take another format."));
    canvas.toBlob(given, type, quality);
  });
}

/**
 * A name of a file made of words.
 *
 * @param {...string} words
 */
export function fileName(...words) {
  const plain = words
    .join("-")
    .normalize("NFKD")
    .replace(/[^A-Za-z0-9]+/g, "-");
  return plain.replace(/^-|-$/g, "").slice(0, 60).toLowerCase() || "hiergeo";
}
