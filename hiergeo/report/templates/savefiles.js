"use strict";
// What report pages and the explorer share to save tables and drawings: CSV, SVG and PNG.
globalThis.hiergeoFiles = (() => {
  const SVG = "http://www.w3.org/2000/svg";
  const DENSITY = 2;
  const NUMBER = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;
  const FORMULA = /^[\s\p{Cf}]*[=+\-@＝＋－＠]|^[\t\r]/u;
  // eslint-disable-next-line no-control-regex
  const NO_XML = /[\u0000-\u0008\u000B\u000C\u000E-\u001F\uD800-\uDFFF\uFFFE\uFFFF]/gu;
  const ON_SCREEN = /^(xmlns|class|style|role|tabindex|aria-.*|data-.*)$/;
  const WORDS = new Set(["text", "tspan", "textPath"]);
  const INHERITED = {
    fill: "rgb(0, 0, 0)", "fill-opacity": "1", stroke: "none", "stroke-opacity": "1", "stroke-width": "1px",
    "stroke-dasharray": "none", "stroke-linecap": "butt", "stroke-linejoin": "miter", "paint-order": "normal",
    "text-anchor": "start", "font-family": "", "font-size": "", "font-weight": "400", "font-style": "normal",
    visibility: "visible",
  };

  /** A value as a field of CSV (RFC 4180); an apostrophe precedes a text that a spreadsheet would take for a formula. */
  function field(value) {
    if (value === null || value === undefined) return "";
    if (typeof value !== "string") return String(value);
    const held = FORMULA.test(value) && !NUMBER.test(value) ? `'${value}` : value;
    return /[",\r\n]/.test(held) ? `"${held.replaceAll('"', '""')}"` : held;
  }

  /** Rows of values, the names of the columns first, as CSV. */
  const csv = (rows) => rows.map((row) => `${row.map(field).join(",")}\r\n`).join("");

  /** An element of SVG with a computed property as an attribute, left out where it has that value without. */
  function put(made, name, value, otherwise) {
    if (value === otherwise) made.removeAttribute(name);
    else made.setAttribute(name, value);
  }

  /**
   * A copy of a drawing on the page that needs no style sheet: what the sheets set is in its attributes, in the colours
   * that the page has now.
   */
  function styledCopy(node, inherited = INHERITED) {
    const made = document.createElementNS(SVG, node.localName);
    for (const { name, value } of node.attributes) if (!ON_SCREEN.test(name)) made.setAttribute(name, value);
    const style = getComputedStyle(node);
    const now = /** @type {typeof INHERITED} */ ({});
    for (const name of Object.keys(INHERITED)) put(made, name, (now[name] = style.getPropertyValue(name)), inherited[name]);
    put(made, "opacity", style.opacity, "1");
    put(made, "display", style.display === "none" ? "none" : "", "");
    for (const child of node.childNodes) {
      if (child.nodeType === Node.ELEMENT_NODE) made.append(styledCopy(child, now));
      else if (child.nodeType === Node.TEXT_NODE && (WORDS.has(node.localName) || child.data.trim())) made.append(child.data);
    }
    return made;
  }

  /** A drawing that stands alone as the text of an SVG file; what XML does not allow becomes U+FFFD. */
  function svgText(drawing) {
    const text = new XMLSerializer().serializeToString(drawing).replace(NO_XML, "\uFFFD");
    return `<?xml version="1.0" encoding="UTF-8"?>\n${text}\n`;
  }

  /** A drawing that stands alone as an image of its size. */
  async function image(drawing) {
    const made = new Image();
    made.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(svgText(drawing))}`;
    await made.decode();
    return made;
  }

  /** A drawing that stands alone as a PNG, at twice its size. */
  async function png(drawing) {
    const drawn = await image(drawing);
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [DENSITY * drawn.width, DENSITY * drawn.height];
    const context = canvas.getContext("2d");
    if (!context) throw new Error("This browser gives no canvas to draw on: take the SVG instead.");
    context.drawImage(drawn, 0, 0, canvas.width, canvas.height);
    return encoded(canvas, "image/png");
  }

  /** What a canvas shows as a file of a type; `quality` is that of a JPEG, in [0, 1]. */
  function encoded(canvas, type, quality) {
    return new Promise((done, failed) => {
      const refused = () => failed(new Error("This browser cannot write the picture: take another format."));
      canvas.toBlob((blob) => (blob ? done(blob) : refused()), type, quality);
    });
  }

  /** Hand out a file with a name, the type of its content, and the content. */
  function save(name, type, content) {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(content instanceof Blob ? content : new Blob([content], { type }));
    link.download = name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
  }

  return { csv, styledCopy, svgText, image, png, encoded, save };
})();
