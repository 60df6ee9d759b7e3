"""Options, configurations and weights that somebody altered: one sentence each; and the conformance suite."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hiergeo import adapters
from hiergeo._core.errors import HiergeoError, InputError
from hiergeo.adapters import Model
from hiergeo.adapters.hub import options_of
from hiergeo.adapters.meru import MeruOptions
from hiergeo.testing import AdapterConformance
from tests.adapters import meru_common as meru

pytest.importorskip("transformers")

from tests.adapters.test_hyper3 import CONFIG as HYPER3
from tests.adapters.test_prolip import CONFIG as PROLIP

JUNK = st.sampled_from(
    [
        None,
        True,
        -1,
        0,
        1,
        3,
        10**6,
        10**12,
        10**30,
        1e308,
        -0.5,
        "",
        "x",
        "../x",
        "vit_base_patch16_224",
        [],
        [1],
        {},
        {"eps": "x"},
    ]
)
FEW = settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))


@FEW
@given(st.text(max_size=30))
def test_options_of_any_kind_give_options_or_one_sentence(text):
    try:
        _, options = options_of(f"model.pth?{text}", MeruOptions)
    except InputError:
        return
    assert isinstance(options, MeruOptions)


def places(held: dict[str, Any]) -> list[tuple[str, ...]]:
    return [(key,) for key in held] + [(key, name) for key, of in held.items() if isinstance(of, dict) for name in of]


@FEW
@given(st.data(), st.sampled_from(["hyper3", "prolip"]))
def test_altered_configurations_give_one_sentence(tmp_path_factory, data, adapter):
    """The weights are those of nobody, so that each of them has to be refused."""
    config = json.loads(json.dumps(HYPER3 if adapter == "hyper3" else PROLIP))
    for place in data.draw(st.lists(st.sampled_from(places(config)), max_size=3)):
        inner = config
        for key in place[:-1]:
            inner = inner[key] if isinstance(inner.get(key), dict) else {}
        inner[place[-1]] = data.draw(JUNK)
    folder = tmp_path_factory.mktemp("altered")
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "model.safetensors").write_bytes(data.draw(st.binary(max_size=64)))
    with pytest.raises(HiergeoError) as refused:
        adapters.load(f"{adapter}:{folder}")
    assert "\n" not in str(refused.value)


class TestMeru(AdapterConformance):
    @pytest.fixture(autouse=True)
    def file(self, tmp_path_factory: Any) -> None:
        self.path = meru.write(tmp_path_factory.getbasetemp() / "conformance.pth", meru.state())

    def make(self) -> Model:
        return adapters.load(f"meru:{self.path}{meru.OPTIONS}", device="cpu")


def test_half_precision_files_run_in_single_precision(tmp_path: Path):
    weights = {name: w.half() if w.is_floating_point() else w for name, w in meru.state().items()}
    rows = adapters.load(f"meru:{meru.write(tmp_path / 'a.pth', weights)}{meru.OPTIONS}").encode_text(["a", "b"])
    assert rows.dtype == torch.float32
    held = meru.arrays(weights)
    tokens = np.array([[49406, 320, 49407] + [0] * 74, [49406, 321, 49407] + [0] * 74])
    expected = meru.text_rows(held, tokens) * np.exp(held["textual_alpha"])
    assert np.abs(rows.numpy() - expected).max() < 1e-4
