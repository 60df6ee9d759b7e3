"""The disc of the explorer in headless Chromium: by mouse, by fingers, by keyboard."""

import csv
import io
import struct

import pytest

from tests.report.browser_common import resize
from tests.report.explorer.mapview_common import (
    STAGE,
    click,
    corner,
    drag,
    fixtures,
    lone_point,
    mouse,
    opened,
    press,
    rested,
    run,
    saved,
    touch,
    until,
)

pytestmark = pytest.mark.slow  # a browser

address, browser, desk = fixtures()


def test_dragging_moves_by_an_isometry_and_the_wheel_magnifies_about_the_pointer(desk, address):
    opened(desk, address)
    at = f"{STAGE} const at = camera.base([given[0], given[1]]); return [...at, camera.zoom]"
    held = run(desk, at, 300, 260)
    drag(desk, [(300, 260), (320, 250), (420, 200)])
    assert run(desk, at, 420, 200)[:2] == pytest.approx(held[:2], abs=1e-6)
    left, top = corner(desk)
    x, y = round(left + 420) - left, round(top + 200) - top  # wheels turn at whole pixels of the window
    held = run(desk, at, x, y)
    mouse(desk, "mouseWheel", x, y, deltaX=0, deltaY=-240)
    until(desk, f"{STAGE} return camera.zoom > 1.5")
    assert run(desk, at, x, y)[:2] == pytest.approx(held[:2], abs=1e-6)
    rested(desk)
    kept = until(desk, "return location.hash.includes('at=') && location.hash.includes('zoom=') && location.hash")
    before = run(desk, f"{STAGE} return [...camera.centre, camera.zoom, camera.isometry.turn]")
    opened(desk, address, suffix=kept)
    assert run(desk, f"{STAGE} return [...camera.centre, camera.zoom, camera.isometry.turn]") == pytest.approx(
        before, rel=1e-4, abs=1e-5
    )
    press(desk, "0")
    assert run(desk, f"{STAGE} return [...camera.centre, camera.zoom]") == [0, 0, 1]


def test_what_is_under_the_pointer_is_named_and_a_click_chooses_it(desk, address):
    opened(desk, address, 400)
    found, x, y = lone_point(desk)
    mouse(desk, "mouseMoved", x + 2, y - 2)
    shown = "const card = document.querySelector('.map-card:not([hidden])'); return card && card.textContent"
    item = run(desk, "return app.source.item(Number(given[0]))", found)
    card = until(desk, shown)
    assert (item["caption"] or f"image {found}") in card
    assert f"radius {item['radius']['0']:.3f}" in card
    assert desk.find_elements("css selector", ".map-card img[src*=alert], .map-card script") == []
    click(desk, x, y)
    assert run(desk, "return app.state.get().item") == found
    until(desk, "return Boolean(document.querySelector('.map-chosen'))")
    assert len(desk.find_elements("css selector", ".map-link.parent")) == 8
    ring = """const { x, y } = app.source.maps[app.state.get().lens].points[Number(given[0])];
      const ring = stage.overlay.front.querySelector('.map-chosen'), [u, v] = camera.onScreen([x, y]);
      return Math.hypot(u - ring.getAttribute('cx'), v - ring.getAttribute('cy'))"""
    assert run(desk, STAGE + ring, found) < 0.2
    for kind in ("mousePressed", "mouseReleased"):
        mouse(desk, kind, x, y, clickCount=2)
    until(
        desk,
        f"""{STAGE} const {{ x, y }} = app.source.maps[0].points[given[0]]; const [u, v] = camera.onScreen([x, y]);
          return Math.hypot(u - camera.width / 2, v - camera.height / 2) < 1""",
        int(found),
    )


def test_points_go_to_their_places_in_another_space_and_stay_where_embeddings_are_the_same(desk, address):
    opened(desk, address, 400, spaces=2)
    place = "const { x, y } = app.source.maps[given[0]].points[5];"
    run(desk, "shown.stage.element.dataset.old = 1; app.state.set({ lens: '1' }); return 1")
    run(desk, "await new Promise((go) => setTimeout(go, 50)); return 1")
    way = f"""{place} const tile = [...shown.stage.loader.tiles.values()][0], at = [...tile?.ids ?? []].indexOf(5n);
      return at >= 0 && tile.from && [tile.from[0][at], tile.from[1][at], x, y, tile.x[at], tile.y[at]]"""
    assert not run(desk, "return shown.stage.element.dataset.old === '1' && shown.stage.lens.key === '1'")
    before, after = run(desk, place + "return [x, y]", 0), run(desk, place + "return [x, y]", 1)
    found = run(desk, way, 1)
    assert found is False or found == pytest.approx([*before, *after, *after], abs=1e-6)
    rested(desk)
    assert run(desk, "return [shown.stage.from, [...shown.stage.loader.tiles.values()].some((tile) => tile.from)]") == [
        None,
        False,
    ]
    run(
        desk, "app.source.maps[0].facts.version = app.source.maps[1].facts.version; window.kept = shown.stage; return 1"
    )
    run(desk, "app.state.set({ lens: '0' }); return 1")
    until(desk, "return shown.stage.lens.key === '0'")
    assert run(desk, "return window.kept === shown.stage")
    assert "stand still" in desk.find_element("css selector", ".disc").text
    media = {"features": [{"name": "prefers-reduced-motion", "value": "reduce"}]}
    desk.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
    run(desk, "app.source.maps[1].facts.version = 'other'; app.state.set({ lens: '1' }); return 1")
    until(desk, "return shown.stage.lens.key === '1'")
    assert run(desk, "return shown.stage.from") is None
    desk.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


