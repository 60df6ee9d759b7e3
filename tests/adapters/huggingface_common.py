"""Small random models of every family of transformers that is loaded, with processors to match."""

import string
from typing import Any

import pytest

transformers = pytest.importorskip("transformers")

LENGTH = 16
TOWER = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 2}


def _tokenizer(**special: str) -> Any:
    """Letters as tokens; every text is closed by the end token, and opened by the start token if there is one."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors

    names = [*dict.fromkeys(special.values()), *string.ascii_lowercase]
    vocabulary = {name: row for row, name in enumerate(names)}
    core = Tokenizer(models.WordLevel(vocabulary, unk_token=special["unk_token"]))
    core.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    start, end = special.get("bos_token", ""), special["eos_token"]
    ends = [(name, vocabulary[name]) for name in (start, end) if name]
    core.post_processor = processors.TemplateProcessing(single=f"{start} $A {end}".strip(), special_tokens=ends)
    return transformers.PreTrainedTokenizerFast(tokenizer_object=core, model_max_length=LENGTH, **special)


def _clip() -> tuple[Any, Any]:
    tokenizer = _tokenizer(unk_token="<u>", bos_token="<s>", eos_token="<e>", pad_token="<e>")
    text = {**TOWER, "vocab_size": len(tokenizer), "max_position_embeddings": LENGTH}
    text |= {"bos_token_id": tokenizer.bos_token_id, "eos_token_id": tokenizer.eos_token_id}
    vision = {**TOWER, "image_size": 32, "patch_size": 16}
    network = transformers.CLIPModel(transformers.CLIPConfig(text_config=text, vision_config=vision, projection_dim=16))
    pixels = transformers.CLIPImageProcessor(size={"shortest_edge": 32}, crop_size=32)
    return network, transformers.CLIPProcessor(pixels, tokenizer)


def _siglip() -> tuple[Any, Any]:
    tokenizer = _tokenizer(unk_token="<u>", eos_token="<e>", pad_token="<e>")
    tokenizer.model_input_names = ["input_ids"]
    text = {**TOWER, "vocab_size": len(tokenizer), "max_position_embeddings": LENGTH, "projection_size": 32}
    vision = {**TOWER, "image_size": 32, "patch_size": 16}
    network = transformers.SiglipModel(transformers.SiglipConfig(text_config=text, vision_config=vision))
    pixels = transformers.SiglipImageProcessor(size={"height": 32, "width": 32})
    return network, transformers.SiglipProcessor(pixels, tokenizer)


def _siglip2() -> tuple[object, object]:
    tokenizer = _tokenizer(unk_token="<u>", eos_token="<e>", pad_token="<e>")
    tokenizer.model_input_names = ["input_ids"]
    text = {**TOWER, "vocab_size": len(tokenizer), "max_position_embeddings": LENGTH, "projection_size": 32}
    vision = {**TOWER, "num_patches": 16, "patch_size": 16}
    network = transformers.Siglip2Model(transformers.Siglip2Config(text_config=text, vision_config=vision))
    pixels = transformers.Siglip2ImageProcessor(patch_size=16)
    return network, transformers.Siglip2Processor(pixels, tokenizer)


def _align() -> tuple[object, object]:
    tokenizer = _tokenizer(unk_token="<u>", bos_token="<s>", eos_token="<e>", pad_token="<p>")
    text = {**TOWER, "vocab_size": len(tokenizer), "max_position_embeddings": 64}
    vision = {
        "image_size": 32,
        "width_coefficient": 0.25,
        "depth_coefficient": 0.1,
        "hidden_dim": 320,
        "num_hidden_layers": 4,
        "initializer_range": 0.3,
    }
    config = transformers.AlignConfig(text_config=text, vision_config=vision, projection_dim=80)
    network = transformers.AlignModel(config)
    pixels = transformers.EfficientNetImageProcessor(size={"height": 32, "width": 32})
    return network, transformers.AlignProcessor(pixels, tokenizer)


FAMILIES = {"clip": _clip, "siglip": _siglip, "siglip2": _siglip2, "align": _align}
