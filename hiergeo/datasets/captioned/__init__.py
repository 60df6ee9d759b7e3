"""Images with several captions each: COCO folders, Karpathy's splits, own tables, stored embeddings and scenes."""

from hiergeo.datasets.captioned.loading import (
    caption_table,
    load_captioned,
    scene_parts,
)
from hiergeo.datasets.captioned.sets import Captioned
