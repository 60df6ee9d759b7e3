"""Training: image-text models, heads behind frozen embeddings, and text towers."""

from hiergeo.adapters.head import Head, HeadModel
from hiergeo.training.chains import Chains, from_file, from_hierarchy, held_out_of, unseen_rows
from hiergeo.training.clip import read_clip_plan, train_clip
from hiergeo.training.objective import (
    LOSSES,
    RE,
    Batch,
    ChainLoss,
    Objective,
    chain_loss,
    check_objective,
    parse_losses,
)
from hiergeo.training.re import TowerRecipe, fine_tune
from hiergeo.training.resuming import TrainedFolder
from hiergeo.training.saving import describe, load_space, save_head
from hiergeo.training.summary import Summary, summarise
from hiergeo.training.trainer import SHARPEN, EvalRecord, Recipe, Trained, train_head

__all__ = [
    "Batch",
    "ChainLoss",
    "Recipe",
    "TowerRecipe",
    "fine_tune",
    "from_hierarchy",
    "load_space",
    "save_head",
    "summarise",
    "train_clip",
    "train_head",
]
