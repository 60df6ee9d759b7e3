"""The isometries, levels and outlines of the explorer's disc, in the browser, against mpmath and numpy."""

from collections.abc import Iterator
from typing import Any
from xml.etree import ElementTree

import mpmath
import numpy as np
import pytest

from tests.report.explorer.mapview_common import drawing, run, serving_files

pytestmark = pytest.mark.slow  # a browser

IMPORT = "const maths = await import('/page/isometry.js');"
TILES = """const { choose, squares, Loader, Pace } = await import('/page/levels.js');
const { Camera } = await import('/page/camera.js'); const { makeMap } = await import('/double.js');"""


@pytest.fixture(scope="module")
def page() -> Iterator[Any]:
    with serving_files() as address, drawing() as browser:
        browser.get(address)
        yield browser


def points(count: int, seed: int = 0) -> np.ndarray:
    """Random points of the disk; some lie 6 units of curvature from the origin."""
    random = np.random.default_rng(seed)
    size, angle = np.tanh(random.uniform(0, 3.2, count)), random.uniform(0, 2 * np.pi, count)
    return np.stack([size * np.cos(angle), size * np.sin(angle)], 1)


def ambient(z: list[float]) -> list:
    """Coordinates on the hyperboloid."""
    x, y = mpmath.mpf(float(z[0])), mpmath.mpf(float(z[1]))
    below = 1 - x * x - y * y
    return [(2 - below) / below, 2 * x / below, 2 * y / below]


def distance(z: list[float], w: list[float]) -> float:
    """Geodesic distance, from ambient coordinates at 40 digits."""
    with mpmath.workdps(40):
        a, b = ambient(z), ambient(w)
        return float(mpmath.acosh(max(mpmath.mpf(1), a[0] * b[0] - a[1] * b[1] - a[2] * b[2])))


def isometries(count: int, seed: int = 1) -> list[dict]:
    turns = np.random.default_rng(seed).uniform(-3, 3, count).tolist()
    return [{"a": a, "turn": turn} for a, turn in zip(points(count, seed).tolist(), turns, strict=True)]


def test_what_xml_does_not_allow_is_replaced_in_a_drawing(page):
    code = """const { svgFile, pngFile, styledCopy } = await import('/page/files.js');
    const drawing = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
    drawing.setAttribute('width', 20); drawing.setAttribute('height', 10); drawing.setAttribute('class', 'x');
    drawing.setAttribute('font-style', 'normal'); drawing.style.fontStyle = 'italic';
    drawing.append(`a\\u0000\\u0008b\\ud83d\\uffffc\\ud83d\\ude00`);
    document.body.append(drawing);
    const copy = styledCopy(drawing);
    drawing.remove();
    return [svgFile(copy), (await pngFile(copy)).type]"""
    text, kind = run(page, code)
    root = ElementTree.fromstring(text.encode())
    assert (root.text, root.get("font-style")) == ("a\ufffd\ufffdb\ufffd\ufffdc\U0001f600", "italic")
    assert (root.get("class"), kind) == (None, "image/png")


def test_isometries_keep_distances(page):
    z, w = points(60, 2).tolist(), points(60, 3).tolist()
    code = f"""{IMPORT} const [moves, zs, ws] = given;
    return moves.map((g, i) => [zs, ws].map((of) => maths.apply(g, of[i])))"""
    for (moved_z, moved_w), one, other in zip(run(page, code, isometries(60), z, w), z, w, strict=True):
        assert distance(moved_z, moved_w) == pytest.approx(distance(one, other), rel=1e-6, abs=1e-9)


def test_a_translation_goes_along_the_geodesic_whose_points_are_evenly_spaced(page):
    z, w = points(30, 7).tolist(), points(30, 8).tolist()
    code = f"""{IMPORT} const [zs, ws] = given;
    return zs.map((z, i) => [maths.apply(maths.translation(z, ws[i]), z), maths.geodesic(z, ws[i], 4)])"""
    for (moved, way), one, other in zip(run(page, code, z, w), z, w, strict=True):
        whole = distance(one, other)
        assert distance(moved, other) < 1e-6
        assert [distance(one, stop) for stop in way] == pytest.approx([part * whole / 4 for part in range(5)], abs=1e-5)
        assert [distance(stop, other) for stop in way] == pytest.approx(
            [whole - part * whole / 4 for part in range(5)], abs=1e-5
        )


