"""Images with several captions each: COCO folders, Karpathy's splits, own tables, stored embeddings and scenes."""

from hiergeo.datasets.captioned.coco import coco_folder, karpathy
from hiergeo.datasets.captioned.loading import (
    caption_table,
    load_captioned,
    scene_captions,
    scene_parts,
    stored_captions,
)
from hiergeo.datasets.captioned.sets import Captioned

__all__ = [
    "Captioned",
    "caption_table",
    "coco_folder",
    "karpathy",
    "load_captioned",
    "scene_captions",
    "scene_parts",
    "stored_captions",
]
