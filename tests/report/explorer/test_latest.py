"""What the explorer shows belongs to the last request, whatever arrives when, in headless Chromium."""

import random
from urllib.parse import urlencode

import pytest

from tests.report.explorer.explorer_common import STEPS, Page, fixtures

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
  view: (name) => document.getElementById(`tab-${name}`).click(),
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

SHOWN = """return document.querySelector('.climb-subject img')?.alt ||
document.querySelector('.climb-words')?.textContent"""
"""The query that is shown."""


def play(page: Page, seed: int) -> None:
    """A burst of queries and switches, then what is shown."""
    generator = random.Random(seed)
    texts = ["a ring", "a small dotted star", "two big shapes", "a blue circle", "a red square"]
    acts = []
    query = ""
    for turn in range(generator.randint(3, 9)):
        kind = generator.choice(["text", "text", "photo", "photo", "space", "view"])
        what = {
            "text": generator.choice(texts),
            "photo": f"{generator.choice(['large', 'small'])}-{seed}-{turn}.png",
            "space": generator.randrange(2),
            "view": generator.choice(["climb", "map", "climb"]),
        }[kind]
        query = str(what) if kind in ("text", "photo") else query
        acts.append([kind, what, generator.choice([0, 0, 20, 90])])
    page.open("q=a+star")
    page.script(LATE, seed)
    page.browser.execute_async_script(ACTS, acts)
    page.script("document.getElementById('tab-climb').click()")
    query = query or "a star"
    photo = query.endswith(".png")
    page.until(f"return arguments[0] === (() => {{ {SHOWN} }})()", query)
    calm = 0
    while calm < 5:
        calm = calm + 1 if page.until(QUIET) else 0
    assert page.script(SHOWN) == query, acts
    assert page.script("return document.getElementById('query').value") == ("" if photo else query), acts
    subject = page.texts(".ask .subject:not([hidden])")
    assert query in subject[0] if photo else not subject, acts
    lens = page.script("return document.querySelector('.climb-spaces :checked').value")
    assert lens == page.hash().get("lenses", "0")[0], acts
    if not photo:
        assert page.script(STEPS) == [hit["id"] for hit in page.steps(lens, q=query)], acts


@pytest.mark.slow
def test_the_last_request_wins(page) -> None:
    for seed in range(3):
        play(page, seed)


@pytest.mark.slow  # a browser
def test_a_photo_survives_a_reload_and_one_too_large_is_told(page) -> None:
    photo = "return document.querySelector('.ask .subject').textContent.includes(arguments[0])"
    page.open(urlencode({"q": "a ring"}))
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
