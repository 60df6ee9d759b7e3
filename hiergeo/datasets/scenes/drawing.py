"""Scenes drawn as pictures."""

from typing import TYPE_CHECKING

from hiergeo.datasets.scenes.things import picture_of
from hiergeo.datasets.scenes.world import Scene

if TYPE_CHECKING:
    from PIL.Image import Image

SIDE = 128
"""Width and height of a picture, in pixels."""

GROUNDS = {
    "white": (252, 252, 250),
    "green": (158, 208, 132),
    "blue": (158, 200, 244),
    "yellow": (252, 234, 140),
    "pink": (250, 196, 214),
    "grey": (140, 142, 150),
}


def picture(scene: Scene) -> "Image":
    """The picture of a scene, `SIDE` x `SIDE` RGB; a pure function of the scene."""
    from PIL import Image

    canvas = Image.new("RGB", (SIDE, SIDE), GROUNDS[scene.ground])
    for placed in scene.things:
        drawn = picture_of(placed.thing.index)
        scale = SIDE * placed.extent / max(drawn.size)
        width, height = (max(1, round(scale * length)) for length in drawn.size)
        drawn = drawn.resize((width, height), Image.Resampling.BICUBIC)
        drawn = drawn.rotate(placed.tilt, Image.Resampling.BICUBIC, expand=True)
        corner = round(SIDE * placed.x - drawn.width / 2), round(SIDE * placed.y - drawn.height / 2)
        canvas.paste(drawn, corner, drawn)
    return canvas
