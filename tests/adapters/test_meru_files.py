"""Files that are not what ``meru:`` and its relatives load: one sentence each."""

from pathlib import Path

import pytest
import torch

from hiergeo import adapters
from hiergeo._core.errors import InputError, UnavailableError
from hiergeo.adapters import hub
from hiergeo.adapters.loading import check_spec
from tests.adapters import meru_common as meru

BLOCK = "visual.blocks.1.mlp.fc1.weight"


@pytest.fixture(scope="module")
def weights():
    return meru.state()


@pytest.fixture
def refuse(monkeypatch, weights, tmp_path):
    """Write a checkpoint, load it, expect an InputError on one line that says these things, and no model made."""

    def forbidden(*_, **__):
        raise AssertionError("a model was made")

    monkeypatch.setattr("hiergeo.adapters.meru.NativeModel", forbidden)

    def check(changed, *said, adapter="meru", options=meru.OPTIONS):
        file = changed if isinstance(changed, Path) else meru.write(tmp_path / "model.pth", {**weights, **changed})
        with pytest.raises(InputError) as refused:
            adapters.load(f"{adapter}:{file}{options}")
        assert all(word in str(refused.value) for word in said), refused.value
        assert "\n" not in str(refused.value)

    return check


def without(weights, *names):
    return {name: weight for name, weight in weights.items() if name not in names}


@pytest.mark.parametrize(
    "name",
    [
        "curv",
        "textual_alpha",
        "pixel_mean",
        "visual.pos_embed",
        BLOCK,
        "textual.ln_final.bias",
        "visual_proj.weight",
    ],
)
def test_a_weight_that_is_missing_is_named(refuse, weights, tmp_path, name):
    refuse(meru.write(tmp_path / "a.pth", without(weights, name)), name)


def with_nan(weight):
    changed = weight.clone()
    changed.view(-1)[-1] = float("nan")
    return changed


def test_weights_that_do_not_fit_are_named(refuse, weights):
    refuse({"visual.extra": torch.ones(3)}, "visual.extra")
    refuse({BLOCK: torch.ones(256, 63)}, BLOCK, "63")
    refuse({"curv": torch.ones(2)}, "curv")
    refuse({"textual.token_embed.weight": torch.ones(100, meru.TEXT_WIDTH)}, "textual.token_embed", "49408")
    refuse({"visual.blocks.3.norm1.weight": torch.ones(64)}, "visual.blocks.2")
    refuse({BLOCK: with_nan(weights[BLOCK])}, BLOCK, "NaN")
    refuse({BLOCK: weights[BLOCK].long()}, BLOCK, "int64")
    refuse({"curv": torch.tensor(9.0)}, "curvature")
    refuse({"curv": torch.tensor(float("nan"))}, "curv")
    refuse({"visual_alpha": torch.tensor(100.0)}, "factor")
    refuse({"textual.posit_embed": torch.ones(5000, meru.TEXT_WIDTH)}, "5000")


def test_shapes_that_the_file_has_no_bytes_for_are_refused(refuse, weights):
    huge = torch.zeros(1).expand(1 << 20, 1 << 20)
    refuse({BLOCK: huge}, "bytes")
    blown = {
        name: torch.zeros(()).expand([side << 7 if side >= meru.WIDTH else side for side in weight.shape])
        for name, weight in weights.items()
        if name.startswith("visual")
    }
    refuse({"visual.cls_token": torch.zeros(()).expand(1, 1, 1 << 40)}, "bytes")
    refuse(blown, "bytes", options="?heads=8&text_heads=2")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ("", ("?heads=N", "width 64")),
        ("?heads=4", ("?text_heads=N", "width 32")),
        ("?heads=5&text_heads=2", ("5 heads", "64")),
        ("?heads=0&text_heads=2", ("heads",)),
        ("?heads=four", ("heads",)),
        ("?head=4", ("did you mean 'heads'",)),
        ("?images=stretch", ("images",)),
    ],
)
def test_configurations_that_do_not_fit_are_refused(refuse, options, said):
    refuse({}, *said, options=options)


OTHERS = {
    "open_clip": {"visual.conv1.weight": torch.ones(1), "token_embedding.weight": torch.ones(1)},
    "clip baseline": meru.state(logit_scale=1.0),
    "uncha": {**meru.state(), "textual.min_radius_head.0.bias": torch.ones(1)},
    "phyclip": {**meru.state(), "curvs.0": torch.ones(())},
    "nothing": {"a": torch.ones(1)},
}


