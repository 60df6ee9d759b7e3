"""Small random classifiers of transformers, with a tokenizer of bytes, in folders."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

SMALL = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 2}


def tokenizer(length: int) -> Any:
    """Bytes as tokens, and pairs with a separator between them."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors

    names = ["<pad>", "<start>", "<end>", *sorted(pre_tokenizers.ByteLevel.alphabet())]
    core = Tokenizer(models.BPE({name: row for row, name in enumerate(names)}, merges=[]))
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    core.decoder = decoders.ByteLevel()
    ends = [("<start>", 1), ("<end>", 2)]
    core.post_processor = processors.TemplateProcessing(
        single="<start> $A", pair="<start> $A <end> $B <end>", special_tokens=ends
    )
    special = {"pad_token": "<pad>", "bos_token": "<start>", "eos_token": "<end>"}
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=core, model_max_length=length, padding_side="right", **special
    )


def classifier(folder: Path, labels: list[str], order: list[int] | None = None, length: int = 64) -> Path:
    """A classifier of pairs; `order` permutes the classes of what are else the same weights."""
    torch.manual_seed(2)
    words = tokenizer(length)
    config = transformers.LlamaConfig(
        **SMALL,
        vocab_size=len(words),
        max_position_embeddings=length,
        pad_token_id=0,
        initializer_range=0.4,
        num_labels=len(labels),
        id2label=dict(enumerate(labels)),
        label2id={label: row for row, label in enumerate(labels)},
    )
    network = transformers.LlamaForSequenceClassification(config)
    with torch.no_grad():
        network.score.weight.copy_(network.score.weight[order or list(range(len(labels)))])
    network.save_pretrained(folder)
    words.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """Small networks are fastest on one thread, above all beside other processes."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
