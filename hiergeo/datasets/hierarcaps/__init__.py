"""HierarCaps (Alper and Averbuch-Elor, ECCV 2024): images with chains of four captions, from general to specific.

The captions and the images (MS-COCO's) are not part of this package: `fetch` downloads them into the data home.
"""

from hiergeo.datasets.hierarcaps.published import PARTS, fetch
from hiergeo.datasets.hierarcaps.splits import SPLITS, check_bytes, check_no_leakage, load

__all__ = [
    "load",
]
