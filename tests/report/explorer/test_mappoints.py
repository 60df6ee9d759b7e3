"""How the explorer's disc is painted: pixels against positions, many points, a lost context, without WebGL."""

import pytest

from tests.report.browser_common import resize
from tests.report.explorer.mapview_common import STAGE, drag, drawing, fixtures, opened, press, rested, run, until

pytestmark = pytest.mark.slow  # a browser

address, browser, desk = fixtures()


def test_points_are_painted_where_the_camera_puts_them(desk, address):
    opened(desk, address, 60, suffix="#at=0.3,-0.2&turn=0.6&zoom=1.3")
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
    assert run(desk, f"{STAGE} return stage.painter.kind") == "webgl2"


def test_a_lost_context_is_drawn_again(desk, address):
    opened(desk, address, 2000)
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


def test_without_webgl_a_plain_canvas_draws_at_most_twenty_thousand_points(address):
    with drawing("--disable-3d-apis") as browser:
        resize(browser, 1280)
        opened(browser, address, 21000)
        assert run(browser, f"{STAGE} return [stage.painter.kind, stage.count <= 20000, stage.count > 15000]") == [
            "canvas",
            True,
            True,
        ]
        assert "20,000" in browser.find_element("css selector", ".disc .map-note:last-child").text
        drag(browser, [(200, 200), (240, 210), (280, 200)])
        rested(browser)
        assert run(
            browser,
            f"""{STAGE} const data = stage.painter.canvas.getContext('2d').getImageData(0, 0,
              stage.painter.canvas.width, stage.painter.canvas.height).data;
              return data.some((value, i) => i % 4 === 3 && value > 0)""",
        )
        assert [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"] == []
