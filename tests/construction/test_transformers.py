"""Local language models and judges of transformers, by small random ones."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hiergeo._core.errors import InputError
from hiergeo.construction.backends.language_model import transformers_backend
from hiergeo.construction.backends.prompts import generalising
from hiergeo.construction.engines.interface import TRUNCATED, Sampling
from hiergeo.construction.engines.transformers import TransformersEngine, sampling_processors
from hiergeo.construction.judges.transformers import TransformersJudge
from tests.construction.contracts_common import check_judge
from tests.construction.language.language_models_common import (
    STRICT,
    causal,
    classifier,
    one_thread,
    torch,
    transformers,
)

pytest.importorskip("xgrammar")

__all__ = ["one_thread"]

CAPTIONS = ['a dog says "wuff" \\ to a cat', "два кота", "three men on a boat"]


NAMES = ["entailment", "neutral", "contradiction"]
PAIRS = [("a dog runs", "an animal runs"), ("a", "b"), ("a dog runs", "an animal runs"), ("a long text of words", "c")]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return causal(tmp_path_factory.mktemp("models") / "causal")


def test_whatever_a_model_writes_has_the_form_that_was_asked_for(model: Path) -> None:
    """A random model, held to the schema, repeats captions exactly and answers with strings alone."""
    sampling = Sampling(max_tokens=200)
    prompts = [replace(generalising(caption, 4), sampling=sampling) for caption in CAPTIONS]
    replies = dict(TransformersEngine(str(model)).generate(prompts))
    assert sorted(replies) == [0, 1, 2]
    for row, caption in enumerate(CAPTIONS):
        answer = parse(replies[row].text)
        assert list(answer) == ["caption", "positive_3", "positive_2", "positive_1"]
        assert answer["caption"] == caption
        assert all(isinstance(text, str) for text in answer.values())
        assert replies[row].completion_tokens <= 200


def parse(text: str) -> dict[str, str]:
    import json

    return json.loads(text)


@pytest.mark.parametrize("temperature", [0.0, 0.9])
def test_replies_do_not_depend_on_the_batch(model: Path, temperature: float) -> None:
    sampling = Sampling(temperature=temperature, max_tokens=20)
    prompts = [replace(generalising(caption, 3), sampling=sampling) for caption in CAPTIONS]
    one_by_one = dict(TransformersEngine(str(model), batch_size=1).generate(prompts))
    assert dict(TransformersEngine(str(model), batch_size=3).generate(prompts)) == one_by_one
    assert dict(TransformersEngine(str(model)).generate(prompts[1:2]))[0] == one_by_one[1]
    other = replace(generalising(CAPTIONS[1], 3), sampling=Sampling(temperature=temperature, max_tokens=20, seed=1))
    assert (dict(TransformersEngine(str(model)).generate([other]))[0] == one_by_one[1]) is (temperature == 0)


def test_draws_follow_the_softmax() -> None:
    """Counts of 4,000 draws against probabilities computed in numpy, at a temperature, and with the tail cut."""
    scores = torch.tensor([[2.0, 1.0, 0.0, -1.0]])
    shares = np.exp(scores[0].numpy() / 0.8)
    for top_p, expected in ((1.0, shares / shares.sum()), (0.9, shares[:2] / shares[:2].sum())):
        prompt = replace(generalising("a", 2), sampling=Sampling(temperature=0.8, top_p=top_p))
        processors = transformers.LogitsProcessorList(sampling_processors([prompt]))
        drawn = [int(processors(torch.zeros(1, 1), scores.clone()).argmax()) for _ in range(4000)]
        counts = np.bincount(drawn, minlength=4)[: len(expected)] / 4000
        np.testing.assert_allclose(counts, expected, atol=4 * 0.5 / np.sqrt(4000))


@pytest.mark.parametrize("template", [None, STRICT])
def test_tokenizers_without_a_template_or_a_system_message(tmp_path: Path, template: str | None) -> None:
    prompt = replace(generalising("a dog", 2), sampling=Sampling(max_tokens=100))
    ((_, reply),) = TransformersEngine(str(causal(tmp_path / "m", template))).generate([prompt])
    assert parse(reply.text)["caption"] == "a dog"


def test_limits_of_a_local_model(tmp_path: Path) -> None:
    folder = causal(tmp_path / "m", length=2000)
    backend = transformers_backend(str(folder), max_tokens=30, retries=0)
    fits, cut, long = backend.generalise(["a", "dog " * 20, "dog " * 400], 2)
    assert (cut.reason, long.reason) == ("truncated answer", "refused by the model")
    assert fits.candidates or fits.reason
    assert TRUNCATED == "length"
    assert backend.usage()["completion_tokens"] <= 60


def test_a_local_model_contradicts(model: Path) -> None:
    backend = transformers_backend(str(model), retries=16)
    (proposal,) = backend.contradict([("animal", "a dog")])
    assert [len(texts) for texts in proposal.candidates] == [2]
    assert len(backend.identity["sha256"]) == 64
    assert str(model.parent) not in str(backend.identity)


@pytest.mark.parametrize("spoil", ["config.json", "model.safetensors", "tokenizer.json"])
def test_a_damaged_model_is_refused(tmp_path: Path, spoil: str) -> None:
    folder = causal(tmp_path / "m")
    (folder / spoil).write_bytes(b"{")
    with pytest.raises(InputError, match=r"config\.json|cannot be loaded"):
        transformers_backend(str(folder)).generalise(["a"], 2)


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
