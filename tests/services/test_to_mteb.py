"""Models of hiergeo in mteb's own evaluation, on a made task, without a network."""

from itertools import permutations
from typing import Any

import numpy as np
import pytest
import torch

import hiergeo
from hiergeo import Space
from hiergeo._core.errors import InputError
from hiergeo.evaluation.metrics import Ranking
from hiergeo.report.interop import to_mteb

mteb = pytest.importorskip("mteb", reason="needs mteb: run `make test-services`")
datasets = pytest.importorskip("datasets")

CHAIN = ("an animal", "a dog", "a dog on a sofa", "a small dog on a red sofa")
PAIRS = [(one, other, int(CHAIN.index(one) > CHAIN.index(other))) for one, other in permutations(CHAIN, 2)]


@pytest.fixture
def task() -> Any:
    from benchmarks.mteb_tasks.tasks import HypernymyPairClassification, WordNetIsAPC

    class Made(HypernymyPairClassification):
        """Pairs of a chain, in both directions."""

        metadata = WordNetIsAPC.metadata.model_copy(update={"name": "Made", "eval_langs": {"default": ["eng-Latn"]}})

        def pairs(self) -> dict[str, list[tuple[str, str, int]]]:
            """The pairs."""
            return {"default": PAIRS}

    return Made()


@pytest.mark.parametrize("by", ["distance", "angle", "margin"])
@pytest.mark.parametrize("spec", ["euclidean", "lorentz:-1"])
def test_scores_of_mteb_are_those_of_the_space(task: Any, tmp_path: Any, spec: str, by: Any) -> None:
    model = hiergeo.adapters.load("tiny")
    done = mteb.evaluate(
        to_mteb(model, spec, by), task, cache=mteb.ResultCache(cache_path=tmp_path), show_progress_bar=False
    )
    (scores,) = done.task_results[0].scores["test"]
    space = Space(spec, model.root().double())
    word, kind = (model.encode_text(list(texts)).double() for texts in list(zip(*PAIRS, strict=True))[:2])
    own = {
        "distance": -space.distance(kind, word),
        "angle": -space.exterior_angle(kind, word),
        "margin": space.margin(kind, word),
    }[by]
    positive = np.array([label == 1 for *_, label in PAIRS])
    assert scores["similarity_auroc"] == pytest.approx(Ranking(own[positive].numpy(), own[~positive].numpy()).auroc())
    assert list(tmp_path.rglob("Made.json"))


def test_all_pairs_are_scored_as_pairs_are_and_the_model_is_named() -> None:
    encoder = to_mteb("tiny", "lorentz:-1", "angle")
    rows = encoder.encode([{"text": list(CHAIN[:3])}, {"text": [CHAIN[3]]}])
    assert rows.shape == (4, encoder.model.dim)
    whole = encoder.similarity(rows, rows[:2].numpy())
    torch.testing.assert_close(whole[:, 1], encoder.similarity_pairwise(rows, rows[1].expand(4, -1)))
    assert encoder.mteb_model_meta.revision == encoder.model.fingerprint()
    picture = hiergeo.datasets.load("scenes", count=1).images[0].open()
    both = encoder.encode([{"image": [picture], "text": [CHAIN[0]]}])
    torch.testing.assert_close(both[0], (encoder.encode([{"image": [picture]}])[0] + rows[0]) / 2)
    with pytest.raises(InputError, match="margin"):
        to_mteb("tiny", by="margins")  # type: ignore[arg-type]
