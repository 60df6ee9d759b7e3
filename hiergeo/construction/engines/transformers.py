"""Instruct models of transformers on this machine, held to the JSON schema of a prompt while they write."""

from collections.abc import Iterator, Sequence
from functools import cached_property
from hashlib import sha256
from json import dumps
from typing import Any, final

import torch
from torch import Tensor

from hiergeo._core import extras
from hiergeo._core.errors import UnavailableError, check_whole
from hiergeo.construction.engines.interface import REFUSED, STOPPED, TRUNCATED, Engine, Prompt, Reply
from hiergeo.construction.engines.local import LocalModel


@final
class TransformersEngine(Engine):
    """A causal language model of transformers whose every token is one that the schema of the prompt allows.

    Prompts of about the same length make a batch. Which token is drawn depends on the prompt and its seed alone, not on
    the other prompts of the batch; scores themselves may depend on these in their last digits.
    """

    name = "transformers"

    def __init__(self, model: str, *, device: str = "auto", dtype: str = "auto", batch_size: int = 8) -> None:
        check_whole("batch_size", batch_size, 1, 4096)
        self._grammar: Any = extras.require("xgrammar", "a local language model")
        self._model = LocalModel(model, "AutoModelForCausalLM", device, dtype)
        self._batch_size = batch_size

    @property
    def identity(self) -> dict[str, Any]:
        return self._model.identity

    def generate(self, prompts: Sequence[Prompt]) -> Iterator[tuple[int, Reply]]:
        """See `Engine.generate`; prompts differ in nothing of their sampling but the seed."""
        texts = [self._text(prompt) for prompt in prompts]
        tokens = [self._model.tokenizer(text, add_special_tokens=not templated).input_ids for text, templated in texts]
        positions = getattr(self._model.config.get_text_config(), "max_position_embeddings", None) or 1 << 30
        fitting = []
        for row, prompt in enumerate(prompts):
            if len(tokens[row]) + prompt.sampling.max_tokens > positions:
                yield row, Reply("longer than the context of the model", REFUSED)
            else:
                fitting.append(row)
        fitting.sort(key=lambda row: (-len(tokens[row]), row))
        for start in range(0, len(fitting), self._batch_size):
            rows = fitting[start : start + self._batch_size]
            replies = self._replies([prompts[row] for row in rows], [tokens[row] for row in rows])
            yield from zip(rows, replies, strict=True)

    def _text(self, prompt: Prompt) -> tuple[str, bool]:
        """The text of a prompt, and whether the chat template of the model wrote it."""
        tokenizer = self._model.tokenizer
        if not tokenizer.chat_template:
            return f"{prompt.system}\n\n{prompt.user}\n\n", False
        options = {"tokenize": False, "add_generation_prompt": True, "enable_thinking": False}
        try:
            return tokenizer.apply_chat_template(prompt.messages, **options), True
        except Exception:  # templates raise their own errors where they know no system message
            joined = [{"role": "user", "content": f"{prompt.system}\n\n{prompt.user}"}]
            return tokenizer.apply_chat_template(joined, **options), True

    def _replies(self, prompts: Sequence[Prompt], tokens: Sequence[list[int]]) -> list[Reply]:
        tokenizer, network = self._model.tokenizer, self._model.network
        batch = tokenizer.pad({"input_ids": list(tokens)}, padding_side="left", return_tensors="pt")
        grammars = [
            self._compiler.compile_json_schema(dumps(prompt.schema(caption=prompt.caption)), any_whitespace=False)
            for prompt in prompts
        ]
        processors = [self._grammar.contrib.hf.LogitsProcessor(grammars), *sampling_processors(prompts)]
        try:
            with torch.inference_mode():
                written = network.generate(
                    **batch.to(network.device),
                    logits_processor=processors,
                    max_new_tokens=prompts[0].sampling.max_tokens,
                    do_sample=False,
                    num_beams=1,
                    repetition_penalty=1.0,
                    pad_token_id=tokenizer.pad_token_id,
                    eos_token_id=self._ends,
                )[:, batch.input_ids.shape[1] :].tolist()
        except torch.OutOfMemoryError as error:
            raise UnavailableError(
                f"{self._model.device} has not enough memory for {len(prompts)} prompts at a time: lower batch_size."
            ) from error
        return [self._reply(reply, len(prompt)) for reply, prompt in zip(written, tokens, strict=True)]

    def _reply(self, written: list[int], read: int) -> Reply:
        end = next((index for index, token in enumerate(written) if token in self._ends), None)
        text = self._model.tokenizer.decode(written[:end], skip_special_tokens=True)
        count = len(written) if end is None else end + 1
        return Reply(text, TRUNCATED if end is None else STOPPED, read, count)

    @cached_property
    def _ends(self) -> list[int]:
        """The tokens that end a reply."""
        ends = self._model.network.generation_config.eos_token_id
        several = ends if isinstance(ends, list) else [ends]
        return sorted({*several, self._model.tokenizer.eos_token_id} - {None})

    @cached_property
    def _compiler(self) -> Any:
        size = self._model.config.get_text_config().vocab_size
        info = self._grammar.TokenizerInfo.from_huggingface(
            self._model.tokenizer, vocab_size=size, stop_token_ids=self._ends
        )
        return self._grammar.GrammarCompiler(info)


def sampling_processors(prompts: Sequence[Prompt]) -> list[Any]:
    """What makes the greatest score of each row a draw from the softmax at the temperature and `top_p` of prompts."""
    from transformers import TemperatureLogitsWarper, TopPLogitsWarper

    sampling = prompts[0].sampling
    if sampling.temperature == 0:
        return []
    cut = [TopPLogitsWarper(sampling.top_p)] if sampling.top_p < 1 else []
    return [TemperatureLogitsWarper(float(sampling.temperature)), *cut, GumbelNoise(prompts)]


@final
class GumbelNoise:
    """Adds to each row of scores Gumbel noise of its own, so that the greatest sum is a sample of the softmax."""

    def __init__(self, prompts: Sequence[Prompt]) -> None:
        keys = [dumps([prompt.messages, prompt.sampling.seed]).encode() for prompt in prompts]
        self._noise = [torch.Generator().manual_seed(int.from_bytes(sha256(key).digest()[:7], "big")) for key in keys]

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        """Scores (B, vocabulary) -> scores of the same shape."""
        uniform = torch.stack([torch.rand(scores.shape[1:], generator=noise) for noise in self._noise])
        return scores.float() - uniform.log().neg().log().to(scores.device)
