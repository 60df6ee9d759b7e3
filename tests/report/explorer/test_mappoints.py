"""How the explorer's map paints: pixels against positions, the grid under the pointer, many points, without WebGL."""

import pytest

from tests.report.browser_common import resize
from tests.report.explorer.mapview_common import STAGE, drag, drawing, fixtures, opened, press, rested, run, until

pytestmark = pytest.mark.slow  # a browser

address, browser, desk = fixtures()


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
        const seen = app.source.maps[0].points.map(({{ x, y }}) => camera.onScreen([x, y])).filter(([x,
          y]) => x > 9 && y > 9 && x < camera.width - 9 && y < camera.height - 9);
        let far = 0, inked = 0;
        for (let y = 0; y < canvas.height; y += 2) for (let x = 0; x < canvas.width; x += 2) {{
          if (!ink(x, y)) continue;
          inked += 1;
          if (Math.min(...seen.map(([u, v]) => Math.hypot(u - x, v - y))) > 8 && x > 18 && y > 18 &&
            x < canvas.width - 18 && y < canvas.height - 18) far += 1;
        }}
        return [seen.filter(([x, y]) => ink(x, y) > 40).length, seen.length, far];""",
    )
    assert expected > 20
    assert painted == expected
    assert outside == 0
    assert run(desk, f"{STAGE} return [stage.painter.kind, camera.kappa]") == [
        "webgl2",
        0 if chart == "flat" else kappa,
    ]


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
            const away = ({ x, y }) => { const [u, v] = stage.camera.onScreen([x, y]);
              return Math.hypot(u - at[0], v - at[1]); };
            const drawn = new Map([...stage.loader.tiles].map(([key, tile]) => [key, tile.ids.length]));
            stage.drawn = drawn;
            const least = Math.min(...points.map(away));
            const given = nearest(stage.tiles(), stage.camera, at, 14);
            found += given ? 1 : 0;
            if (least < 13.9 ? !given || Math.abs(away(points[Number(given.id)]) - least) > 0.01 : least > 14.1 &&
              given) wrong += 1;
          }
        }
        return [wrong, found];""",
    )
    assert wrong[0] == 0
    assert wrong[1] > 60


def test_the_ground_is_where_the_points_are_also_where_a_rotation_turns_the_disk_inside_out(desk, address):
    for suffix, classes in (("", ["map-disk"]), ("#at=1.5,0.5", ["map-disk", "map-beyond"])):
        opened(desk, address, [1], 300, suffix=suffix)
        ground, beyond = run(
            desk,
            f"""{STAGE} const shapes = [...stage.overlay.ground.querySelectorAll('.map-disk, .map-beyond')];
            const round = shapes.at(-1), at = ['cx', 'cy', 'r'].map((name) => Number(round.getAttribute(name)));
            const away = app.source.maps[0].points.map(({{ x, y }}) => camera.onScreen([x, y]));
            const outside = away.filter(([u, v]) => Math.hypot(u - at[0], v - at[1]) > at[2] + 0.2).length;
            return [shapes.map((shape) => shape.getAttribute('class')), outside];""",
        )
        assert ground == classes
        assert beyond == (300 if len(classes) == 2 else 0)


def test_a_lost_context_is_drawn_again(desk, address):
    opened(desk, address, [-1], 2000)
    ink = f"""{STAGE} const canvas = document.createElement('canvas'); [canvas.width, canvas.height] = [200, 200];
    const paper = canvas.getContext('2d'); paper.drawImage(stage.painter.canvas, 0, 0, 200, 200);
    return paper.getImageData(0, 0, 200, 200).data.filter((value, i) => i % 4 === 3 && value > 0).length"""
    before = run(desk, ink)
    run(
        desk,
        f"""{STAGE} window.losing = stage.painter.gl.getExtension('WEBGL_lose_context'); losing.loseContext();
          return 1""",
    )
    press(desk, "+-")
    until(desk, "return document.querySelector('.map-lost').textContent.includes('graphics memory')")
    run(desk, "losing.restoreContext(); return 1")
    rested(desk)
    until(desk, f"{STAGE} return !stage.painter.gl.isContextLost() && stage.painter.buffers.size > 0")
    rested(desk)
    assert before > 2000
    assert run(desk, "return document.querySelector('.map-lost').textContent") == ""
    assert run(desk, ink) == pytest.approx(before, rel=0.1)


def test_many_points_are_loaded_and_drawn_a_part_at_a_time(desk, address):
    opened(desk, address, [-1, 1], 40000)
    most, counts = run(
        desk,
        """return [app.source.most, [...shown.panels.values()].map(({ stage }) => [stage.count,
          stage.loader.tiles.size])]""",
    )
    assert 2 <= most <= 8
    assert all(count > 10000 for count, _ in counts)
    run(desk, f"{STAGE} shown.pace.budget = 4000; stage.drag([300, 200], [320, 230]); return 1")
    drawn = run(
        desk,
        f"""{STAGE} await new Promise(requestAnimationFrame); await new Promise(requestAnimationFrame);
          return stage.count""",
    )
    assert drawn < counts[0][0]
    rested(desk)


def test_without_webgl_a_plain_canvas_draws_at_most_twenty_thousand_points(address):
    with drawing("--disable-3d-apis") as browser:
        resize(browser, 1280)
        opened(browser, address, [-1], 21000)
        assert run(browser, f"{STAGE} return [stage.painter.kind, stage.count <= 20000, stage.count > 15000]") == [
            "canvas",
            True,
            True,
        ]
        assert "20,000" in browser.find_element("css selector", ".map-note:last-child").text
        drag(browser, [(200, 200), (240, 210), (280, 200)])
        rested(browser)
        assert run(
            browser,
            f"""{STAGE} const data = stage.painter.canvas.getContext('2d').getImageData(0, 0,
              stage.painter.canvas.width, stage.painter.canvas.height).data;
              return data.some((value, i) => i % 4 === 3 && value > 0)""",
        )
        assert [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"] == []
