// @ts-check
/**
 * Draws the points of tiles: with WebGL2, where the isometry and the camera are applied by the vertex shader, or on a plain
 * canvas, where there is none, at most `PLAIN` points. Both have one interface.
 *
 * No library: a map needs one program that draws marks, and a general one would be many times as long as this module.
 * Positions are float32; `a` is passed as a high and a low part, so that nothing is lost in z - a near the rim.
 */

import { COLOURS, css, HIDDEN, SHAPES } from "./marks.js";

/**
 * @typedef {import("./levels.js").Tile} Tile
 * @typedef {import("./marks.js").Style} Style
 * @typedef {import("./camera.js").Camera} Camera
 * @typedef {{camera: Camera, style: Style, ratio: number, size: number, alpha: number, share: number}} Frame size in CSS
 *   pixels; share: of the way of the points from where they were, in [0, 1]
 */

/** Most points on a canvas without WebGL. */
export const PLAIN = 20000;

const VERTEX = `#version 300 es
precision highp float;
in float x; in float y; in float number; in float form; in float fromx; in float fromy;
uniform vec2 high, low, turn, stretch;
uniform float base, size, share;
uniform vec3 colours[${COLOURS}];
flat out vec3 colour; flat out float shape; flat out float pixels;
vec2 product(vec2 a, vec2 b) { return vec2(a.x * b.x - a.y * b.y, a.x * b.y + a.y * b.x); }
void main() {
  if (number > float(${HIDDEN - 1})) { gl_Position = vec4(2., 2., 2., 1.); gl_PointSize = 0.; return; }
  vec2 z = mix(vec2(fromx, fromy), vec2(x, y), share);
  vec2 away = (z - high) - low;
  vec2 below = vec2(base, 0.) - product(vec2(high.x, -high.y), away);
  vec2 w = product(turn, product(away, vec2(below.x, -below.y)) / dot(below, below));
  gl_Position = vec4(w * stretch, 0., 1.);
  pixels = size * mix(.5, 1., clamp(1. - dot(w, w), 0., 1.));
  gl_PointSize = pixels + 1.;
  colour = colours[int(number)];
  shape = form;
}`;

const FRAGMENT = `#version 300 es
precision mediump float;
flat in vec3 colour; flat in float shape; flat in float pixels;
uniform float alpha;
out vec4 seen;
void main() {
  vec2 p = (gl_PointCoord * 2. - 1.) * (pixels + 1.) / pixels;
  float d = length(p) / .86;
  if (pixels > 3.) {
    if (shape == 1.) d = max(abs(p.x), abs(p.y)) / .76;
    else if (shape == 2.) d = max(p.y / .72, (abs(p.x) * .875 - p.y * .485) / .51);
    else if (shape == 3.) d = abs(p.x) / .94 + abs(p.y) / 1.08;
    else if (shape == 4.) d = max(abs(abs(p.x) - abs(p.y)) / .3, (abs(p.x) + abs(p.y)) / 1.3);
  }
  float inside = clamp((1. - d) * pixels * .5 + .5, 0., 1.) * alpha;
  if (inside <= 0.) discard;
  seen = vec4(colour * inside, inside);
}`;

/** The painter that the browser can have. @param {HTMLCanvasElement} canvas @param {(gone: boolean) => void} told when the context is lost, and when it is back @returns {Painter | PlainPainter} */
export function painterOf(canvas, told) {
  const gl = canvas.getContext("webgl2", { alpha: true, antialias: false, depth: false, stencil: false, preserveDrawingBuffer: true, powerPreference: "high-performance" });
  if (gl && !gl.isContextLost()) {
    try {
      return new Painter(canvas, gl, told);
    } catch (error) {
      console.warn(error);
      const fresh = /** @type {HTMLCanvasElement} */ (canvas.cloneNode());
      canvas.replaceWith(fresh);
      return new PlainPainter(fresh);
    }
  }
  return new PlainPainter(canvas);
}

/** Points by WebGL2. */
class Painter {
  kind = "webgl2";
  limit = 2e6;

