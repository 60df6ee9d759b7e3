// @ts-check
/**
 * Plots in SVG: axes with round ticks, and histograms by group.
 *
 * A plot is drawn for the width that it has on the screen, so that its text keeps its size on a phone. Colours come from
 * the classes of design.css.
 */

import { s, shortened } from "./dom.js";

/** Width of a letter of a name, in pixels. */
const LETTER = 6.4;

/** A tick of an axis, with a minus sign. @param {number} value */
const told = (value) => String(Number(value.toPrecision(6))).replace("-", "−");

/** Round numbers within [low, high], about `wanted` of them, in steps of 1, 2 or 5 times a power of ten. @param {number} low @param {number} high @param {number} wanted */
function ticks(low, high, wanted) {
  const rough = (high - low) / wanted;
  if (!(rough > 0) || !Number.isFinite(rough)) return [low];
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((factor) => factor * power).sort((a, b) => Math.abs(a - rough) - Math.abs(b - rough))[0];
  const first = Math.ceil(low / step - 1e-9);
  const last = Math.floor(high / step + 1e-9);
  return Array.from({ length: last - first + 1 }, (_, index) => Number(((first + index) * step).toPrecision(12)) + 0);
}

/**
 * Histograms of groups over common bins, one row each, general at the top, each on a scale of its own: groups differ much in size.
 * @param {{width: number, edges: number[], rows: {name: string, counts: number[], css: string, mean?: number | null, about?: string}[],
 *   x: {low: number, high: number, label: string}, label: string, marks?: {at: number, name: string}[], compact?: boolean}} of
 *   x: what is measured, with its unit; label: read aloud; marks: vertical lines with a name; compact: in lines of text
 */
export function histogram({ width, edges, rows, x: across, label, marks = [], compact = false }) {
  const [tall, gap, top, foot] = compact ? [14, 2, 16, 18] : [rows.length === 1 ? 96 : 46, 8, 30, 42];
  const longest = Math.max(...[across.label, ...rows.map(({ name }) => name)].slice(compact ? 0 : 1).map(({ length }) => length));
  const [left, right] = [Math.min(Math.round(width / 3.5), Math.ceil(14 + LETTER * longest)), width - 12];
  const bottom = top + rows.length * tall;
  const x = (/** @type {number} */ value) => left + ((value - across.low) / (across.high - across.low || 1)) * (right - left);
  const root = s("svg", { class: "panel chart", viewBox: `0 0 ${width} ${bottom + foot}`, role: "img", "aria-label": label },
    ticks(across.low, across.high, Math.max(3, Math.round(width / 90))).map((at) => [
      s("line", { class: "grid", x1: x(at), x2: x(at), y1: top, y2: bottom + 4 }),
      s("text", { class: "tick", x: x(at), y: bottom + (compact ? 15 : 18) }, told(at))]),
    compact ? s("text", { class: "axis label", x: left - 8, y: bottom + 15 }, across.label) : s("text", { class: "tick label", x: (left + right) / 2, y: bottom + 36 }, across.label));
  rows.forEach(({ name, counts, css, mean, about }, index) => {
    const floor = top + (index + 1) * tall;
    const highest = Math.max(1, ...counts);
    const steps = counts.map((count, i) => `V${(floor - (count / highest) * (tall - gap)).toFixed(1)}H${x(edges[i + 1]).toFixed(1)}`).join("");
    root.append(s("g", { class: css }, about && s("title", null, about),
      s("path", { class: "bars", d: `M${x(edges[0]).toFixed(1)} ${floor}${steps}V${floor}Z` }),
      s("text", { class: "name axis", x: left - 8, y: floor - (compact ? 2 : 4) }, shortened(name, Math.floor((left - 14) / LETTER))),
      typeof mean === "number" && s("line", { class: "mean", x1: x(mean), x2: x(mean), y1: floor - tall + gap, y2: floor }),
      s("line", { class: "base", x1: left, x2: right, y1: floor, y2: floor })));
  });
  for (const { at, name } of marks) {
    const [end, side] = x(at) > (left + right) / 2 ? ["axis", -5] : ["start", 5];
    root.append(s("line", { class: "mark", x1: x(at), x2: x(at), y1: compact ? 2 : 8, y2: bottom }), s("text", { class: `${end} marked`, x: x(at) + side, y: compact ? 11 : 18 }, name));
  }
  return root;
}

/**
 * Draws into `host` now and whenever its width changes; the drawing is not stretched beyond the width that it is made for.
 * @param {HTMLElement} host
 * @param {(width: number) => Node} draw  an SVG
 * @param {number} [widest]  pixels
 * @returns {() => void} draws anew
 */
export function fitted(host, draw, widest = 640) {
  let drawn = 0;
  const redraw = (again = false) => {
    const width = Math.min(widest, Math.floor(host.clientWidth));
    if (width < 120 || (width === drawn && !again)) return;
    drawn = width;
    const made = /** @type {SVGElement} */ (draw(width));
    made.style.maxWidth = `${width}px`;
    host.replaceChildren(made);
  };
  new ResizeObserver(() => redraw()).observe(host);
  redraw();
  return () => redraw(true);
}
