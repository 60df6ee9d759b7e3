"""Text-only fine-tuning of a model's text tower by the RE loss, or by any other named losses."""

from hiergeo.training.re.fine_tuning import fine_tune
from hiergeo.training.re.recipe import TowerRecipe
