"""What the explorer shows belongs to the last request, whatever arrives when, in headless Chromium."""

import random
from urllib.parse import urlencode

import pytest

from tests.report.explorer.explorer_common import MARKED, STEPS, Page, fixtures

pytest.importorskip("starlette")

collection, files, page = fixtures()

LATE = """const random = (() => {
  let state = arguments[0];
  return () => {
    state = (state + 0x6D2B79F5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
})();
window.pending = 0;
const late = (work) => async (...given) => {
  window.pending += 1;
  try {
    await new Promise((go) => setTimeout(go, 250 * random() ** 2));
    return await work(...given);
  } finally {
    window.pending -= 1;
  }
};
window.depth = 0;
const push = history.pushState.bind(history);
history.pushState = (...given) => {
  window.depth += 1;
  push(...given);
};
window.fetch = late(window.fetch.bind(window));
window.createImageBitmap = late(window.createImageBitmap.bind(window));"""
"""Let every answer and every picture come late, by a random time."""

ACTS = """const [acts, done] = arguments;
const act = {
  text: (text) => {
    document.getElementById('query').value = text;
    document.querySelector('form.ask').requestSubmit();
  },
  photo: async (name) => {
    const side = name.startsWith('large') ? 2400 : 40;
    const canvas = new OffscreenCanvas(side, side);
    canvas.getContext('2d').fillRect(0, 0, side / 2, side);
    const given = new DataTransfer();
    given.items.add(new File([await canvas.convertToBlob()], name, { type: 'image/png' }));
    document.body.dispatchEvent(new DragEvent('drop', { bubbles: true, cancelable: true, dataTransfer: given }));
  },
  space: (place) => document.querySelectorAll('.climb-spaces input')[place].click(),
  card: () => document.querySelector('.climb-card button')?.click(),
  back: () => {
    if (window.depth <= 0) return;
    window.depth -= 1;
    history.back();
  },
};
(async () => {
  for (const [kind, what, wait] of acts) {
    await act[kind](what);
    await new Promise((go) => setTimeout(go, wait));
  }
  done();
})();"""
"""Do what a user does, one thing after the other, without waiting for answers."""

QUIET = "return window.pending === 0 && !document.querySelector('[aria-busy]')"

SHOWN = """const subject = document.querySelector('.climb-subject'), stage = document.querySelector('.map-stage');
return {
  query: subject.querySelector('img.preview')?.alt ?? subject.querySelector('.climb-words')?.textContent ?? null,
  input: document.getElementById('query').value,
  space: document.querySelector('.climb-spaces :checked').value,
  disc: stage?.getAttribute('aria-label') ?? '',
  chosen: document.querySelector('.drawer:not([hidden]) .full')?.textContent ?? null,
  pressed: [...document.querySelectorAll('.climb-card:has([aria-pressed=true])')].map((card) => card.dataset.id),
  dots: document.querySelectorAll('.map-rung').length,
}"""
"""What the page shows in all of its places."""


def play(page: Page, seed: int) -> None:
    """A burst of queries, photos, choices, switches and ways back; then all places show one state, that of the URL."""
    generator = random.Random(seed)
    texts = ["a trumpet", "a wind instrument", "a bird", "a taxi", "a guitar"]
    acts: list[list] = []
    for turn in range(generator.randint(4, 10)):
        kind = generator.choice(["text", "text", "photo", "photo", "space", "card", "back"])
        photo = f"{generator.choice(['large', 'small'])}-{seed}-{turn}.png"
        what = {"text": generator.choice(texts), "photo": photo, "space": generator.randrange(2)}.get(kind)
        acts.append([kind, what, generator.choice([0, 0, 20, 90])])
    page.open("q=an+owl")
    page.script(LATE, seed)
    page.browser.execute_async_script(ACTS, acts)
    calm = 0
    while calm < 6:
        calm = calm + 1 if page.script(QUIET) else 0
        page.until(QUIET)
    page.until("return document.querySelector('.climb-ladder').childElementCount")
    state, shown = page.hash(), page.script(SHOWN)
    queries = [what for kind, what, _ in acts if kind in ("text", "photo")]
    if queries and not any(kind == "back" for kind, *_ in acts):
        assert shown["query"] == queries[-1], acts
    photo = shown["query"].endswith(".png")
    assert shown["input"] == state.get("q", "") == ("" if photo else shown["query"]), acts
    assert shown["space"] == state.get("lens", "0"), acts
    title = page.asked("collection")["lenses"][int(shown["space"])]["title"]
    page.until("return document.querySelector('.map-stage')?.getAttribute('aria-label')?.includes(arguments[0])", title)
    item = state.get("item")
    assert (shown["chosen"] is None) == (item is None), acts
    steps = page.script(STEPS)
    if item:
        assert shown["chosen"] == page.asked("items", ids=item)["items"][0]["caption"] or shown["chosen"].endswith(item)
        assert shown["pressed"] in ([], [item]), acts
    if not photo:
        assert steps == [hit["id"] for hit in page.steps(shown["space"], q=shown["query"])], acts
        page.until(MARKED, len(steps))


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(6))
def test_the_last_request_wins(page, seed) -> None:
    play(page, seed)


@pytest.mark.slow  # a browser
def test_a_photo_survives_a_reload_and_one_too_large_is_told(page) -> None:
    photo = "return document.querySelector('.climb-subject').textContent.includes(arguments[0])"
    page.open(urlencode({"q": "a trumpet"}))
    page.give("drop", "first.png")
    page.until(photo, "first.png")
    page.until("return sessionStorage.getItem('hiergeo-photos')?.includes('first.png')")
    page.browser.refresh()
    page.rest()
    assert page.script(photo, "first.png")
    page.script("Storage.prototype.setItem = () => { throw new DOMException('full', 'QuotaExceededError'); }")
    page.give("drop", "second.png")
    page.until(photo, "second.png")
    page.browser.refresh()
    page.rest()
    assert not page.script(photo, "second.png")
    assert page.texts(".ask > .failed:not([hidden])")
