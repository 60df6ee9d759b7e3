"""A fingerprint follows weights and meaningful settings, not what a version of a library calls its modules."""

from collections import OrderedDict

import pytest
import torch
from torch import nn

from hiergeo import adapters
from hiergeo.adapters.head import Head, HeadModel, HeadShape
from hiergeo.adapters.model import weights_digest


class Block(nn.Linear):
    """A linear layer of another class."""


def network(layer=nn.Linear, activation=nn.GELU, names=("first", "middle", "last"), order=1) -> nn.Module:
    torch.manual_seed(0)
    parts = [layer(4, 6), activation(), layer(6, 3)]
    made = nn.Sequential(OrderedDict(zip(names, parts, strict=True)))
    return made if order == 1 else nn.ModuleDict(dict(reversed(list(made.named_children()))))


def test_names_classes_and_order_do_not_count():
    known = weights_digest(network(), "p")
    for same in (network(layer=Block), network(names=("a", "b", "c")), network(order=-1)):
        assert weights_digest(same, "p") == known


def test_weights_shapes_activations_and_preprocessing_count():
    tuned, transposed = network(), network()
    with torch.no_grad():
        tuned.last.bias[0] += 1e-6
    transposed.first.weight = nn.Parameter(transposed.first.weight.reshape(4, 6))
    others = [weights_digest(each, "p") for each in (tuned, transposed, network(activation=nn.ReLU))]
    digests = [weights_digest(network(), "p"), weights_digest(network(), "q"), *others]
    assert len(set(digests)) == len(digests)


def test_a_head_has_a_witness_as_its_model():
    base = adapters.load("tiny", device="cpu")
    model = HeadModel(base, Head(HeadShape(base.dim, base.dim)))
    assert model.fingerprint() != base.fingerprint()
    witness = model.witness()
    assert witness is not None
    assert witness.shape == base.witness().shape


@pytest.mark.parametrize("images", [True, False])
def test_a_witness_is_of_texts_and_of_a_picture(images):
    model = adapters.load("tiny", device="cpu").bare_copy()
    model.has_images = images
    assert len(model.witness()) == model.dim * (4 if images else 3)
