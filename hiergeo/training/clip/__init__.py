"""Image-text models trained in any space: pairs of pictures and captions, two towers, a contrastive loss."""

from hiergeo.training.clip.plan import ClipPlan, PairData, read_clip_plan
from hiergeo.training.clip.training import train_clip