def test_circles_go_to_circles_and_one_around_the_pole_is_taken_for_all_of_the_plane(page):
    random = np.random.default_rng(9)
    moves = isometries(80, 10)
    disks = [
        {"centre": c, "radius": r}
        for c, r in zip(random.normal(0, 0.7, (80, 2)).tolist(), random.uniform(0.01, 1.5, 80).tolist(), strict=True)
    ]
    code = f"""{IMPORT} const [moves, disks] = given;
    const on = ({{ centre, radius }}, angle, share) => [centre[0] + share * radius * Math.cos(angle),
      centre[1] + share * radius * Math.sin(angle)];
    return moves.map((g, i) => {{
      const {{ centre, radius }} = maths.circle(g, disks[i]);
      const away = (angle, share) => {{
        const [x, y] = maths.apply(g, on(disks[i], angle, share));
        return Math.hypot(x - centre[0], y - centre[1]) / radius;
      }};
      const [edge, within] = [[0.3, 1.7, 3, 5], [0.3, 2, 4]];
      return [radius < Infinity, edge.map((angle) => away(angle, 1)), within.map((angle) => away(angle, 0.9))];
    }})"""
    for (finite, edge, within), move, disk in zip(run(page, code, moves, disks), moves, disks, strict=True):
        a = complex(*move["a"])
        assert finite == (abs(1 / a.conjugate() - complex(*disk["centre"])) > disk["radius"])
        if finite:
            assert edge == pytest.approx([1] * 4, rel=1e-6)
            assert max(within) < 1


def test_tiles_of_all_points_in_sight_are_chosen_coarse_first_within_the_budget(page):
    code = f"""{TILES}
    const map = makeMap(0, 6000);
    const camera = Object.assign(new Camera(map.facts), {{ width: 500, height: 400 }});
    camera.look([0.4, -0.22], 0.7, 3);
    const tree = squares(map.facts);
    const chosen = choose(tree, camera, 1e9);
    const keys = new Set(chosen.map(({{ key }}) => key));
    let lost = 0, hidden = 0;
    for (const [key, members] of map.tiles) for (const {{ x, y }} of members) {{
      const [left, top] = camera.onScreen([x, y]);
      const seen = left >= 0 && top >= 0 && left <= 500 && top <= 400;
      if (seen && !keys.has(key)) lost += 1;
      if (!seen && !keys.has(key)) hidden += 1;
    }}
    const few = choose(tree, camera, 1500);
    const last = few.filter(({{ square }}) => square.level === few.at(-1).square.level);
    return [lost, hidden, chosen.map(({{ square }}) => square.level), few.reduce((sum, {{ count }}) => sum + count,
      0), last.map(({{ count, square }}) => count / square.count)];"""
    lost, hidden, levels, total, shares = run(page, code)
    assert lost == 0
    assert hidden > 0
    assert levels == sorted(levels)
    assert 1400 < total <= 1500
    assert max(shares) - min(shares) < 0.02


def even_odd(polygon: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Which points (n, 2) lie in a polygon (m, 2)."""
    (x0, y0), (x1, y1) = polygon.T[:, :, None], np.roll(polygon, -1, 0).T[:, :, None]
    x, y = at.T[:, None, :]
    crosses = (y0 > y) != (y1 > y)
    with np.errstate(divide="ignore", invalid="ignore"):
        right = x < x0 + (y - y0) * (x1 - x0) / (y1 - y0)
    return (crosses & right).sum(0) % 2 == 1


SHAPES = {
    "convex": [[120, 90], [380, 110], [340, 330], [150, 300]],
    "beyond the rim": [[-300, 150], [250, 180], [800, -200], [800, 700], [-300, 700]],
    "notched": [[60, 60], [440, 60], [440, 340], [250, 120], [60, 340]],
}


@pytest.mark.parametrize("shape", SHAPES)
def test_what_is_drawn_in_an_outline_is_enclosed_and_what_is_hidden_is_not(page, shape):
    code = """const { enclosed } = await import('/page/grid.js');
    const { HIDDEN } = await import('/page/marks.js');
    const { Camera } = await import('/page/camera.js');
    const { makeMap } = await import('/double.js');
    const [polygon] = given; const map = makeMap(0, 4000);
    const camera = Object.assign(new Camera(map.facts), { width: 500, height: 400 });
    camera.look([0.5, 0.27], 0.5, 1.2);
    const column = (of) => map.points.map(of);
    const tile = { ids: column(({ id }) => id), x: column(({ x }) => x), y: column(({ y }) => y),
      radius: column(({ radius }) => radius), colour: column((_, i) => (i % 5 ? 0 : HIDDEN)) };
    return [enclosed([{ tile, count: 3500 }], camera, polygon), column(({ id }) => String(id)),
      column(({ x, y }) => camera.onScreen([x, y])), column(({ radius }) => radius)];"""
    found, ids, screen, radius = run(page, code, SHAPES[shape])
    drawn = (np.arange(4000) % 5 > 0) & (np.arange(4000) < 3500)
    inside = np.flatnonzero(even_odd(np.array(SHAPES[shape], float), np.array(screen)) & drawn)
    assert 100 < len(inside) < 2790
    assert sorted(found) == sorted(ids[row] for row in inside)
    at = dict(zip(ids, radius, strict=True))
    assert [at[item] for item in found] == sorted(at[item] for item in found)
