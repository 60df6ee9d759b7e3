// @ts-check
/**
 * Plots in SVG: axes with round ticks, and histograms by group.
 *
 * A plot is drawn for the width that it has on the screen, so that its text keeps its size on a phone. Colours come from
 * the classes of design.css.
 */

import { s } from "./dom.js";

/** A tick of an axis, with a minus sign.
 * @param {number} value
 */
const told = (value) => String(Number(value.toPrecision(6))).replace("-", "−");

/**
 * Round numbers within [low, high], about `wanted` of them, in steps of 1, 2 or 5 times a power of ten.
 * @param {number} low
 * @param {number} high
 * @param {number} [wanted]
 */
export function ticks(low, high, wanted = 5) {
  const rough = (high - low) / wanted;
  if (!(rough > 0) || !Number.isFinite(rough)) return [low];
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((factor) => factor * power).sort((a, b) => Math.abs(a - rough) - Math.abs(b - rough))[0];
  const first = Math.ceil(low / step - 1e-9);
  const last = Math.floor(high / step + 1e-9);
  return Array.from({ length: last - first + 1 }, (_, index) => Number(((first + index) * step).toPrecision(12)) + 0);
}

/**
 * The linear map from [low, high], in data units, to [start, end], in pixels.
 * @param {number} low
 * @param {number} high
 * @param {number} start
 * @param {number} end
 */
export function scale(low, high, start, end) {
  const width = high > low ? high - low : 1;
  return (/** @type {number} */ value) => start + ((value - low) / width) * (end - start);
}

/**
 * @typedef {{low: number, high: number, label: string, wanted?: number}} Axis  label: what is measured, with its unit
 * @typedef {{left: number, top: number, right: number, bottom: number}} Box
 * @typedef {{root: SVGElement, box: Box, x: (value: number) => number, y: (value: number) => number}} Frame
 */

/**
 * The frame of a plot: grid, ticks and labels of both axes. Without an axis y there are no lines across.
 * @param {{width: number, height: number, x: Axis, y?: Axis, label: string, left?: number, top?: number}} of  label: read aloud
 * @returns {Frame}
 */
export function frame({ width, height, x: across, y: up, label, left = up ? 52 : 8, top = 12 }) {
  const box = { left, top, right: width - 12, bottom: height - 42 };
  const x = scale(across.low, across.high, box.left, box.right);
  const y = up ? scale(up.low, up.high, box.bottom, box.top) : scale(0, 1, box.bottom, box.top);
  const root = s("svg", { class: "panel chart", viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": label });
  for (const at of up ? ticks(up.low, up.high, up.wanted ?? 4) : []) {
    root.append(s("line", { class: "grid", x1: box.left, x2: box.right, y1: y(at), y2: y(at) }));
    root.append(s("text", { class: "axis", x: box.left - 8, y: y(at) + 4 }, told(at)));
  }
  for (const at of ticks(across.low, across.high, across.wanted ?? Math.max(3, Math.round(width / 90)))) {
    root.append(s("line", { class: "grid", x1: x(at), x2: x(at), y1: box.top, y2: box.bottom + 4 }));
    root.append(s("text", { class: "tick", x: x(at), y: box.bottom + 18 }, told(at)));
  }
  root.append(s("line", { class: "base", x1: box.left, x2: box.right, y1: box.bottom, y2: box.bottom }));
  root.append(s("text", { class: "tick label", x: (box.left + box.right) / 2, y: height - 6 }, across.label));
  if (up) {
    const middle = (box.top + box.bottom) / 2;
    root.append(s("text", { class: "tick label", transform: `translate(12 ${middle}) rotate(-90)` }, up.label));
  }
  return { root, box, x, y };
}

/**
 * Outline of the bars of a histogram.
 * @param {number[]} edges  pixels, one more than bars
 * @param {number[]} tops  pixels
 * @param {number} floor  pixels
 */
export function bars(edges, tops, floor) {
  const steps = tops.map((top, index) => `V${top.toFixed(1)}H${edges[index + 1].toFixed(1)}`).join("");
  return `M${edges[0].toFixed(1)} ${floor.toFixed(1)}${steps}V${floor.toFixed(1)}Z`;
}

/**
 * Histograms of several groups over common bins, one row each, general at the top, each on a scale of its own: groups differ
 * much in size. A single group has an axis of counts instead of a name.
 * @param {{width: number, edges: number[], rows: {name: string, counts: number[], css: string, mean?: number | null}[],
 *   x: Axis, label: string, noun?: string, marks?: {at: number, name: string}[]}} of  marks: vertical lines with a name
 */
export function histogram({ width, edges, rows, x: across, label, noun = "items", marks = [] }) {
  const alone = rows.length === 1;
  const [tall, top] = [alone ? 150 : 46, alone && !marks.length ? 14 : 30];
  const height = top + rows.length * tall + 42;
  const y = alone ? { low: 0, high: Math.max(1, ...rows[0].counts), label: noun, wanted: 3 } : undefined;
  const plot = frame({ width, height, x: across, y, label, top, left: alone ? 52 : Math.min(92, Math.round(width / 5)) });
  rows.forEach((row, index) => {
    const floor = top + (index + 1) * tall;
    const group = s("g", { class: row.css });
    const highest = Math.max(1, ...row.counts);
    const tops = row.counts.map((count) => floor - (count / highest) * (alone ? tall : tall - 8));
    group.append(s("path", { class: "bars", d: bars(edges.map(plot.x), tops, floor) }));
    if (!alone) group.append(s("text", { class: "name axis", x: plot.box.left - 8, y: floor - 4 }, row.name));
    if (typeof row.mean === "number") {
      const at = plot.x(row.mean);
      group.append(s("line", { class: "mean", x1: at, x2: at, y1: floor - tall + 8, y2: floor }));
    }
    group.append(s("line", { class: "base", x1: plot.box.left, x2: plot.box.right, y1: floor, y2: floor }));
    plot.root.append(group);
  });
  for (const { at, name } of marks) {
    if (at < across.low || at > across.high) continue;
    const [end, side] = plot.x(at) > (plot.box.left + plot.box.right) / 2 ? ["axis", -5] : ["start", 5];
    plot.root.append(s("line", { class: "mark", x1: plot.x(at), x2: plot.x(at), y1: 8, y2: plot.box.bottom }));
    plot.root.append(s("text", { class: `${end} marked`, x: plot.x(at) + side, y: 18 }, name));
  }
  return plot.root;
}

/**
 * Draws into `host` now and whenever its width changes; the drawing is not stretched beyond the width that it is made for.
 * @param {HTMLElement} host
 * @param {(width: number) => Node} draw  an SVG
 * @param {number} [widest]  pixels
 */
export function fitted(host, draw, widest = 640) {
  let drawn = 0;
  const redraw = () => {
    const width = Math.min(widest, Math.floor(host.clientWidth));
    if (width < 120 || width === drawn) return;
    drawn = width;
    const made = /** @type {SVGElement} */ (draw(width));
    made.style.maxWidth = `${width}px`;
    host.replaceChildren(made);
  };
  new ResizeObserver(redraw).observe(host);
  redraw();
}