  /** @param {HTMLCanvasElement} canvas @param {WebGL2RenderingContext} gl @param {(gone: boolean) => void} told */
  constructor(canvas, gl, told) {
    this.canvas = canvas;
    this.gl = gl;
    /** @type {Map<string, Tile>} */
    this.tiles = new Map();
    /** @type {Map<string, {array: WebGLVertexArrayObject, buffer: WebGLBuffer}>} */
    this.buffers = new Map();
    /** @type {Record<string, WebGLUniformLocation | null>} */
    this.places = {};
    this.build();
    this.lost = (/** @type {Event} */ event) => {
      event.preventDefault();
      told(true);
    };
    this.found = () => {
      this.buffers.clear();
      this.build();
      told(false);
    };
    canvas.addEventListener("webglcontextlost", this.lost);
    canvas.addEventListener("webglcontextrestored", this.found);
  }

  build() {
    const { gl } = this;
    const program = gl.createProgram();
    for (const [type, text] of /** @type {[number, string][]} */ ([[gl.VERTEX_SHADER, VERTEX], [gl.FRAGMENT_SHADER, FRAGMENT]])) {
      const shader = /** @type {WebGLShader} */ (gl.createShader(type));
      gl.shaderSource(shader, text);
      gl.compileShader(shader);
      gl.attachShader(program, shader);
    }
    ["x", "y", "number", "form", "fromx", "fromy"].forEach((name, place) => gl.bindAttribLocation(program, place, name));
    gl.linkProgram(program);
    if (!gl.getProgramParameter(program, gl.LINK_STATUS) && !gl.isContextLost()) throw new Error(`WebGL: ${gl.getProgramInfoLog(program)}`);
    this.program = program;
    const place = (/** @type {string} */ name) => gl.getUniformLocation(program, name);
    const names = ["high", "low", "turn", "stretch", "base", "size", "share", "colours", "alpha"];
    this.places = Object.fromEntries(names.map((name) => [name, place(name)]));
    gl.enable(gl.BLEND);
    gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
  }

  /** @param {string} key @param {Tile} tile */
  add(key, tile) {
    this.remove(key);
    this.tiles.set(key, tile);
  }

  /** @param {string} key */
  remove(key) {
    this.tiles.delete(key);
    const held = this.buffers.get(key);
    if (!held) return;
    this.buffers.delete(key);
    this.gl.deleteVertexArray(held.array);
    this.gl.deleteBuffer(held.buffer);
  }

  /** Start a picture, or go on with one where `fresh` is false. @param {Frame} frame @param {boolean} fresh */
  begin({ camera, style, ratio, size, alpha, share }, fresh) {
    const { gl, places, canvas } = this;
    const [width, height] = [Math.round(camera.width * ratio), Math.round(camera.height * ratio)];
    if (fresh && (canvas.width !== width || canvas.height !== height)) [canvas.width, canvas.height] = [width, height];
    gl.viewport(0, 0, canvas.width, canvas.height);
    if (fresh) {
      gl.clearColor(0, 0, 0, 0);
      gl.clear(gl.COLOR_BUFFER_BIT);
    }
    gl.useProgram(this.program ?? null);
    const { a, turn } = camera.isometry;
    const high = a.map(Math.fround);
    gl.uniform2f(places.high, high[0], high[1]);
    gl.uniform2f(places.low, a[0] - high[0], a[1] - high[1]);
    gl.uniform2f(places.turn, Math.cos(turn), Math.sin(turn));
    gl.uniform2f(places.stretch, (2 * camera.unit) / camera.width, (2 * camera.unit) / camera.height);
    gl.uniform1f(places.base, 1 - a[0] * a[0] - a[1] * a[1]);
    gl.uniform1f(places.size, size * ratio);
    gl.uniform1f(places.alpha, alpha);
    gl.uniform1f(places.share, share);
    gl.uniform3fv(places.colours, style.colours.flat());
  }