@pytest.mark.parametrize("kind", OTHERS)
def test_other_families_are_refused(refuse, tmp_path, kind):
    refuse(meru.write(tmp_path / "model.pth", OTHERS[kind]), "model.pth")
    torch.save({"state_dict": {f"module.{name}": weight for name, weight in OTHERS[kind].items()}}, tmp_path / "b.pth")
    refuse(tmp_path / "b.pth", "b.pth")


@pytest.mark.parametrize("adapter", ["meru-clip", "uncha", "phyclip"])
def test_a_meru_is_refused_where_another_member_of_the_family_is_asked_for(refuse, adapter):
    refuse({}, adapter=adapter)


def test_folders_and_missing_files_are_refused(refuse, tmp_path):
    refuse(tmp_path, "folder")
    refuse(tmp_path / "none.pth", "none.pth")


@pytest.mark.parametrize(
    "held", [{}, [], 3, {"model": {}}, {"model": {"a": 1}}, {"model": [1]}, {"model": None}, {1: 2}]
)
def test_content_that_is_no_state_dict_is_refused(refuse, tmp_path, held):
    torch.save(held, tmp_path / "a.pth")
    refuse(tmp_path / "a.pth", "a.pth")


@pytest.mark.parametrize("dtype", [torch.float8_e4m3fn, torch.complex64])
def test_weights_that_are_no_dense_floating_numbers_are_refused(refuse, weights, tmp_path, dtype):
    refuse({BLOCK: weights[BLOCK].to(dtype)}, BLOCK, str(dtype))
    refuse({BLOCK: weights[BLOCK].to_sparse()}, BLOCK, "dense")
    with_root = {**meru.state(logit_scale=1.0), "root": torch.ones(meru.DIM).to_sparse()}
    refuse(meru.write(tmp_path / "b.pth", with_root), "'root'", adapter="meru-clip")


def test_weights_of_sixteen_bits_are_read(weights, tmp_path):
    file = meru.write(tmp_path / "a.pth", {**weights, BLOCK: weights[BLOCK].bfloat16()})
    model = adapters.load(f"meru:{file}{meru.OPTIONS}")
    assert torch.equal(model.network.visual.blocks[1].mlp.fc1.weight, weights[BLOCK].bfloat16().float())


@pytest.mark.parametrize(
    ("spec", "wanted"),
    [
        ("hycoclip:hf-hub:avik-pal/hycoclip/hycoclip_vit_s.pth", ("avik-pal/hycoclip", "hycoclip_vit_s.pth")),
        ("hycoclip:vit_b", ("avik-pal/hycoclip", "hycoclip_vit_b.pth")),
        ("meru:grit_vit_s", ("avik-pal/hycoclip", "meru_vit_s.pth")),
        ("uncha:hf-hub:org/name/folder/x.pth", ("org/name", "folder/x.pth")),
    ],
)
def test_files_of_the_hub_are_loaded_by_name(spec, wanted, tmp_path, monkeypatch):
    more = ("global_logit_scale", "local_logit_scale", "global_local_logit_scale") if "uncha" in spec else ()
    numbers = {"curv": -1.0, "visual_alpha": -0.8, "textual_alpha": -0.4, "logit_scale": 2.0} | dict.fromkeys(more, 1.0)
    file = meru.write(tmp_path / "made.pth", meru.state(**numbers))
    asked = []
    monkeypatch.setattr("huggingface_hub.hf_hub_download", lambda *name: asked.append(name) or str(file))
    monkeypatch.setattr(hub, "_answers", lambda endpoint: False)
    check_spec(f"{spec}{meru.OPTIONS}")
    model = adapters.load(f"{spec}{meru.OPTIONS}", device="cpu")
    own = adapters.load(f"{spec.partition(':')[0]}:{file}{meru.OPTIONS}", device="cpu")
    assert asked == [wanted]
    assert (model.name, model.fingerprint()) == (f"{spec}{meru.OPTIONS}", own.fingerprint())


def test_what_the_hub_does_not_give_is_named(monkeypatch):
    monkeypatch.setattr(hub, "_answers", lambda endpoint: False)
    with pytest.raises(InputError, match="no file of a repository"):
        adapters.load("meru:hf-hub:org/name")
    with pytest.raises(UnavailableError, match=r"org/name/x\.pth.*meru:/path"):
        adapters.load("meru:hf-hub:org/name/x.pth")
