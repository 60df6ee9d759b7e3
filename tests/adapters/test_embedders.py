"""Made folders of sentence-transformers against that library itself: prompts, images, norms, and HiT's ball."""

import shutil
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from hiergeo import adapters
from hiergeo._core.errors import InputError
from hiergeo.evaluation.benchmarks import measure
from hiergeo.evaluation.benchmarks.subsumption import Subsumption, pair_scores
from tests.adapters.huggingface_common import FAMILIES

library = pytest.importorskip("sentence_transformers")
transformers = pytest.importorskip("transformers")
geoopt = pytest.importorskip("geoopt")

TEXTS = ["a dog", "an animal", "red cat", "mammal", ""]
WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "an", "dog", "cat", "animal", "mammal", "red", "find", ":"]
PROMPTS = {"query": "find : ", "document": "a "}
DIM = 32


@pytest.fixture(scope="module")
def bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small random embedder of texts with prompts, mean pooling and no normalisation."""
    folder = tmp_path_factory.mktemp("bert")
    (folder / "vocab.txt").write_text("\n".join(WORDS))
    tokenizer = transformers.BertTokenizerFast.from_pretrained(folder)
    sizes = {"hidden_size": DIM, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
    torch.manual_seed(0)
    config = transformers.BertConfig(vocab_size=len(WORDS), max_position_embeddings=64, **sizes)
    transformers.BertModel(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return saved(folder, folder.parent / "embedder", prompts=PROMPTS)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small random CLIP as an embedder of texts and images."""
    folder = tmp_path_factory.mktemp("clip")
    torch.manual_seed(0)
    for part in FAMILIES["clip"]():
        part.save_pretrained(folder)
    return saved(folder, folder.parent / "multimodal", prompts=PROMPTS)


def saved(source: Path, folder: Path, **options) -> Path:
    library.SentenceTransformer(str(source), device="cpu", **options).save(str(folder), create_model_card=False)
    return folder


def carded(folder: Path, home: Path, card: str) -> Path:
    shutil.copytree(folder, home)
    (home / "README.md").write_text(card)
    return home


def loaded(spec: str) -> adapters.Model:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        model = adapters.load(spec, device="cpu")
        model.root()
    return model


@pytest.mark.parametrize(
    ("options", "prompt"), [("", None), ("?prompt=find : ", "find : "), ("?prompt_name=document", "a ")]
)
@pytest.mark.parametrize("kind", ["bert", "clip"])
def test_texts_and_the_root_are_embedded_under_one_prompt(request, kind, options, prompt):
    folder = request.getfixturevalue(kind)
    model = loaded(f"sentence-transformers:{folder}{options}")
    own = library.SentenceTransformer(str(folder), device="cpu")
    expected = own.encode(TEXTS, prompt=prompt, convert_to_tensor=True, normalize_embeddings=True)
    assert (model.encode_text(TEXTS) - expected).abs().max() < 1e-6
    assert (model.root() - expected[-1]).abs().max() < 1e-6
    assert kind == "clip" or torch.pdist(expected).min() > 1e-4
    others = loaded(f"sentence-transformers:{folder}").fingerprint()
    assert (model.fingerprint() == others) == (prompt is None)


def test_images_are_those_that_the_library_embeds(clip):
    generator = np.random.default_rng(0)
    pictures = [Image.fromarray(generator.integers(0, 256, (40, 50, 3), dtype=np.uint8)) for _ in range(3)]
    model = loaded(f"sentence-transformers:{clip}?prompt_name=query&norms=keep")
    own = library.SentenceTransformer(str(clip), device="cpu")
    assert model.has_images
    expected = own.encode(pictures, prompt=PROMPTS["query"], convert_to_tensor=True)
    assert (model.encode_image(pictures) - expected).abs().max() < 1e-6
    assert (model.encode_text(TEXTS).norm(dim=1) - 1).abs().max() > 0.1


def test_an_unknown_prompt_is_refused(bert):
    for options, named in (("prompt_name=querry", "query"), ("prompt_name=query&prompt=x", "one of them")):
        with pytest.raises(InputError, match=named):
            adapters.load(f"sentence-transformers:{bert}?{options}", device="cpu")