def test_columns_colour_and_filter_the_disc_and_what_passes_is_listed(desk, address):
    opened(desk, address, 400)
    drawn = """const shown_ = [...shown.stage.loader.tiles.values()].flatMap((tile) =>
      [...tile.ids].map((id, i) => [Number(id), tile.colour[i]]).filter(([, colour]) => colour !== 255));
    return shown_"""
    assert len(run(desk, drawn)) == 400
    desk.execute_script("shown.tools.hidden = false")
    colour_by = """const colour = document.querySelector('.tools select'); colour.value = arguments[0];
        colour.dispatchEvent(new Event('change'))"""
    desk.execute_script(colour_by, "source")
    until(desk, "return shown.columns.bins.has('source') && document.querySelectorAll('.map-legend li').length === 4")
    assert all(colour == (3 if i % 10 == 0 else i % 3) for i, colour in run(desk, drawn))
    assert desk.find_elements("css selector", ".columns b, .map-legend b") == []
    desk.execute_script(colour_by, "length")
    until(desk, "return document.querySelectorAll('.map-ramp rect').length === 7")
    desk.execute_script(colour_by, "source")
    desk.execute_script("document.querySelectorAll('.values button')[1].click()")
    until(desk, "return location.hash.includes('where=')")
    book = {i for i in range(400) if i % 10 and i % 3 == 1}
    until(desk, f"return (() => {{ {drawn} }})().length === given[0]", len(book))
    assert {i for i, _ in run(desk, drawn)} == book
    pressed = "return [...document.querySelectorAll('.map-legend button')].map((each) => each.ariaPressed)"
    assert run(desk, pressed) == ["false", "true", "false"]
    desk.execute_script("document.querySelectorAll('.map-legend button')[1].click()")
    until(desk, f"return (() => {{ {drawn} }})().length === 400")
    desk.execute_script("document.querySelectorAll('.map-legend button')[1].click()")
    until(desk, f"return (() => {{ {drawn} }})().length === given[0]", len(book))
    desk.execute_script(
        """const [from] = document.querySelectorAll('.ends input'); from.value = 4;
        from.dispatchEvent(new Event('input'))"""
    )
    both = {i for i in book if i % 7 >= 4}
    until(desk, f"return (() => {{ {drawn} }})().length === given[0]", len(both))
    assert f"{len(both)} of 400 items" in desk.find_element("css selector", ".tools [role=status]").text
    kept = run(desk, "return location.hash")
    opened(desk, address, 400, suffix=kept)
    until(desk, f"return (() => {{ {drawn} }})().length === given[0]", len(both))
    desk.execute_script("shown.tools.hidden = false")
    desk.find_element("xpath", "//button[text()='List them']").click()
    until(desk, "return document.querySelectorAll('.map-selection tbody tr').length")
    desk.find_element("xpath", "//button[text()='Save as CSV']").click()
    rows = list(csv.DictReader(io.StringIO(saved(desk, "csv").decode(), newline="")))
    assert {int(row["id"]) for row in rows} == both
    assert {(row["source"], row["length"]) for row in rows} == {("<b>book</b>", f"{i} to {i + 1}") for i in (4, 5, 6)}
    rested(desk)
    desk.find_element("xpath", "//button[text()='Show all']").click()
    until(desk, f"return (() => {{ {drawn} }})().length === 400")


def test_every_item_in_sight_is_reached_by_keyboard_from_the_root_outwards_and_spoken(desk, address):
    opened(desk, address, 200)
    press(desk, "nnnp")
    said = until(
        desk,
        "return told.said.at(-1)?.includes('2 of 200 in sight') && told.said",
    )
    point = run(desk, "return [...app.source.maps[0].points].sort((a, b) => a.radius - b.radius)[1]")
    name = run(desk, "return app.source.item(given[0]).caption ?? `image ${given[0]}`", point["id"])
    assert said[-1].startswith(name)
    assert f"radius {point['radius']:.3f}" in said[-1]
    press(desk, ["Enter"])
    assert run(desk, "return app.state.get().item") == str(point["id"])
    zoom = run(desk, f"{STAGE} return camera.zoom")
    press(desk, ["+", "ArrowRight", "ArrowUp"])
    centre = run(desk, f"{STAGE} return [...camera.centre, camera.zoom]")
    assert min(centre[:2]) > 0
    assert centre[2] > zoom


