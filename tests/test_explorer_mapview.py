"""The map of the explorer in headless Chromium: by mouse, by fingers, by keyboard, with and without WebGL."""

import base64
import csv
import io
import struct
from collections.abc import Iterator
from typing import Any

import pytest
from mapview_common import chromium, opened, resize, rested, run, serving_files, until

STAGE = "const stage = [...shown.panels.values()][given[0] ?? 0].stage, camera = stage.camera;"


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with serving_files() as served:
        yield served


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as started:
        yield started


@pytest.fixture
def desk(browser: Any) -> Iterator[Any]:
    """The browser at the width of a desk; no test may leave an error on its console."""
    resize(browser, 1280)
    yield browser
    assert [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"] == []


def stage_of(browser: Any, place: int = 0) -> Any:
    return browser.find_elements("css selector", ".map-stage")[place]


def corner(browser: Any, place: int = 0) -> tuple[float, float]:
    """Where the left upper corner of a stage is in the window."""
    box = browser.execute_script("return arguments[0].getBoundingClientRect()", stage_of(browser, place))
    return box["x"], box["y"]


def mouse(browser: Any, kind: str, x: float, y: float, place: int = 0, **more: object) -> None:
    """One event of the mouse at a pixel of a stage."""
    left, top = corner(browser, place)
    event = {"type": kind, "x": left + x, "y": top + y, "button": "left", "clickCount": 1, **more}
    if kind in ("mouseMoved", "mouseWheel"):
        event["button"] = "left" if more.get("buttons") else "none"
    browser.execute_cdp_cmd("Input.dispatchMouseEvent", event)


def drag(browser: Any, way: list[tuple[float, float]], place: int = 0) -> None:
    mouse(browser, "mouseMoved", *way[0], place)
    mouse(browser, "mousePressed", *way[0], place)
    for x, y in way[1:]:
        mouse(browser, "mouseMoved", x, y, place, buttons=1)
    mouse(browser, "mouseReleased", *way[-1], place)


def click(browser: Any, x: float, y: float, place: int = 0) -> None:
    for kind in ("mouseMoved", "mousePressed", "mouseReleased"):
        mouse(browser, kind, x, y, place)


def press(browser: Any, keys: str, place: int = 0) -> None:
    browser.execute_script("arguments[0].focus()", stage_of(browser, place))
    for key in keys:
        event = {"key": key, "text": key} if len(key) == 1 else {"key": key}
        browser.execute_cdp_cmd("Input.dispatchKeyEvent", {"type": "keyDown", **event})
        browser.execute_cdp_cmd("Input.dispatchKeyEvent", {"type": "keyUp", "key": key})


def lone_point(browser: Any, place: int = 0) -> list:
    """The id and the pixel of a point well within the stage, far from every other."""
    return run(
        browser,
        f"""{STAGE} const points = app.source.maps[stage.lens.key].points.map(({{ id, x, y }}) => [String(id), ...camera.onScreen([x, y])]);
        const free = ([id, x, y]) => Math.hypot(x - camera.width / 2, y - camera.height / 2) < 0.4 * camera.width && !points.some(([other, u, v]) => other !== id && Math.hypot(u - x, v - y) < 7);
        return points.find(free);""",
        place,
    )


@pytest.mark.parametrize("chart", ["disk", "flat"])
@pytest.mark.parametrize("kappa", [-1, 0, 1])
def test_points_are_painted_where_the_camera_puts_them(desk, address, kappa, chart):
    opened(desk, address, [kappa], 60, suffix=f"#at=0.5,-0.3&turn=0.6&zoom=1.3&chart={chart}")
    painted, expected, outside = run(
        desk,
        f"""{STAGE} const canvas = document.createElement('canvas');
        [canvas.width, canvas.height] = [stage.canvas.width, stage.canvas.height];
        const paper = canvas.getContext('2d'); paper.drawImage(stage.painter.canvas, 0, 0);
        const data = paper.getImageData(0, 0, canvas.width, canvas.height).data;
        const ink = (x, y) => data[4 * (Math.round(y) * canvas.width + Math.round(x)) + 3];
        const seen = app.source.maps[0].points.map(({{ x, y }}) => camera.onScreen([x, y])).filter(([x, y]) => x > 9 && y > 9 && x < camera.width - 9 && y < camera.height - 9);
        let far = 0, inked = 0;
        for (let y = 0; y < canvas.height; y += 2) for (let x = 0; x < canvas.width; x += 2) {{
          if (!ink(x, y)) continue;
          inked += 1;
          if (Math.min(...seen.map(([u, v]) => Math.hypot(u - x, v - y))) > 8 && x > 18 && y > 18 && x < canvas.width - 18 && y < canvas.height - 18) far += 1;
        }}
        return [seen.filter(([x, y]) => ink(x, y) > 40).length, seen.length, far];""",
    )
    assert expected > 20
    assert painted == expected
    assert outside == 0
    assert run(desk, f"{STAGE} return [stage.painter.kind, camera.kappa]") == ["webgl2", 0 if chart == "flat" else kappa]


def test_dragging_moves_by_an_isometry_and_the_wheel_magnifies_about_the_pointer(desk, address):
    opened(desk, address, [-1])
    at = f"{STAGE} const at = camera.base([given[1], given[2]]); return [...at, camera.zoom]"
    held = run(desk, at, 0, 300, 260)
    drag(desk, [(300, 260), (320, 250), (420, 200)])
    assert run(desk, at, 0, 420, 200)[:2] == pytest.approx(held[:2], abs=1e-6)
    mouse(desk, "mouseWheel", 420, 200, deltaX=0, deltaY=-240)
    until(desk, f"{STAGE} return camera.zoom > 1.5")
    assert run(desk, at, 0, 420, 200)[:2] == pytest.approx(held[:2], abs=2e-3)  # wheels turn at whole pixels
    rested(desk)
    kept = until(desk, "return location.hash.includes('at=') && location.hash.includes('zoom=') && location.hash")
    before = run(desk, f"{STAGE} return [...camera.centre, camera.zoom, camera.isometry.turn]")
    opened(desk, address, [-1], suffix=kept)
    assert run(desk, f"{STAGE} return [...camera.centre, camera.zoom, camera.isometry.turn]") == pytest.approx(
        before, rel=1e-4, abs=1e-5
    )
    press(desk, "0")
    assert run(desk, f"{STAGE} return [...camera.centre, camera.zoom]") == [0, 0, 1]


def test_what_is_under_the_pointer_is_named_and_a_click_chooses_it_in_every_space(desk, address):
    opened(desk, address, [-1, 0], 400)
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
    until(desk, "return document.querySelectorAll('.map-chosen').length === 2")
    assert len(desk.find_elements("css selector", ".map-link.parent")) == 16
    rings = run(
        desk,
        """return [...shown.panels.values()].map(({ stage }, lens) => {
          const { x, y } = app.source.maps[lens].points[Number(given[0])], ring = stage.overlay.front.querySelector('.map-chosen');
          const [u, v] = stage.camera.onScreen([x, y]);
          return Math.hypot(u - ring.getAttribute('cx'), v - ring.getAttribute('cy'));
        })""",
        found,
    )
    assert max(rings) < 0.2
    double = {"clickCount": 2}
    for kind in ("mousePressed", "mouseReleased"):
        mouse(desk, kind, x, y, **double)
    until(desk, f"{STAGE} const {{ x, y }} = app.source.maps[0].points[given[1]]; const [u, v] = camera.onScreen([x, y]); return Math.hypot(u - camera.width / 2, v - camera.height / 2) < 1", 0, int(found))


def test_the_nearest_drawn_point_is_found_by_the_grid(desk, address):
    opened(desk, address, [-1, 0, 1], suffix="#at=0.8,0.4&turn=1&zoom=1.7&lenses=0,1,2")
    wrong = run(
        desk,
        """const { nearest } = await import('/page/grid.js'); let wrong = 0, found = 0;
        for (const chart of ['disk', 'flat']) for (const { stage } of shown.panels.values()) {
          stage.rechart(chart);
          const points = app.source.maps[stage.lens.key].points;
          for (let i = 0; i < 40; i++) {
            const at = [(i * 53) % stage.camera.width, (i * 97) % stage.camera.height];
            const away = ({ x, y }) => { const [u, v] = stage.camera.onScreen([x, y]); return Math.hypot(u - at[0], v - at[1]); };
            const drawn = new Map([...stage.loader.tiles].map(([key, tile]) => [key, tile.ids.length]));
            stage.drawn = drawn;
            const least = Math.min(...points.map(away));
            const given = nearest(stage.tiles(), stage.camera, at, 14);
            found += given ? 1 : 0;
            if (least < 13.9 ? !given || Math.abs(away(points[Number(given.id)]) - least) > 0.01 : least > 14.1 && given) wrong += 1;
          }
        }
        return [wrong, found];""",
    )
    assert wrong[0] == 0
    assert wrong[1] > 60


def test_the_ladder_of_the_query_is_drawn_along_geodesics_from_the_root(desk, address):
    opened(desk, address, [-1], 400, suffix="#from=37")
    until(desk, "return document.querySelectorAll('.map-rung').length === 3 && document.querySelectorAll('.map-query').length === 1")
    start, end, stops = run(
        desk,
        f"""{STAGE} const stops = document.querySelector('.map-path').getAttribute('d').match(/-?[\\d.]+ -?[\\d.]+/g).map((pair) => pair.split(' ').map(Number));
        const {{ x, y }} = app.source.maps[0].points[37];
        return [camera.onScreen([0, 0]), camera.onScreen([x, y]), stops]""",
    )
    assert stops[0] == pytest.approx(start, abs=0.1)
    assert stops[-1] == pytest.approx(end, abs=0.1)
    assert len(stops) > 40


def test_every_item_in_sight_is_reached_by_keyboard_from_the_root_outwards_and_spoken(desk, address):
    opened(desk, address, [-1], 200)
    press(desk, "nnnp")
    said = until(desk, "return told.said.length >= 1 && told.said.at(-1).includes(', 2 of 200 in sight') && told.said")
    point = run(desk, "return [...app.source.maps[0].points].sort((a, b) => a.radius - b.radius)[1]")
    name = run(desk, "return app.source.item(given[0]).caption ?? `image ${given[0]}`", point["id"])
    assert said[-1].startswith(name)
    assert f"radius {point['radius']:.3f}" in said[-1]
    press(desk, ["Enter"])
    assert run(desk, "return app.state.get().item") == str(point["id"])
    zoom = run(desk, f"{STAGE} return camera.zoom")
    press(desk, ["+", "ArrowRight", "ArrowUp"])
    centre = run(desk, f"{STAGE} return [...camera.centre, camera.zoom]")
    assert centre[0] > 0 and centre[1] > 0 and centre[2] > zoom


def saved(browser: Any, suffix: str) -> bytes:
    found = until(
        browser,
        """const file = told.saved.find(({ name }) => name.endsWith(given[0])); if (!file) return null;
        const bytes = new Uint8Array(await new Blob([file.content]).arrayBuffer()); let text = '';
        for (const byte of bytes) text += String.fromCharCode(byte);
        return btoa(text)""",
        suffix,
    )
    return base64.b64decode(found)


@pytest.mark.parametrize("mode", ["rectangle", "lasso"])
def test_a_region_is_selected_listed_and_saved_without_formulas(desk, address, mode):
    opened(desk, address, [-1, 0], 1500, suffix="#at=0.6,0.2")
    desk.execute_script("document.querySelector(`input[name=map-drag][value=${arguments[0]}]`).click()", mode)
    corners = [(60.0, 60.0), (280.0, 60.0), (280.0, 250.0), (60.0, 250.0)]
    drag(desk, [corners[0], (70.0, 70.0), corners[2]] if mode == "rectangle" else [*corners, (60.0, 70.0)])
    title = until(desk, "return told.said.find((text) => text.endsWith('selected'))")
    inside = run(
        desk,
        f"""{STAGE} return app.source.maps[0].points.filter(({{ x, y }}) => {{ const [u, v] = camera.onScreen([x, y]); return u > 60 && u < 280 && v > 60 && v < 250; }}).map(({{ id }}) => String(id))""",
    )
    assert len(inside) > 50
    assert int(title.split()[0].replace(",", "")) == pytest.approx(len(inside), abs=3)
    desk.execute_script("document.querySelector('.map-selection .button').click()")
    rows = list(csv.DictReader(io.StringIO(saved(desk, "csv").decode(), newline="")))
    assert len(set(inside) ^ {row["id"] for row in rows}) <= 3
    assert list(rows[0]) == ["id", "caption", "tier", "kind", "radius"]
    captions = {row["caption"].split(" ")[0] for row in rows if row["caption"]}
    assert "'=cmd|'" in captions and "<img" in captions
    assert any('"woof", twice' in row["caption"] for row in rows)
    assert len(desk.find_elements("css selector", ".map-region")) == 1
    desk.execute_script("document.querySelectorAll('.map-selection .button')[1].click()")
    until(desk, "return !document.querySelector('.map-region')")


def test_the_nearest_points_are_selected_without_a_pointer(desk, address):
    opened(desk, address, [0], 800)
    desk.execute_script("document.querySelector('.map-number').value = 25; document.querySelector('.map-nearest button').click()")
    until(desk, "return told.said.includes('25 items selected')")
    listed = [item.text for item in desk.find_elements("css selector", ".map-list li")]
    nearest = run(desk, "return app.source.maps[0].points.map(({ radius }) => radius).sort((a, b) => a - b)[24]")
    assert len(listed) == 25
    assert max(float(text.split()[-1]) for text in listed) == pytest.approx(nearest, abs=1e-3)
    assert run(desk, "return document.activeElement.textContent") == "25 items selected"


def test_pictures_are_saved_as_they_are_seen(desk, address):
    opened(desk, address, [1], 500, suffix="#item=3")
    until(desk, "return Boolean(document.querySelector('.map-chosen'))")
    desk.execute_script("for (const button of document.querySelectorAll('.map-foot button')) button.click()")
    png, svg = saved(desk, "png"), saved(desk, "svg").decode()
    side = run(desk, f"{STAGE} return camera.width")
    assert struct.unpack(">II", png[16:24])[0] == 2 * round(side)
    marks = run(
        desk,
        """const drawing = new DOMParser().parseFromString(given[0], 'image/svg+xml');
        if (drawing.querySelector('parsererror')) throw new Error(drawing.documentElement.textContent);
        return [...drawing.querySelectorAll('path[fill-opacity="0.85"]')].reduce((sum, path) => sum + path.getAttribute('d').split('Z').length - 1, 0)""",
        svg,
    )
    assert marks == 500
    assert "var(" not in svg and "class=" not in svg and "root" in svg


def test_a_lost_context_is_drawn_again(desk, address):
    opened(desk, address, [-1], 2000)
    ink = f"""{STAGE} const canvas = document.createElement('canvas'); [canvas.width, canvas.height] = [200, 200];
    const paper = canvas.getContext('2d'); paper.drawImage(stage.painter.canvas, 0, 0, 200, 200);
    return paper.getImageData(0, 0, 200, 200).data.filter((value, i) => i % 4 === 3 && value > 0).length"""
    before = run(desk, ink)
    run(desk, f"{STAGE} window.losing = stage.painter.gl.getExtension('WEBGL_lose_context'); losing.loseContext(); return 1")
    press(desk, "+-")
    run(desk, "await new Promise((done) => setTimeout(done, 100)); losing.restoreContext(); return 1")
    rested(desk)
    until(desk, f"{STAGE} return !stage.painter.gl.isContextLost() && stage.painter.buffers.size > 0")
    rested(desk)
    assert before > 2000
    assert run(desk, ink) == pytest.approx(before, rel=0.1)


def test_many_points_are_loaded_and_drawn_a_part_at_a_time(desk, address):
    opened(desk, address, [-1, 1], 40000)
    most, counts = run(desk, "return [app.source.most, [...shown.panels.values()].map(({ stage }) => [stage.count, stage.loader.tiles.size])]")
    assert 2 <= most <= 8
    assert all(count > 10000 for count, _ in counts)
    run(desk, f"{STAGE} shown.pace.budget = 4000; stage.drag([300, 200], [320, 230]); return 1")
    drawn = run(desk, f"{STAGE} await new Promise(requestAnimationFrame); await new Promise(requestAnimationFrame); return stage.count")
    assert drawn < counts[0][0]
    rested(desk)


def test_colours_and_charts_follow_the_controls_and_the_theme(desk, address):
    opened(desk, address, [-1], 300)
    names = "return [...document.querySelectorAll('.map-legend li')].map((item) => item.textContent)"
    assert run(desk, names)[:4] == ["most general", "general", "specific", "most specific"]
    desk.execute_script("document.querySelector('input[name=map-colour][value=radius]').click()")
    assert run(desk, f"{STAGE} return [stage.style.by, app.state.get().colour]") == ["radius", "radius"]
    assert run(desk, names)[0].split() == ["radius", "0.06", "2.97"]
    desk.execute_script("document.querySelector('input[name=map-chart][value=flat]').click()")
    assert run(desk, f"{STAGE} return [camera.chart, location.hash.includes('chart=flat')]") == ["flat", True]
    desk.execute_script("document.documentElement.dataset.theme = 'dark'")
    until(desk, f"{STAGE} return Math.abs(stage.style.steps[0][0] - 0x6f / 255) < 0.01")
    assert "13.7" not in desk.find_element("css selector", ".map-note").text
    assert "14 %" in desk.find_element("css selector", ".map-note").text


def test_stages_move_together_where_they_are_asked_to(desk, address):
    opened(desk, address, [-1, 0])
    centres = "return [...shown.panels.values()].map(({ stage }) => stage.camera.centre)"
    drag(desk, [(200, 200), (240, 210), (280, 200)])
    one, other = run(desk, centres)
    assert one == pytest.approx(other)
    desk.execute_script("document.querySelector('.map-joint input').click()")
    drag(desk, [(200, 200), (160, 190), (150, 200)])
    moved, still = run(desk, centres)
    assert still == pytest.approx(other)
    assert moved != pytest.approx(one)


def test_a_map_that_cannot_be_had_says_why_and_is_asked_for_again(desk, address):
    opened(desk, address, [-1, 0], 200, suffix="#lenses=0")
    run(desk, "const { map } = app.source.constructor.prototype; app.source.map = async () => { delete app.source.map; throw new Error('The map is being made.'); }; app.state.set({ lenses: ['0', '1'] }); return 1")
    until(desk, "return document.querySelector('.map-waiting')?.textContent.startsWith('The map is being made.')")
    desk.execute_script("document.querySelector('.map-waiting button').click()")
    rested(desk)
    assert len(desk.find_elements("css selector", ".map-stage")) == 2


def touch(browser: Any, kind: str, *places: tuple[float, float]) -> None:
    left, top = corner(browser)
    points = [{"x": left + x, "y": top + y, "id": i} for i, (x, y) in enumerate(places)]
    browser.execute_cdp_cmd("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})


def test_on_a_phone_one_finger_scrolls_two_move_the_map_and_taps_show_and_choose(browser, address):
    resize(browser, 390, 700)
    browser.execute_cdp_cmd("Emulation.setTouchEmulationEnabled", {"enabled": True, "maxTouchPoints": 2})
    try:
        opened(browser, address, [-1, 0], 120)
        assert run(browser, "return document.documentElement.scrollWidth") == 390
        look = f"{STAGE} return [...camera.centre, camera.zoom]"
        touch(browser, "touchStart", (150, 300))
        for y in (280, 240, 200, 150):
            touch(browser, "touchMove", (150, y))
        touch(browser, "touchEnd")
        until(browser, "return window.scrollY > 60")
        assert run(browser, look) == [0, 0, 1]
        touch(browser, "touchStart", (120, 150), (200, 150))
        for wider in (10, 20, 30):
            touch(browser, "touchMove", (120 - wider, 150), (200 + wider, 150))
        touch(browser, "touchEnd")
        assert run(browser, look)[2] == pytest.approx(140 / 80, rel=0.02)
        browser.execute_script("window.scrollTo(0, 0)")
        press(browser, "0")
        rested(browser)
        found, x, y = lone_point(browser)
        for choice in (None, found):
            touch(browser, "touchStart", (x, y))
            touch(browser, "touchEnd")
            until(browser, "return Boolean(document.querySelector('.map-card:not([hidden])'))")
            assert run(browser, "return app.state.get().item") == choice
            run(browser, "await new Promise((done) => setTimeout(done, 400)); return 1")
    finally:
        browser.execute_cdp_cmd("Emulation.setTouchEmulationEnabled", {"enabled": False})


def test_without_webgl_a_plain_canvas_draws_at_most_twenty_thousand_points(address):
    with chromium("--disable-3d-apis") as browser:
        resize(browser, 1280)
        opened(browser, address, [-1], 21000)
        assert run(browser, f"{STAGE} return [stage.painter.kind, stage.count <= 20000, stage.count > 15000]") == ["canvas", True, True]
        assert "20,000" in browser.find_element("css selector", ".map-note").text
        drag(browser, [(200, 200), (240, 210), (280, 200)])
        rested(browser)
        found, x, y = lone_point(browser) or [None, 0, 0]
        assert run(browser, f"{STAGE} const data = stage.painter.canvas.getContext('2d').getImageData(0, 0, stage.painter.canvas.width, stage.painter.canvas.height).data; return data.some((value, i) => i % 4 === 3 && value > 0)")
        assert [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"] == []