  /** Draw some points of a tile. @param {string} key @param {number} from @param {number} to */
  draw(key, from, to) {
    const tile = this.tiles.get(key);
    if (!tile || to <= from || this.gl.isContextLost()) return;
    const held = this.buffers.get(key) ?? this.upload(key, tile);
    this.gl.bindVertexArray(held.array);
    this.gl.drawArrays(this.gl.POINTS, from, Math.min(to, tile.x.length) - from);
  }

  /** @param {string} key @param {Tile} tile */
  upload(key, tile) {
    const { gl } = this;
    const count = tile.x.length;
    const held = { array: gl.createVertexArray(), buffer: gl.createBuffer() };
    gl.bindVertexArray(held.array);
    gl.bindBuffer(gl.ARRAY_BUFFER, held.buffer);
    const columns = [tile.x, tile.y, tile.colour, tile.shape, ...(tile.from ?? [])];
    gl.bufferData(gl.ARRAY_BUFFER, columns.reduce((sum, { byteLength }) => sum + byteLength, 0), gl.STATIC_DRAW);
    let offset = 0;
    // Floats first: each must begin at a multiple of its size.
    for (const place of [0, 1, 4, 5, 2, 3]) {
      const values = columns[place];
      if (!values) continue;
      gl.bufferSubData(gl.ARRAY_BUFFER, offset, values);
      gl.enableVertexAttribArray(place);
      gl.vertexAttribPointer(place, 1, values instanceof Float32Array ? gl.FLOAT : gl.UNSIGNED_BYTE, false, values.BYTES_PER_ELEMENT, offset);
      offset += values.byteLength;
    }
    this.buffers.set(key, held);
    return held;
  }

  close() {
    for (const key of [...this.buffers.keys()]) this.remove(key);
    this.tiles.clear();
    this.canvas.removeEventListener("webglcontextlost", this.lost);
    this.canvas.removeEventListener("webglcontextrestored", this.found);
    this.gl.getExtension("WEBGL_lose_context")?.loseContext();
  }
}

/** Points on a plain canvas. */
class PlainPainter {
  kind = "canvas";
  limit = PLAIN;

  /** @param {HTMLCanvasElement} canvas */
  constructor(canvas) {
    this.canvas = canvas;
    this.paper = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
    /** @type {Map<string, Tile>} */
    this.tiles = new Map();
    this.shapes = SHAPES.map((path) => new Path2D(path));
  }

  /** @param {string} key @param {Tile} tile */
  add(key, tile) {
    this.tiles.set(key, tile);
  }

  /** @param {string} key */
  remove(key) {
    this.tiles.delete(key);
  }

  /** @param {Frame} frame @param {boolean} fresh */
  begin(frame, fresh) {
    const { canvas, paper } = this;
    const { camera, ratio } = frame;
    this.frame = frame;
    if (!fresh) return;
    [canvas.width, canvas.height] = [Math.round(camera.width * ratio), Math.round(camera.height * ratio)];
    paper.setTransform(1, 0, 0, 1, 0, 0);
    paper.clearRect(0, 0, canvas.width, canvas.height);
    paper.globalAlpha = frame.alpha;
  }

  /** @param {string} key @param {number} from @param {number} to */
  draw(key, from, to) {
    const tile = this.tiles.get(key);
    if (!tile || !this.frame) return;
    const { camera, style, ratio, size, share } = this.frame;
    const half = (size * ratio) / 2;
    for (let i = from; i < Math.min(to, tile.x.length); i++) {
      if (tile.colour[i] === HIDDEN) continue;
      const [u, v] = tile.from?.map((values) => values[i]) ?? [tile.x[i], tile.y[i]];
      const [x, y] = camera.onScreen([u + (tile.x[i] - u) * share, v + (tile.y[i] - v) * share]);
      if (x < -size || y < -size || x > camera.width + size || y > camera.height + size) continue;
      this.paper.fillStyle = css(style.colours[tile.colour[i]]);
      this.paper.setTransform(half, 0, 0, half, x * ratio, y * ratio);
      if (size > 4) this.paper.fill(this.shapes[tile.shape[i]]);
      else this.paper.fillRect(-0.8, -0.8, 1.6, 1.6);
    }
  }

  close() {
    this.tiles.clear();
  }
}