@pytest.mark.parametrize("mode", ["rectangle", "lasso"])
def test_a_region_is_selected_listed_and_saved_without_formulas(desk, address, mode):
    opened(desk, address, 1500, suffix="#at=0.3,0.1")
    desk.execute_script("document.querySelector(`input[name=map-drag][value=${arguments[0]}]`).click()", mode)
    corners = [(60.0, 60.0), (280.0, 60.0), (280.0, 250.0), (60.0, 250.0)]
    drag(desk, [corners[0], (70.0, 70.0), corners[2]] if mode == "rectangle" else [*corners, (60.0, 70.0)])
    title = until(desk, "return told.said.find((text) => text.endsWith('selected'))")
    inside = run(
        desk,
        f"""{STAGE} const within = ([u, v]) => u > 60 && u < 280 && v > 60 && v < 250;
        const inside = app.source.maps[0].points.filter(({{ x, y }}) => within(camera.onScreen([x, y])));
        return inside.map(({{ id }}) => String(id))""",
    )
    assert len(inside) > 50
    assert int(title.split()[0].replace(",", "")) == len(inside)
    desk.execute_script("shown.tools.hidden = false")
    desk.find_element("xpath", "//button[text()='Save as CSV']").click()
    rows = list(csv.DictReader(io.StringIO(saved(desk, "csv").decode(), newline="")))
    assert sorted(inside) == sorted(row["id"] for row in rows)
    assert list(rows[0]) == ["id", "caption", "tier", "kind", "radius", "length", "source"]
    values = ("web", "<b>book</b>", "other")
    assert all(row["source"] == (values[int(row["id"]) % 3] if int(row["id"]) % 10 else "") for row in rows)
    assert {(row["caption"] == "", row["kind"]) for row in rows} == {(True, "image"), (False, "caption")}
    captions = {row["caption"].split(" ")[0] for row in rows if row["caption"]}
    assert captions >= {"'=cmd|'", "<img"}
    assert any('"woof", twice' in row["caption"] for row in rows)
    until(desk, "return document.querySelectorAll('.map-region').length === 1")
    desk.find_element("xpath", "//button[text()='Clear']").click()
    until(desk, "return !document.querySelector('.map-region')")


def test_pictures_are_saved_as_they_are_seen(desk, address):
    opened(desk, address, 500, suffix="#item=3")
    until(desk, "return Boolean(document.querySelector('.map-chosen'))")
    desk.execute_script("for (const button of document.querySelectorAll('.tools button[title^=Save]')) button.click()")
    png, svg = saved(desk, "png"), saved(desk, "svg").decode()
    side = run(desk, f"{STAGE} return camera.width")
    assert struct.unpack(">II", png[16:24])[0] == 2 * round(side)
    marks = run(
        desk,
        """const drawing = new DOMParser().parseFromString(given[0], 'image/svg+xml');
        if (drawing.querySelector('parsererror')) throw new Error(drawing.documentElement.textContent);
        return [...drawing.querySelectorAll('path[fill-opacity="0.85"]')].reduce((sum,
          path) => sum + path.getAttribute('d').split('Z').length - 1, 0)""",
        svg,
    )
    assert marks == 500
    assert "anything" in svg
    assert "var(" not in svg
    assert "class=" not in svg


def test_on_a_phone_one_finger_scrolls_two_move_the_map_and_taps_show_and_choose(browser, address):
    resize(browser, 390, 700)
    browser.execute_cdp_cmd("Emulation.setTouchEmulationEnabled", {"enabled": True, "maxTouchPoints": 2})
    try:
        opened(browser, address, 120)
        assert run(browser, "return document.documentElement.scrollWidth") == 390
        run(browser, "document.body.style.paddingBottom = '600px'; return 1")
        look = f"{STAGE} return [...camera.centre, camera.zoom]"
        touch(browser, "touchStart", (120, 150), (200, 150))
        for wider in (10, 20, 30):
            touch(browser, "touchMove", (120 - wider, 150), (200 + wider, 150))
        touch(browser, "touchEnd")
        assert run(browser, look)[2] == pytest.approx(140 / 80, rel=0.02)
        press(browser, "0")
        rested(browser)
        found, x, y = lone_point(browser)
        for choice in (None, found):
            touch(browser, "touchStart", (x, y))
            touch(browser, "touchEnd")
            until(browser, "return Boolean(document.querySelector('.map-card:not([hidden])'))")
            assert run(browser, "return app.state.get().item") == choice
            run(browser, "await new Promise((done) => setTimeout(done, 400)); return 1")
        touch(browser, "touchStart", (150, 300))
        for y in (280, 240, 200, 150):
            touch(browser, "touchMove", (150, y))
        touch(browser, "touchEnd")
        until(browser, "return window.scrollY > 60")
        assert run(browser, look) == [0, 0, 1]
    finally:
        browser.execute_cdp_cmd("Emulation.setTouchEmulationEnabled", {"enabled": False})
