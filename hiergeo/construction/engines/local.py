"""Models of transformers out of a folder or the hub: what identifies one, and how it is loaded."""

from collections.abc import Callable
from functools import cached_property
from hashlib import sha256
from typing import Any, final

import torch

from hiergeo._core import extras
from hiergeo._core.devices import resolve_device
from hiergeo._core.errors import InputError, reason, unknown_name
from hiergeo._core.storage import files
from hiergeo.adapters import hub

ENDINGS = (".json", ".safetensors", ".bin", ".model", ".txt", ".jinja")  # endings of the files that a model is made of

DTYPES = {"auto": "auto", "float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
"""Of weights, by name; ``auto`` is that of the files, and float32 on the CPU."""


@final
class LocalModel:
    """A model of transformers in a folder or on the hub, loaded by a class of it when it is first used."""

    def __init__(self, source: str, kind: str, device: str, dtype: str = "auto") -> None:
        if not source.strip():
            raise InputError("name the model: transformers:FOLDER or transformers:ORG/NAME.")
        if dtype not in DTYPES:
            raise unknown_name("dtype", dtype, DTYPES)
        self._transformers = extras.require("transformers", "a local model")
        self.source, self._kind = source, kind
        self.device = resolve_device(device)
        self.dtype = "float32" if dtype == "auto" and self.device.type == "cpu" else dtype
        self.folder = hub.folder_of(source, "transformers:/path/to/folder")
        if not (self.folder / "config.json").is_file():
            raise InputError(f"'{source}' has no config.json: it is not a model of transformers.")
        hub.check_config(hub.foreign_json(self.folder / "config.json"), f"the configuration of '{source}'")

    @cached_property
    def identity(self) -> dict[str, Any]:
        """The name of the model without its place, SHA-256 over its files, and the dtype of its weights."""
        named = self.folder.resolve().name if hub.local_folder(self.source) else self.source
        digest = sha256()
        for path in sorted(self.folder.iterdir()):
            if path.suffix in ENDINGS and path.is_file():
                digest.update(f"{path.name} {files.sha256(path)}\n".encode())
        return {"model": named, "sha256": digest.hexdigest(), "dtype": self.dtype}

    @cached_property
    def config(self) -> Any:
        """Its configuration."""
        return self._obtain(self._transformers.AutoConfig.from_pretrained)

    @cached_property
    def tokenizer(self) -> Any:
        """Its tokenizer; raises InputError if it has none, or one that cannot fill up the texts of a batch."""
        tokenizer = self._obtain(self._transformers.AutoTokenizer.from_pretrained)
        if tokenizer.pad_token_id is None:
            if tokenizer.eos_token_id is None:
                raise InputError(f"the tokenizer of '{self.source}' has no padding token, so texts cannot be batched.")
            tokenizer.pad_token = tokenizer.eos_token
        return tokenizer

    @cached_property
    def network(self) -> Any:
        """The network, in evaluation mode on its device; raises InputError for weights that do not fit."""
        build = getattr(self._transformers, self._kind)
        config = self.config
        with hub.quiet_transformers():
            hub.check_size(lambda: build.from_config(config, trust_remote_code=False), self.folder, f"'{self.source}'")
        network, info = self._obtain(build.from_pretrained, output_loading_info=True, dtype=DTYPES[self.dtype])
        for state in ("missing", "mismatched"):
            if info[f"{state}_keys"]:
                names = sorted(map(str, info[f"{state}_keys"]))
                raise InputError(f"'{self.source}' has {len(names)} {state} weights for {self._kind}: {names[0]}.")
        return network.to(self.device).eval()

    def _obtain(self, get: Callable[..., Any], **options: Any) -> Any:
        with hub.quiet_transformers():
            try:
                return get(str(self.folder), local_files_only=True, trust_remote_code=False, **options)
            except Exception as error:  # transformers, tokenizers and safetensors each raise their own
                raise InputError(f"'{self.source}' cannot be loaded by transformers: {reason(error)}.") from error
