// @ts-check
/**
 * What the mouse, fingers and the wheel do on a stage, as calls of a few functions.
 *
 * One finger scrolls the page, so that a map never catches a reader on a phone: two fingers move and magnify it, as does
 * one with a mouse or a pen. While something is selected with the brush, one finger draws.
 */

/**
 * @typedef {[number, number]} At pixels from the left upper corner of the stage
 * @typedef {{drag: (from: At, to: At) => void, magnify: (factor: number, at: At) => void, hover: (at: At | null) => void,
 *   tap: (at: At, touch: boolean) => void, centre: (at: At) => void, brush: (path: At[], done: boolean) => void,
 *   brushing: () => boolean}} Moves
 */

/** Pixels that a press may wander and still be a tap. */
const STILL = 5;

/** Listen to a stage. @param {HTMLElement} stage @param {Moves} moves */
export function listen(stage, moves) {
  /** @type {Map<number, At>} */
  const down = new Map();
  /** @type {{start: At, moved: boolean} | null} */
  let press = null;
  /** @type {At[]} */
  let drawn = [];

  /** @param {MouseEvent} event @returns {At} */
  const place = (event) => {
    const box = stage.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  };
  const far = (/** @type {At} */ a, /** @type {At} */ b) => Math.hypot(a[0] - b[0], a[1] - b[1]);

  stage.addEventListener("pointerdown", (event) => {
    if (event.pointerType === "mouse" && event.button !== 0) return;
    if (event.target instanceof Element && event.target.closest("a, button, input")) return;
    const at = place(event);
    down.set(event.pointerId, at);
    if (event.pointerType !== "touch" || moves.brushing()) capture(stage, event.pointerId);
    press = down.size === 1 ? { start: at, moved: false } : null;
    drawn = moves.brushing() && down.size === 1 ? [at] : [];
    if (drawn.length) moves.brush(drawn, false);
  });

  stage.addEventListener("pointermove", (event) => {
    const at = place(event);
    const before = down.get(event.pointerId);
    if (!before) {
      if (event.pointerType !== "touch" && !down.size) moves.hover(at);
      return;
    }
    if (press && far(at, press.start) > STILL) press.moved = true;
    if (drawn.length) {
      if (far(at, drawn[drawn.length - 1]) >= 3) drawn.push(at);
      moves.brush(drawn, false);
    } else if (down.size === 2) {
      const other = [...down].find(([id]) => id !== event.pointerId)?.[1] ?? before;
      const middle = (/** @type {At} */ a) => /** @type {At} */ ([(a[0] + other[0]) / 2, (a[1] + other[1]) / 2]);
      moves.drag(middle(before), middle(at));
      moves.magnify(Math.max(1, far(at, other)) / Math.max(1, far(before, other)), middle(at));
    } else if (event.pointerType !== "touch" && press?.moved) moves.drag(before, at);
    else if (event.pointerType !== "touch") return;
    down.set(event.pointerId, at);
  });

  const up = (/** @type {PointerEvent} */ event) => {
    if (!down.delete(event.pointerId)) return;
    const at = place(event);
    const cancelled = event.type === "pointercancel";
    if (drawn.length) {
      const path = drawn;
      drawn = [];
      moves.brush(cancelled ? [] : path, true);
    } else if (press && !press.moved && !cancelled) moves.tap(at, event.pointerType === "touch");
    press = null;
  };
  stage.addEventListener("dblclick", (event) => moves.brushing() || moves.centre(place(event)));
  stage.addEventListener("pointerup", up);
  stage.addEventListener("pointercancel", up);
  stage.addEventListener("pointerleave", (event) => {
    if (!down.size && event.pointerType !== "touch") moves.hover(null);
  });

  stage.addEventListener(
    "wheel",
    (event) => {
      event.preventDefault();
      const lines = event.deltaMode === 1 ? 16 : event.deltaMode === 2 ? 400 : 1;
      const pixels = Math.max(-240, Math.min(240, event.deltaY * lines));
      moves.magnify(Math.exp((-pixels * (event.ctrlKey ? 4 : 1)) / 400), place(event));
    },
    { passive: false },
  );
  // A second finger takes the gesture away from the page.
  const own = (/** @type {TouchEvent} */ event) => {
    if (event.cancelable && (event.touches.length > 1 || moves.brushing())) event.preventDefault();
  };
  stage.addEventListener("touchstart", own, { passive: false });
  stage.addEventListener("touchmove", own, { passive: false });
}

/** @param {HTMLElement} stage @param {number} pointer */
function capture(stage, pointer) {
  try {
    stage.setPointerCapture(pointer);
  } catch {
    // The pointer went up in the meantime.
  }
}