@pytest.mark.parametrize("kind", ["bert", "clip"])
def test_a_prompt_that_leaves_no_room_for_texts_is_refused(request, kind):
    spec = f"sentence-transformers:{request.getfixturevalue(kind)}?prompt="
    limit = library.SentenceTransformer(str(request.getfixturevalue(kind)), device="cpu").max_seq_length
    with pytest.raises(InputError, match=rf"fills the context of {limit} tokens"):
        adapters.load(spec + "a " * (limit - 2), device="cpu")
    if kind == "bert":
        rows = loaded(spec + "a " * (limit - 4) + ":").encode_text(["dog", "cat"])
        assert (rows[0] - rows[1]).abs().max() > 1e-4


def test_rows_that_are_not_unit_are_never_divided_in_silence(bert, tmp_path):
    with pytest.warns(UserWarning, match="have norms.*norms=keep"):
        adapters.load(f"sentence-transformers:{bert}", device="cpu")
    unit = tmp_path / "unit"
    modules = library.sentence_transformer.modules
    own = library.SentenceTransformer(str(bert), device="cpu")
    library.SentenceTransformer(modules=[*own, modules.Normalize()]).save(str(unit), create_model_card=False)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        adapters.load(f"sentence-transformers:{unit}", device="cpu").encode_text(TEXTS)


def test_a_card_of_a_hyperbolic_space_is_not_passed_over(bert, tmp_path):
    folder = carded(bert, tmp_path / "carded", "Embeddings live in a Poincaré ball (hyperbolic space).")
    with pytest.warns(UserWarning, match="by their card.*coordinates=ball"):
        adapters.load(f"sentence-transformers:{folder}", device="cpu")


def test_hit_lives_in_the_ball_of_its_dimension(bert, tmp_path):
    folder = carded(bert, tmp_path / "hit", "A [HierarchyTransformer](https://huggingface.co) model of nouns.")
    model, named = loaded(f"sentence-transformers:{folder}"), loaded(f"hit:{bert}")
    rows = library.SentenceTransformer(str(bert), device="cpu").encode(TEXTS, convert_to_tensor=True)
    ball, exact = geoopt.PoincareBall(c=torch.tensor(1 / DIM, dtype=torch.float64)), rows.double()
    for each in (model, named):
        space, x = each.native_space(), each.encode_text(TEXTS)
        assert space.geometry.value == pytest.approx(-1 / DIM, rel=1e-12)
        assert (space.radius(x).double() - ball.dist0(exact)).abs().max() < 1e-6 * ball.dist0(exact).max()
        expected = ball.dist(exact[:, None], exact[None])
        assert (space.pairwise_distance(x, x).double() - expected).abs().max() < 1e-6 * expected.max()
    assert not loaded(f"sentence-transformers:{folder}?norms=keep").native_space()


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_hit_s_score_is_that_of_its_own_code(bert):
    hit = pytest.importorskip("hierarchy_transformers", reason="pip install hierarchy-transformers --no-deps")
    evaluation = pytest.importorskip("hierarchy_transformers.evaluation")
    own, model = hit.HierarchyTransformer.from_pretrained(str(bert), device="cpu"), loaded(f"hit:{bert}")
    data = Subsumption("canine.n.02").pairs(0)
    children, parents = ([data.words[at] for at in side] for side in data.pairs.T)
    evaluator = evaluation.HierarchyTransformerEvaluator(children, parents, data.label.tolist(), batch_size=64)
    result = measure(model, "subsumption", data="canine.n.02", samples=2, device="cpu")
    weight, threshold = result.settings["weight"], result.settings["threshold"]
    expected = evaluator.inference(own, weight).double().numpy()
    scores = pair_scores(model.native_space(), model.encode_text(data.words), data.pairs)
    assert np.abs(scores["distance"] + weight * scores["radius"] - expected).max() < 1e-6 * np.abs(expected).max()
    tested = torch.from_numpy(expected[data.test]), torch.from_numpy(data.label[data.test].astype(int))
    for name, value in evaluation.metrics.f1_score(tested[0] > threshold, tested[1]).items():
        assert result.metrics[f"subsumption_{name}"] == pytest.approx(value, abs=1e-6)
