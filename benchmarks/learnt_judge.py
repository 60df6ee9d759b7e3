"""A judge that knows neither WordNet nor rules: a small network on sentence embeddings, trained on `expanded-train`.

It learns what HierarCaps' automatic chains claim: a tier entails the more general one, the more general one says
nothing of it, and a negative contradicts the text of its tier. So it favours chains like those, where the judge `rules`
favours chains of the backend `wordnet`: the two err in opposite directions.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from hiergeo import datasets
from hiergeo.adapters import Model
from hiergeo.construction.judges import CONTRADICTION, ENTAILMENT, NEUTRAL, Judge

HIDDEN, EPOCHS, BATCH, RATE = 256, 3, 512, 1e-3


class LearntJudge(Judge):
    """Trains when it is made.

    Args:
        model: embeds texts.
        seed: of the weights and the batches.
    """

    name = "learnt"

    def __init__(self, model: Model, seed: int = 0) -> None:
        self.model, self.seed = model, seed
        pairs, labels = examples()
        generator = torch.Generator().manual_seed(seed)
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            self.network = nn.Sequential(nn.Linear(4 * model.dim, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, 3))
        optimiser = torch.optim.Adam(self.network.parameters(), RATE)
        places, rows = self._embedded(pairs)
        for _ in range(EPOCHS):
            for batch in torch.randperm(len(places), generator=generator).split(BATCH):
                optimiser.zero_grad()
                loss = nn.functional.cross_entropy(self.network(features(rows, places[batch])), labels[batch])
                loss.backward()
                optimiser.step()

    @property
    def identity(self) -> dict[str, Any]:
        return {"trained on": "hierarcaps expanded-train", "model": self.model.fingerprint(), "seed": self.seed}

    @torch.no_grad()
    def probabilities(self, pairs: Sequence[tuple[str, str]]) -> np.ndarray:
        places, rows = self._embedded(pairs)
        return np.asarray(self.network(features(rows, places)).double().softmax(1).numpy())

    def _embedded(self, pairs: Sequence[tuple[str, str]]) -> tuple[Tensor, Tensor]:
        """Positions of the texts of pairs (n, 2), and the embeddings of the distinct texts."""
        texts = list(dict.fromkeys(text for pair in pairs for text in pair))
        place = {text: index for index, text in enumerate(texts)}
        return torch.tensor([[place[a], place[b]] for a, b in pairs]), self.model.encode_text(texts)


def features(rows: Tensor, places: Tensor) -> Tensor:
    """What the network sees of pairs of embeddings, (n, 4 D)."""
    premise, hypothesis = rows[places[:, 0]], rows[places[:, 1]]
    return torch.cat([premise, hypothesis, premise * hypothesis, (premise - hypothesis).abs()], dim=1)


def examples() -> tuple[list[tuple[str, str]], Tensor]:
    """Pairs (premise, hypothesis) of `expanded-train`, and their classes."""
    pairs: list[tuple[str, str]] = []
    labels: list[int] = []
    for row in datasets.load("hierarcaps", "expanded-train").rows:
        for general, specific in zip(row.positive, row.positive[1:], strict=False):
            pairs += [(specific, general), (general, specific)]
            labels += [ENTAILMENT, NEUTRAL]
        for text, other in zip(row.positive, row.negative or (), strict=True):
            pairs.append((text, other))
            labels.append(CONTRADICTION)
    return pairs, torch.tensor(labels)
