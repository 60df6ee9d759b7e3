"""The bundled model: a small CLIP of open_clip, trained by ``benchmarks/tiny_model.py`` on rendered scenes.

To import open_clip takes seconds, so its towers are written here in plain torch, for embedding alone.
"""

import json
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, batch_norm, conv2d, layer_norm, linear, scaled_dot_product_attention

from hiergeo._core.storage import tensors
from hiergeo.adapters.native import STATISTICS

if TYPE_CHECKING:
    from PIL.Image import Image

NAME = "hiergeo-tiny"
"""The name of the architecture in open_clip."""

CONFIG, MERGES, WEIGHTS = f"{NAME}.json", "merges.txt.gz", "model.safetensors"
"""The files of the model: its configuration as open_clip's, the tokenizer's merges, the weights in float16."""

FOLDER = Path(__file__).resolve().parent

SIDE = 64
"""Width and height of the pictures that it sees, pixels."""

PREPROCESSING = {"size": SIDE, "mode": "RGB"} | dict(zip(("mean", "std"), STATISTICS["clip"], strict=True))
PREPROCESSING |= {"interpolation": "bicubic", "resize_mode": "shortest", "fill_color": 0}
"""What open_clip does to pictures for this architecture, in its words, which are part of the fingerprint."""


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


def tokenizer() -> Any:
    """open_clip's tokenizer, of its file alone: texts -> (B, context) tokens."""
    package: Any = find_spec("open_clip")
    spec: Any = spec_from_file_location("open_clip.tokenizer", Path(package.origin).with_name("tokenizer.py"))
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    text = config()["text_cfg"]
    return module.SimpleTokenizer(context_length=text["context_length"], **text["tokenizer_kwargs"])


def transform(picture: "Image") -> Tensor:
    """(3, 64, 64) normalised pixels, as open_clip's: the shorter side resized, the centre of the longer one."""
    from PIL.Image import Resampling

    side = SIDE
    width, height = (side * length // min(picture.size) for length in picture.size)
    left, top = round((width - side) / 2), round((height - side) / 2)
    resized = picture.convert("RGB").resize((width, height), Resampling.BICUBIC)
    pixels = torch.from_numpy(np.array(resized.crop((left, top, left + side, top + side)))).permute(2, 0, 1)
    mean, std = (torch.tensor(numbers)[:, None, None] for numbers in STATISTICS["clip"])
    return (pixels.float() / 255 - mean) / std


class TinyClip(nn.Module):
    """Both towers, with the outputs of open_clip's network; that one is trained (`OpenClipModel.trainable`)."""

    def __init__(self) -> None:
        super().__init__()
        state = {name: weight for name, weight in tensors.read(weights()).items() if weight.is_floating_point()}
        for old, new in {"downsample.0": "conv4", "downsample.1": "bn4", "proj_": "proj/", ".": "/"}.items():
            state = {name.replace(old, new): weight for name, weight in state.items()}
        self.weights = nn.ParameterDict(state)
        self.relu, self.gelu, self.visual = nn.ReLU(), nn.GELU(), SimpleNamespace(preprocess_cfg=PREPROCESSING)

    def encode_image(self, pixels: Tensor) -> Tensor:
        """(B, 3, 64, 64) normalised pixels -> features (B, D)."""
        x = pixels
        for index in (1, 2, 3):
            x = self.relu(self._conv(x, "visual", index, stride=1 + (index == 1)))
        x = avg_pool2d(x, 2)
        for index in (1, 2, 3, 4):
            at, stride = f"visual/layer{index}/0", 1 + (index > 1)
            inner = self.relu(self._conv(self.relu(self._conv(x, at, 1)), at, 2))
            x = self.relu(self._conv(avg_pool2d(inner, stride), at, 3) + self._conv(avg_pool2d(x, stride), at, 4))
        at, x = "visual/attnpool", x.flatten(2).transpose(1, 2)
        x = torch.cat([x.mean(1, keepdim=True), x], 1) + self.weights[f"{at}/positional_embedding"]
        q, k, v = (linear(x, *self._of(f"{at}/{part}_proj")) for part in "qkv")
        return linear(_attended(q, k, v, heads=16), *self._of(f"{at}/c_proj"))[:, 0]

    def encode_text(self, tokens: Tensor) -> Tensor:
        """(B, context) tokens -> features (B, D) at the largest token, which ends a text."""
        x = self.weights["token_embedding/weight"][tokens] + self.weights["positional_embedding"]
        for at in ("transformer/resblocks/0", "transformer/resblocks/1"):
            inner = linear(layer_norm(x, x.shape[-1:], *self._of(f"{at}/ln_1")), *self._of(f"{at}/attn/in_proj"))
            inner = _attended(*inner.chunk(3, -1), heads=2, causal=True)
            x = x + linear(inner, *self._of(f"{at}/attn/out_proj"))
            inner = linear(layer_norm(x, x.shape[-1:], *self._of(f"{at}/ln_2")), *self._of(f"{at}/mlp/c_fc"))
            x = x + linear(self.gelu(inner), *self._of(f"{at}/mlp/c_proj"))
        ends = x[torch.arange(len(x), device=x.device), tokens.argmax(-1)]
        return layer_norm(ends, x.shape[-1:], *self._of("ln_final")) @ self.weights["text_projection"]

    def _of(self, layer: str, *names: str) -> Any:
        return [self.weights[f"{layer}/{name}"] for name in names or ("weight", "bias")]

    def _conv(self, x: Tensor, at: str, index: int, stride: int = 1) -> Tensor:
        kernel = self.weights[f"{at}/conv{index}/weight"]
        x = conv2d(x, kernel, stride=stride, padding=kernel.shape[-1] // 2)
        return batch_norm(x, *self._of(f"{at}/bn{index}", "running_mean", "running_var", "weight", "bias"))


def _attended(q: Tensor, k: Tensor, v: Tensor, *, heads: int, causal: bool = False) -> Tensor:
    """Attention of q (B, Q, C) over k and v (B, P, C)."""
    q, k, v = (x.unflatten(-1, (heads, -1)).transpose(1, 2) for x in (q, k, v))
    return scaled_dot_product_attention(q, k, v, is_causal=causal).transpose(1, 2).flatten(2)
