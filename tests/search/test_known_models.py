"""Which models an index takes for its own: by fingerprint, or by embeddings of fixed inputs."""

import copy

import pytest
import torch
from pydantic import TypeAdapter, ValidationError

from hiergeo import adapters, search
from hiergeo._core.errors import InputError
from hiergeo.adapters.open_clip import load_tiny
from hiergeo.search import layout
from hiergeo.search.layout import ModelFacts

CAPTIONS = ["a dog", "a red star", "two circles", "a cat on a mat"]


@pytest.fixture(scope="module")
def model() -> adapters.Model:
    return load_tiny(device=torch.device("cpu")).trainable()


@pytest.fixture(scope="module")
def folder(model, tmp_path_factory):
    path = tmp_path_factory.mktemp("known") / "index"
    search.build(path, model, CAPTIONS).close()
    return path


@pytest.fixture(scope="module")
def facts(folder, model) -> ModelFacts:
    facts = layout.read(folder).model
    assert facts is not None
    return facts


def renamed(model, network=None):
    """The model as another version of its library would hold it, with another fingerprint."""
    other = model.bare_copy()
    other.settings += " another version"
    if network is not None:
        other.network = network
    return other


def changed(model, part, scale):
    network = copy.deepcopy(model.network)
    for weight in part(network).parameters():
        weight.data += scale * weight.std().nan_to_num(1.0) * torch.randn(weight.shape, generator=torch.manual_seed(0))
    return renamed(model, network)


def test_the_same_weights_under_another_fingerprint_open_the_index(model, folder, facts):
    other = renamed(model)
    assert facts.fingerprint != other.fingerprint()
    nearest = search.open(folder, model=other).neighbours("a dog", k=1).hits[0]
    assert nearest.caption == "a dog"


@pytest.mark.parametrize("part", [lambda network: network.transformer, lambda network: network.visual])
def test_other_weights_of_either_tower_do_not(model, folder, part):
    with pytest.raises(InputError, match="fingerprint"):
        search.open(folder, model=changed(model, part, 0.05))


def test_an_untrained_copy_does_not(model, folder):
    with pytest.raises(InputError, match="fingerprint"):
        search.open(folder, model=adapters.untrained(model, 1))


def test_rounding_of_another_machine_is_the_same_model(model, facts):
    assert facts.fit(changed(model, lambda network: network.transformer, 1e-6))


def test_records_without_a_witness_are_known_by_the_fingerprint_alone(model):
    record = {"name": "tiny", "fingerprint": model.fingerprint(), "normalised": True}
    former = TypeAdapter(ModelFacts).validate_python(record)
    other = TypeAdapter(ModelFacts).validate_python({**record, "fingerprint": "0" * 16})
    assert (former.fit(model), other.fit(model)) == (True, False)
    with pytest.raises(ValidationError):
        TypeAdapter(ModelFacts).validate_python({**record, "witness": "12"})
