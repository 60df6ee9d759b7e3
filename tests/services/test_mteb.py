"""The adapter on the package mteb itself, with the model of its registry that needs no weights."""

import pytest

from hiergeo import adapters
from hiergeo._core.errors import InputError
from hiergeo.testing import AdapterConformance

mteb = pytest.importorskip("mteb", reason="needs mteb: run `make test-services`")

SPEC = "mteb:mteb/baseline-random-encoder"


class TestBaseline(AdapterConformance):
    spec = SPEC

    def make(self) -> adapters.Model:
        return adapters.load(SPEC, device="cpu")


def test_names_that_the_registry_does_not_have_are_refused() -> None:
    with pytest.raises(InputError, match="baseline-random-encoder"):
        adapters.load("mteb:mteb/baseline-random-encode", device="cpu")


def test_models_that_embed_no_vectors_are_refused() -> None:
    with pytest.raises(InputError, match="encode"):
        adapters.load("mteb:mteb/baseline-random-cross-encoder", device="cpu")
