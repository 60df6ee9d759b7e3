// @ts-check
// Elements of the page. Text from outside enters through text nodes alone, so that it is never read as markup.

const SVG = "http://www.w3.org/2000/svg";

/** The whole texts of captions that are cut. @type {WeakMap<Element, string>} */
const WHOLE = new WeakMap();

/** Characters of a caption that are shown where there is little room; the rest is shown on demand. */
const SHORT = 160;

/**
 * An HTML element.
 * @param {string} tag its name
 * @param {Record<string, any> | null} [props] `class`, attributes, `onclick` and other listeners, properties named
 *   `value`, `checked`, `disabled`, `hidden`, `open`; those that are null, undefined or false are left out
 * @param {...any} children nodes, strings, numbers or arrays of these; null and false are left out
 * @returns {any} the element
 */
export function h(tag, props, ...children) {
  return filled(document.createElement(tag), props, children);
}

/** An SVG element; arguments as of `h`. @param {string} tag @param {Record<string, any> | null} [props] @param {...any} children @returns {any} */
export function s(tag, props, ...children) {
  return filled(document.createElementNS(SVG, tag), props, children);
}

const PROPERTIES = new Set(["value", "checked", "disabled", "hidden", "open", "indeterminate"]);

function filled(element, props, children) {
  for (const [name, value] of Object.entries(props ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (PROPERTIES.has(name)) element[name] = value;
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/**
 * A text from outside, isolated from the direction of the text around it, and cut where it is long.
 * @param {string | null | undefined} text
 * @param {number} [longest] characters that are shown
 * @returns {HTMLElement} a `bdi`
 */
export function caption(text, longest = SHORT) {
  const whole = text ?? "";
  const short = shortened(whole, longest);
  const made = h("bdi", short === whole ? null : { class: "cut" }, short);
  if (short !== whole) WHOLE.set(made, whole);
  return made;
}

/** All of a text that `caption` has cut. */
export function fullText(element) {
  return WHOLE.get(element);
}

/** A text of at most `longest` characters; one that is cut ends at a word, unless that is very long, and in an ellipsis. @param {string} text @param {number} [longest] */
export function shortened(text, longest = SHORT) {
  if (text.length <= longest) return text;
  const cut = text.slice(0, longest);
  const half = /[\uD800-\uDBFF]$/.test(cut) ? cut.slice(0, -1) : cut;
  const words = /\s/.test(text[longest]) ? half : half.replace(/\s+\S*$/, "");
  return `${(words.length > longest / 2 ? words : half).trimEnd()}…`;
}

/** How an item is called: its caption, its id, or what it is and its number. @param {{id: string, name?: string | null, caption: string | null, image?: boolean}} item */
export function named(item) {
  return item.caption || item.name || `${item.image ? "image" : "item"} ${item.id}`;
}

/**
 * A number with a minus sign and a fixed number of decimals; an en dash for null.
 * @param {number | null | undefined} value
 * @param {number} [decimals]
 */
export function number(value, decimals = 2) {
  if (value === null || value === undefined || !Number.isFinite(value)) return "–";
  const written = Math.abs(value) >= 1e5 ? value.toExponential(decimals) : value.toFixed(decimals);
  return (Number(written) === 0 ? written.replace("-", "") : written).replace("-", "−");
}

/**
 * As `number`, with its sign; what would round to zero is written by its first digit, so that no zero has a sign.
 * @param {number | null | undefined} value
 * @param {number} [decimals]
 */
export function signed(value, decimals = 2) {
  if (!value || !Number.isFinite(value)) return number(value, decimals);
  const size = Math.abs(value);
  const written = Number(size.toFixed(decimals)) ? number(size, decimals) : size.toPrecision(1).replace("-", "−");
  return `${value < 0 ? "−" : "+"}${written}`;
}

/** A count with separators of thousands and its noun. @param {number} count @param {string} [one] @param {string} [many] */
export function counted(count, one, many = `${one}s`) {
  const written = count.toLocaleString("en");
  return one ? `${written} ${count === 1 ? one : many}` : written;
}

/**
 * The thumbnail of an item, which stays empty if there is none; null where no picture of the collection may be shown.
 * @param {{thumbnail: (id: string, side: number) => any, can?: {pictures: boolean}}} source
 * @param {string} id
 * @param {number} side 64 or 192
 * @param {string} [alt] empty beside the caption
 * @returns {HTMLImageElement | null}
 */
export function picture(source, id, side, alt = "") {
  if (source.can && !source.can.pictures) return null;
  const image = h("img", { class: "thumb", alt, decoding: "async", width: side, height: side });
  Promise.resolve(source.thumbnail(id, side)).then((url) => (image.src = url), () => image.classList.add("absent"));
  image.addEventListener("error", () => image.classList.add("absent"));
  return image;
}

/**
 * What went wrong, with a button that asks again; without it where the question itself is to blame.
 * @param {Error & {field?: string | null}} error
 * @param {() => any} again
 * @returns {HTMLElement} to be put where it is announced
 */
export function failure(error, again) {
  const button = h("button", { type: "button", class: "button small", onclick: () => again() }, "Try again");
  return h("p", { class: "failed" }, error.message, !error.field && [" ", button]);
}

/** Replace what an element holds. @param {Element} element @param {...any} children as of `h` */
export function fill(element, ...children) {
  element.replaceChildren();
  filled(element, null, children);
}
