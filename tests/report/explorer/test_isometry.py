"""The isometries, levels and outlines of the explorer's map, in the browser, against mpmath and numpy."""

from collections.abc import Iterator
from typing import Any
from xml.etree import ElementTree

import mpmath
import numpy as np
import pytest

from tests.report.explorer.mapview_common import drawing, run, serving_files

pytestmark = pytest.mark.slow  # a browser

KAPPAS = [-1, 0, 1]
IMPORT = "const maths = await import('/page/isometry.js');"
TILES = """const { choose, squares, Loader, Pace } = await import('/page/levels.js');
const { Camera } = await import('/page/camera.js'); const { makeMap } = await import('/double.js');"""


@pytest.fixture(scope="module")
def page() -> Iterator[Any]:
    with serving_files() as address, drawing() as browser:
        browser.get(address)
        yield browser


def points(kappa: int, count: int, seed: int = 0) -> np.ndarray:
    """Random points of the chart; in the disk some lie 6 units of curvature from the origin."""
    random = np.random.default_rng(seed)
    size = np.tanh(random.uniform(0, 3.2, count)) if kappa < 0 else random.uniform(0, 3, count)
    angle = random.uniform(0, 2 * np.pi, count)
    return np.stack([size * np.cos(angle), size * np.sin(angle)], 1)


def ambient(kappa: int, z: list[float]) -> list:
    """Coordinates on the hyperboloid, in the plane, or on the sphere of curvature kappa."""
    x, y = mpmath.mpf(float(z[0])), mpmath.mpf(float(z[1]))
    square = x * x + y * y
    if kappa == 0:
        return [2 * x, 2 * y]
    below = 1 + kappa * square
    return [(1 - kappa * square) / below, 2 * x / below, 2 * y / below]


def distance(kappa: int, z: list[float], w: list[float]) -> float:
    """Geodesic distance, from ambient coordinates at 40 digits."""
    with mpmath.workdps(40):
        a, b = ambient(kappa, z), ambient(kappa, w)
        if kappa == 0:
            return float(mpmath.hypot(a[0] - b[0], a[1] - b[1]))
        plane = a[1] * b[1] + a[2] * b[2]
        if kappa < 0:
            return float(mpmath.acosh(max(mpmath.mpf(1), a[0] * b[0] - plane)))
        return float(mpmath.acos(max(mpmath.mpf(-1), min(mpmath.mpf(1), a[0] * b[0] + plane))))


def isometries(kappa: int, count: int, seed: int = 1) -> list[dict]:
    turns = np.random.default_rng(seed).uniform(-3, 3, count)
    return [
        {"kappa": kappa, "a": a, "turn": float(t)}
        for a, t in zip(points(kappa, count, seed).tolist(), turns, strict=True)
    ]


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


@pytest.mark.parametrize("kappa", KAPPAS)
def test_distances_are_those_of_the_plane_of_that_curvature_and_isometries_keep_them(page, kappa):
    z, w = points(kappa, 60, 2).tolist(), points(kappa, 60, 3).tolist()
    moves = isometries(kappa, 60)
    code = f"""{IMPORT} const [kappa, moves, zs, ws] = given;
    return moves.map((g, i) => [maths.distance(kappa, zs[i], ws[i]), maths.apply(g, zs[i]), maths.apply(g, ws[i])])"""
    for (found, moved_z, moved_w), one, other in zip(run(page, code, kappa, moves, z, w), z, w, strict=True):
        true = distance(kappa, one, other)
        assert found == pytest.approx(true, rel=1e-9, abs=1e-9)
        assert distance(kappa, moved_z, moved_w) == pytest.approx(true, rel=1e-6, abs=1e-9)


@pytest.mark.parametrize("kappa", KAPPAS)
def test_a_translation_goes_along_the_geodesic_whose_points_are_evenly_spaced(page, kappa):
    z, w = points(kappa, 30, 7).tolist(), points(kappa, 30, 8).tolist()
    code = f"""{IMPORT} const [kappa, zs, ws] = given;
    return zs.map((z, i) => [maths.apply(maths.translation(kappa, z, ws[i]), z), maths.geodesic(kappa, z, ws[i],
      4)])"""
    for (moved, way), one, other in zip(run(page, code, kappa, z, w), z, w, strict=True):
        whole = distance(kappa, one, other)
        assert distance(kappa, moved, other) < 1e-6
        assert [distance(kappa, one, stop) for stop in way] == pytest.approx(
            [part * whole / 4 for part in range(5)], abs=1e-5
        )
        assert [distance(kappa, stop, other) for stop in way] == pytest.approx(
            [whole - part * whole / 4 for part in range(5)], abs=1e-5
        )


@pytest.mark.parametrize("kappa", KAPPAS)
def test_circles_go_to_circles_and_their_insides_to_the_side_that_is_said(page, kappa):
    random = np.random.default_rng(9)
    moves = isometries(kappa, 80, 10)
    disks = [
        {"centre": c, "radius": r}
        for c, r in zip(random.normal(0, 0.7, (80, 2)).tolist(), random.uniform(0.01, 1.5, 80), strict=True)
    ]
    code = f"""{IMPORT} const [moves, disks] = given;
    const on = (disk, angle, share) => [disk.centre[0] + share * disk.radius * Math.cos(angle),
      disk.centre[1] + share * disk.radius * Math.sin(angle)];
    return moves.map((g, i) => {{
      const image = maths.circle(g, disks[i]);
      const away = (angle, share) => maths.distance(0, maths.apply(g, on(disks[i], angle, share)),
        image.centre) / 2 / image.radius;
      return [image.outside, [0.3, 1.7, 3, 5].map((angle) => away(angle, 1)), [0.3, 2,
        4].map((angle) => away(angle, 0.9))];
    }})"""
    sides = set()
    for outside, edge, within in run(page, code, moves, disks):
        sides.add(outside)
        assert edge == pytest.approx([1] * 4, rel=1e-6)
        assert all((away > 1) == outside for away in within)
    assert sides == ({False} if kappa == 0 else {False, True})


@pytest.mark.parametrize("kappa", KAPPAS)
def test_tiles_of_all_points_in_sight_are_chosen_coarse_first_within_the_budget(page, kappa):
    code = f"""{TILES} const [kappa] = given;
    const map = makeMap(kappa, 6000, kappa > 0 ? 2 : 3);
    const camera = Object.assign(new Camera(map.facts), {{ width: 500, height: 400 }});
    camera.look([0.9, -0.5], 0.7, 3);
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
    lost, hidden, levels, total, shares = run(page, code, kappa)
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
@pytest.mark.parametrize("kappa", KAPPAS)
def test_an_outline_selects_in_base_coordinates_what_lies_in_it_on_the_screen(page, kappa, shape):
    code = """const { outline } = await import('/page/brush.js'); const { Camera } = await import('/page/camera.js');
    const { makeMap } = await import('/double.js');
    const [kappa, polygon] = given; const map = makeMap(kappa, 4000, kappa > 0 ? 2.4 : 3);
    const camera = Object.assign(new Camera(map.facts), { width: 500, height: 400 });
    camera.look([1.1, 0.6], 0.5, 1.2);
    return [outline(camera, polygon), map.points.map(({ x, y }) => [[x, y], camera.onScreen([x, y])])];"""
    polygon, placed = run(page, code, kappa, SHAPES[shape])
    base, screen = np.array(placed).transpose(1, 0, 2)
    assert len(polygon) <= 512
    inside = even_odd(np.array(SHAPES[shape], float), screen)
    assert 100 < inside.sum() < 3990
    assert (even_odd(np.array(polygon), base) != inside).mean() < 0.004
