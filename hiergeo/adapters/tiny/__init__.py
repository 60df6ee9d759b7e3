"""The bundled model: a small CLIP of open_clip, trained by `hiergeo.adapters.tiny.recipe` on rendered scenes."""

import json
from pathlib import Path
from tempfile import TemporaryDirectory

NAME = "hiergeo-tiny"
"""The name of the architecture in open_clip."""

CONFIG, MERGES, WEIGHTS = f"{NAME}.json", "merges.txt.gz", "model.safetensors"
"""The files of the model: open_clip's configuration, the tokenizer's merges, the weights in float16."""

_FOLDER = Path(__file__).resolve().parent


def register() -> str:
    """Make the architecture and its tokenizer known to open_clip, once; returns its name, ``hiergeo-tiny``."""
    import open_clip

    if NAME not in open_clip.list_models():
        config = json.loads((_FOLDER / CONFIG).read_text(encoding="utf-8"))
        config["text_cfg"]["tokenizer_kwargs"] = {"bpe_path": str(_FOLDER / MERGES)}
        with TemporaryDirectory() as folder:
            path = Path(folder) / CONFIG
            path.write_text(json.dumps(config), encoding="utf-8")
            open_clip.add_model_config(path)
    return NAME


def weights() -> Path:
    """The packaged checkpoint of the architecture, in safetensors."""
    return _FOLDER / WEIGHTS
