"""The bundled model: a small CLIP of open_clip, trained by ``benchmarks/tiny_model.py`` on rendered scenes."""

import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

NAME = "hiergeo-tiny"
"""The name of the architecture in open_clip."""

CONFIG, MERGES, WEIGHTS = f"{NAME}.json", "merges.txt.gz", "model.safetensors"
"""The files of the model: its configuration as open_clip's, the tokenizer's merges, the weights in float16."""

FOLDER = Path(__file__).resolve().parent


def config() -> dict[str, Any]:
    """open_clip's configuration of the model, with the place of the tokenizer's merges."""
    settings: dict[str, Any] = json.loads((FOLDER / CONFIG).read_text(encoding="utf-8")) | {"quick_gelu": False}
    settings["text_cfg"]["tokenizer_kwargs"] = {"bpe_path": str(FOLDER / MERGES)}
    return settings


def register() -> str:
    """Make the architecture and its tokenizer known to open_clip, once; returns its name, ``hiergeo-tiny``."""
    import open_clip

    if NAME not in open_clip.list_models():
        with TemporaryDirectory() as folder:
            path = Path(folder) / CONFIG
            path.write_text(json.dumps(config()), encoding="utf-8")
            open_clip.add_model_config(path)
    return NAME


def weights() -> Path:
    """The packaged checkpoint of the architecture, in safetensors."""
    return FOLDER / WEIGHTS
