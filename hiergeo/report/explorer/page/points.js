// @ts-check
/**
 * Draws the points of tiles: with WebGL2, where the isometry and the camera are applied by the vertex shader, or on a plain
 * canvas, where there is none, at most `PLAIN` points. Both have one interface.
 *
 * No library: a map needs one program that draws marks, and a general one would be many times as long as this module.
 * Positions are float32; `a` is passed as a high and a low part, so that nothing is lost in z - a near the rim.
 */

import { css, markOf, SHAPES, STEPS } from "./marks.js";

/**
 * @typedef {import("./levels.js").Tile} Tile
 * @typedef {import("./marks.js").Style} Style
 * @typedef {import("./camera.js").Camera} Camera
 * @typedef {{camera: Camera, style: Style, ratio: number, size: number, alpha: number}} Frame size in CSS pixels
 */

/** Most points on a canvas without WebGL. */
export const PLAIN = 20000;

const VERTEX = `#version 300 es
precision highp float;
in float x; in float y; in float radius; in float tier; in float kind;
uniform vec2 high, low, turn, stretch;
uniform float kappa, base, size, by, count;
uniform vec2 span;
uniform vec3 steps[${STEPS}];
uniform vec3 unknown, picture;
uniform float colours;
flat out vec3 colour; flat out float shape; flat out float pixels;
vec2 product(vec2 a, vec2 b) { return vec2(a.x * b.x - a.y * b.y, a.x * b.y + a.y * b.x); }
void main() {
  vec2 z = vec2(x, y);
  vec2 away = (z - high) - low;
  vec2 below = vec2(base, 0.) + kappa * product(vec2(high.x, -high.y), away);
  vec2 w = product(turn, product(away, vec2(below.x, -below.y)) / dot(below, below));
  float near = kappa < 0. ? mix(.5, 1., clamp(1. - dot(w, w), 0., 1.)) : 1.;
  gl_Position = vec4(w * stretch, 0., 1.);
  pixels = size * near;
  gl_PointSize = pixels + 1.;
  bool known = tier >= 0.;
  if (by == 2.) { colour = steps[kind > 0. ? 1 : 0]; shape = kind > 0. ? 4. : 0.; return; }
  shape = known ? mod(tier, 4.) : kind > 0. ? 4. : 0.;
  if (by == 1.) {
    float at = clamp((radius - span.x) / max(1e-9, span.y - span.x), 0., 1.) * (colours - 1.);
    int before = int(min(floor(at), colours - 2.));
    colour = mix(steps[before], steps[before + 1], at - float(before));
  } else if (!known) colour = kind > 0. ? picture : unknown;
  else colour = steps[int(count <= colours ? min(tier, colours - 1.) : floor(.5 + tier * (colours - 1.) / (count - 1.)))];
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
    ["x", "y", "radius", "tier", "kind"].forEach((name, place) => gl.bindAttribLocation(program, place, name));
    gl.linkProgram(program);
    if (!gl.getProgramParameter(program, gl.LINK_STATUS) && !gl.isContextLost()) throw new Error(`WebGL: ${gl.getProgramInfoLog(program)}`);
    this.program = program;
    const place = (/** @type {string} */ name) => gl.getUniformLocation(program, name);
    const names = ["high", "low", "turn", "stretch", "kappa", "base", "size", "by", "count", "span", "steps", "unknown", "picture", "colours", "alpha"];
    this.places = Object.fromEntries(names.map((name) => [name, place(name)]));
    gl.enable(gl.BLEND);
    gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
  }

  /** @param {string} key @param {Tile} tile */
  add(key, tile) {
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
  begin({ camera, style, ratio, size, alpha }, fresh) {
    const { gl, places, canvas } = this;
    const [width, height] = [Math.round(camera.width * ratio), Math.round(camera.height * ratio)];
    if (fresh && (canvas.width !== width || canvas.height !== height)) [canvas.width, canvas.height] = [width, height];
    gl.viewport(0, 0, canvas.width, canvas.height);
    if (fresh) {
      gl.clearColor(0, 0, 0, 0);
      gl.clear(gl.COLOR_BUFFER_BIT);
    }
    gl.useProgram(this.program ?? null);
    const { kappa, a, turn } = camera.isometry;
    const high = a.map(Math.fround);
    gl.uniform2f(places.high, high[0], high[1]);
    gl.uniform2f(places.low, a[0] - high[0], a[1] - high[1]);
    gl.uniform2f(places.turn, Math.cos(turn), Math.sin(turn));
    gl.uniform2f(places.stretch, (2 * camera.unit) / camera.width, (2 * camera.unit) / camera.height);
    gl.uniform1f(places.kappa, kappa);
    gl.uniform1f(places.base, 1 + kappa * (a[0] * a[0] + a[1] * a[1]));
    gl.uniform1f(places.size, size * ratio);
    gl.uniform1f(places.alpha, alpha);
    gl.uniform1f(places.by, ["tier", "radius", "kind"].indexOf(style.by));
    gl.uniform1f(places.count, style.tiers?.length ?? 1);
    gl.uniform2f(places.span, style.low, style.high);
    gl.uniform1f(places.colours, style.steps.length);
    gl.uniform3fv(places.steps, style.steps.flat());
    gl.uniform3fv(places.unknown, style.unknown);
    gl.uniform3fv(places.picture, style.picture);
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
    gl.bufferData(gl.ARRAY_BUFFER, 14 * count, gl.STATIC_DRAW);
    let offset = 0;
    [tile.x, tile.y, tile.radius, tile.tier, tile.kind].forEach((values, place) => {
      const type = values instanceof Float32Array ? gl.FLOAT : values instanceof Int8Array ? gl.BYTE : gl.UNSIGNED_BYTE;
      gl.bufferSubData(gl.ARRAY_BUFFER, offset, values);
      gl.enableVertexAttribArray(place);
      gl.vertexAttribPointer(place, 1, type, false, values.BYTES_PER_ELEMENT, offset);
      offset += values.byteLength;
    });
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
    const { camera, style, ratio, size } = this.frame;
    const half = (size * ratio) / 2;
    for (let i = from; i < Math.min(to, tile.x.length); i++) {
      const [x, y] = camera.onScreen([tile.x[i], tile.y[i]]);
      if (x < -size || y < -size || x > camera.width + size || y > camera.height + size) continue;
      const { colour, shape } = markOf(style, tile.tier[i], tile.radius[i], tile.kind[i]);
      this.paper.fillStyle = css(colour);
      this.paper.setTransform(half, 0, 0, half, x * ratio, y * ratio);
      if (size > 4) this.paper.fill(this.shapes[shape]);
      else this.paper.fillRect(-0.8, -0.8, 1.6, 1.6);
    }
  }

  close() {
    this.tiles.clear();
  }
}
