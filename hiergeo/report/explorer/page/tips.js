// @ts-check
// All of a caption that is cut: a card beside what is pointed at or focused, for every view.

import { fullText, h } from "./dom.js";

/** Characters of a card; all of a caption stands in the panel of the chosen item. */
const LONGEST = 1200;

/** Pixels between a card and what it belongs to. */
const APART = 6;

const OWNERS = "button, a, [role=option], [tabindex], bdi";

/**
 * Show the card while something with a cut caption is pointed at or focused; Escape hides it. The card of what has the
 * focus stays while the page scrolls, as it does when the focus moves out of sight, and wherever the pointer rests.
 */
export function showTips() {
  const tip = h("div", { class: "tip", id: "tip", role: "tooltip", hidden: true });
  document.body.append(tip);
  /** @type {Element | null} */
  let owner = null;

  function show(event) {
    const found = event.target instanceof Element ? event.target.closest(OWNERS) : null;
    if (found === owner) return;
    const cut = found?.matches(".cut") ? found : found?.querySelector(".cut");
    const text = cut && fullText(cut);
    if (!found || !text) {
      if (!focused()) hide();
      return;
    }
    hide();
    owner = found;
    owner.setAttribute("aria-describedby", tip.id);
    tip.replaceChildren(h("bdi", null, text.length > LONGEST ? `${text.slice(0, LONGEST)}…` : text));
    tip.hidden = false;
    place();
  }

  function focused() {
    return Boolean(owner?.matches(":focus-visible"));
  }

  function place() {
    if (!owner) return;
    const at = owner.getBoundingClientRect();
    const { left } = (owner.querySelector(".cut") ?? owner).getBoundingClientRect();
    const size = tip.getBoundingClientRect();
    const below = at.bottom + APART;
    const top = below + size.height <= innerHeight ? below : Math.max(APART, at.top - APART - size.height);
    tip.style.top = `${top}px`;
    tip.style.left = `${Math.max(APART, Math.min(left, innerWidth - size.width - APART))}px`;
  }

  function hide() {
    owner?.removeAttribute("aria-describedby");
    owner = null;
    tip.hidden = true;
  }

  document.addEventListener("pointerover", show);
  document.addEventListener("focusin", show);
  document.addEventListener("focusout", hide);
  document.addEventListener("scroll", () => (focused() ? place() : hide()), { capture: true, passive: true });
  document.addEventListener("keydown", (event) => event.key === "Escape" && hide());
}
