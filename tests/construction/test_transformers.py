"""Judges of transformers, by small random ones."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from hiergeo._core.errors import InputError
from hiergeo.construction.judges.transformers import TransformersJudge
from tests.construction.contracts_common import check_judge
from tests.construction.language.language_models_common import (
    classifier,
    one_thread,
    torch,
    transformers,
)

__all__ = ["one_thread"]

NAMES = ["entailment", "neutral", "contradiction"]
PAIRS = [("a dog runs", "an animal runs"), ("a", "b"), ("a dog runs", "an animal runs"), ("a long text of words", "c")]


@pytest.mark.parametrize("spoil", ["config.json", "model.safetensors", "tokenizer.json"])
def test_a_damaged_judge_is_refused(tmp_path: Path, spoil: str) -> None:
    folder = classifier(tmp_path / "m", NAMES)
    (folder / spoil).write_bytes(b"{")
    with pytest.raises(InputError, match=r"config\.json|cannot be loaded"):
        TransformersJudge(str(folder)).probabilities(PAIRS)


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> np.ndarray:
    """Probabilities of `PAIRS` by the model alone, pair by pair."""
    folder = classifier(tmp_path_factory.mktemp("judges") / "plain", NAMES)
    network = transformers.AutoModelForSequenceClassification.from_pretrained(folder).eval()
    words = transformers.AutoTokenizer.from_pretrained(folder)
    with torch.inference_mode():
        logits = [network(**words(*pair, return_tensors="pt")).logits[0].double().numpy() for pair in PAIRS]
    shares = np.exp(logits - np.max(logits, axis=1, keepdims=True))
    return shares / shares.sum(1, keepdims=True)


@pytest.mark.parametrize("order", [(0, 1, 2), (1, 2, 0), (2, 1, 0)])
def test_the_order_of_classes_is_read(tmp_path: Path, expected: np.ndarray, order: tuple[int, ...]) -> None:
    """However the classes of a model are ordered and written, its probabilities come in the order of a judge."""
    written: Callable[[str], str] = (str.upper, str.title, str)[order[0]]
    folder = classifier(tmp_path / "m", [written(NAMES[row]) for row in order], list(order))
    judge = TransformersJudge(str(folder), batch_size=2)
    found = judge.probabilities(PAIRS)
    assert found.dtype == np.float64
    np.testing.assert_allclose(found, expected, atol=1e-6)
    np.testing.assert_array_equal(found[0], found[2])
    np.testing.assert_array_equal(found, judge.probabilities(PAIRS))
    assert judge.probabilities([]).shape == (0, 3)


@pytest.mark.parametrize(
    "names", [["LABEL_0", "LABEL_1", "LABEL_2"], ["not_entailment", "entailment"], [*NAMES, "unknown"]]
)
def test_classes_that_are_not_those_of_inference_are_refused(tmp_path: Path, names: list[str]) -> None:
    with pytest.raises(InputError, match=names[0]):
        TransformersJudge(str(classifier(tmp_path / "m", names)))


def test_long_pairs_are_cut_and_leave_the_others_alone(tmp_path: Path) -> None:
    judge = TransformersJudge(str(classifier(tmp_path / "m", NAMES)))
    answers = judge.probabilities([("a" * 500, "b"), ("a", "b")])
    np.testing.assert_allclose(answers[1], judge.probabilities([("a", "b")])[0], atol=1e-6)


def test_the_identity_of_a_judge_changes_with_its_weights_and_not_its_place(tmp_path: Path) -> None:
    one = TransformersJudge(str(classifier(tmp_path / "a" / "m", NAMES)), device="cpu").identity
    two = TransformersJudge(str(classifier(tmp_path / "b" / "m", NAMES))).identity
    other = TransformersJudge(str(classifier(tmp_path / "c" / "m", NAMES, [1, 0, 2]))).identity
    assert one == two != other


def test_a_random_classifier_keeps_the_contract_of_judges(tmp_path: Path) -> None:
    folder = str(classifier(tmp_path / "judge", NAMES, length=512))
    check_judge(TransformersJudge(folder), TransformersJudge(folder), knows=False)
