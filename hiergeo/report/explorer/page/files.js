// @ts-check
// Files that the page hands out: tables as CSV, drawings as SVG and PNG, made as report pages make theirs.

/** What `savefiles.js` has. @type {any} */
const shared = /** @type {any} */ (globalThis).hiergeoFiles;

/** Save a file. @type {(name: string, type: string, content: BlobPart) => void} */
export const download = shared.save;

/** A drawing as an image, as the text of an SVG file, and as a PNG of twice its size; it stands alone, as `styledCopy` makes it. */
export const image = /** @type {(drawing: SVGSVGElement) => Promise<HTMLImageElement>} */ (shared.image);
export const svgFile = /** @type {(drawing: SVGSVGElement) => string} */ (shared.svgText);
export const pngFile = /** @type {(drawing: SVGSVGElement) => Promise<Blob>} */ (shared.png);

/** A copy of a drawing with all that style sheets say of it in its attributes. @type {(drawing: SVGSVGElement) => SVGSVGElement} */
export const styledCopy = shared.styledCopy;

/** What a canvas shows, as a file; quality: of a JPEG. @type {(canvas: HTMLCanvasElement, type: string, quality?: number) => Promise<Blob>} */
export const encoded = shared.encoded;

/**
 * Rows as CSV (RFC 4180). A text that a spreadsheet would take for a formula is preceded by an apostrophe.
 * @param {string[]} header
 * @param {(string | number | boolean | null | undefined)[][]} rows
 * @returns {string}
 */
export function csv(header, rows) {
  return shared.csv([header, ...rows]);
}

/** A name of a file made of words. @param {...string} words */
export function fileName(...words) {
  const plain = words
    .join("-")
    .normalize("NFKD")
    .replace(/[^A-Za-z0-9]+/g, "-");
  return plain.replace(/^-|-$/g, "").slice(0, 60).toLowerCase() || "hiergeo";
}
