"""Batches by vLLM: in this process, and on a cluster by Ray Data LLM.

Both follow the documented interfaces of vLLM 0.33 and Ray 2.60, and the names that these had before.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from json import dumps
from typing import Any, final

from hiergeo._core import extras
from hiergeo._core.errors import InputError, UnavailableError, check_whole, reason
from hiergeo._core.storage.documents import Schema, Text, Whole, parse_json
from hiergeo.construction.engines.base import REFUSED, STOPPED, TRUNCATED, Engine, Prompt, Reply

OPTIONS: Mapping[str, Schema] = {"engine": Text(), "at_once": Whole(1, 1 << 20)}
"""Options of `VLLMEngine`."""

RAY_OPTIONS: Mapping[str, Schema] = {"engine": Text(), "replicas": Whole(1, 4096), "batch_size": Whole(1, 1 << 16)}
"""Options of `RayEngine`."""


@final
class VLLMEngine(Engine):
    """A model that vLLM runs in this process, on its GPUs.

    Args:
        model: a folder, or a name on the hub.
        engine: arguments of ``vllm.LLM``, a JSON object such as ``{"tensor_parallel_size": 2}``.
        at_once: prompts that are handed to vLLM together; what was answered is kept after each lot.

    Raises:
        InputError: an option that cannot be used.
        UnavailableError: vLLM is not installed.
    """

    name = "vllm"

    def __init__(self, model: str, *, engine: str = "{}", at_once: int = 1024) -> None:
        check_whole("at_once", at_once, 1, 1 << 20)
        self._arguments = _arguments(model, engine)
        self._vllm: Any = extras.require("vllm", "the backend vllm")
        self._model, self._at_once = model, at_once

    @property
    def identity(self) -> dict[str, Any]:
        return {"model": self._model, "arguments": self._arguments}

    def generate(self, prompts: Sequence[Prompt]) -> Iterator[tuple[int, Reply]]:
        for start in range(0, len(prompts), self._at_once):
            yield from enumerate(self._replies(prompts[start : start + self._at_once]), start)

    def close(self) -> None:
        self.__dict__.pop("_llm", None)

    def _replies(self, prompts: Sequence[Prompt]) -> list[Reply]:
        """What is answered; prompts that vLLM refuses, such as those longer than its context, are found one by one."""
        try:
            outputs = self._llm.chat(
                [prompt.messages for prompt in prompts],
                [self._sampling(prompt) for prompt in prompts],
                use_tqdm=False,
                chat_template_kwargs={"enable_thinking": False},
            )
        except ValueError as error:
            if len(prompts) == 1:
                return [Reply(reason(error), REFUSED)]
            return [reply for prompt in prompts for reply in self._replies([prompt])]
        return list(map(_reply, outputs))

    def _sampling(self, prompt: Prompt) -> Any:
        parameters = self._vllm.sampling_params
        told = dict(vars(prompt.sampling))
        if hasattr(parameters, "StructuredOutputsParams"):
            told["structured_outputs"] = parameters.StructuredOutputsParams(json=prompt.schema)
        else:
            told["guided_decoding"] = parameters.GuidedDecodingParams(json=prompt.schema)
        return self._vllm.SamplingParams(**told)

    @cached_property
    def _llm(self) -> Any:
        try:
            return self._vllm.LLM(model=self._model, **self._arguments)
        except Exception as error:  # vLLM, torch and the hub each raise their own
            raise UnavailableError(f"vLLM cannot run '{self._model}': {reason(error)}.") from error


@final
class RayEngine(Engine):
    """A model that Ray Data LLM runs by vLLM on a cluster; a running one is joined (``RAY_ADDRESS``).

    All prompts of a call are one data set, for which replicas of the model are started: shards should be large.

    Args:
        model: a name on the hub, or a folder at the same path on every machine.
        engine: arguments of vLLM, a JSON object.
        replicas: of the model.
        batch_size: prompts that a replica takes at a time.

    Raises:
        InputError: an option that cannot be used.
        UnavailableError: Ray is not installed.
    """

    name = "ray"

    def __init__(self, model: str, *, engine: str = "{}", replicas: int = 1, batch_size: int = 64) -> None:
        check_whole("replicas", replicas, 1, 4096)
        check_whole("batch_size", batch_size, 1, 1 << 16)
        self._arguments = _arguments(model, engine)
        self._data: Any = extras.require("ray.data", "the backend ray")
        self._llm: Any = extras.require("ray.data.llm", "the backend ray")
        self._model, self._replicas, self._batch_size = model, replicas, batch_size

    @property
    def identity(self) -> dict[str, Any]:
        return {"model": self._model, "arguments": self._arguments}

    def generate(self, prompts: Sequence[Prompt]) -> Iterator[tuple[int, Reply]]:
        left = set(range(len(prompts)))
        try:
            for row in self._processor(self._data.from_items(self._rows(prompts))).iter_rows():
                left.discard(row["index"])
                yield row["index"], _ray_reply(row)
        except Exception as error:  # Ray raises errors of its own and those of its workers
            raise UnavailableError(f"the cluster stopped: {reason(error)}; start the same command again.") from error
        if left:
            raise UnavailableError(f"the cluster left {len(left)} prompts unanswered: start the same command again.")

    def _rows(self, prompts: Sequence[Prompt]) -> list[dict[str, Any]]:
        """Prompts as rows of one kind: a schema is text, since columns of Arrow have the same keys in every row."""
        form = "structured_outputs" if hasattr(self._llm, "build_processor") else "guided_decoding"
        return [
            {
                "index": index,
                "messages": prompt.messages,
                "sampling_params": {**vars(prompt.sampling), form: {"json": dumps(prompt.schema)}},
                "most": prompt.sampling.max_tokens,
            }
            for index, prompt in enumerate(prompts)
        ]

    @cached_property
    def _processor(self) -> Any:
        build = getattr(self._llm, "build_processor", None) or self._llm.build_llm_processor
        config = self._llm.vLLMEngineProcessorConfig(
            model_source=self._model,
            engine_kwargs=self._arguments,
            concurrency=self._replicas,
            batch_size=self._batch_size,
            should_continue_on_error=True,
        )
        return build(config, preprocess=_asked, postprocess=_answered)


def _arguments(model: str, engine: str) -> dict[str, Any]:
    if not model.strip():
        raise InputError("name the model: vllm:ORG/NAME or vllm:FOLDER.")
    try:
        told = parse_json(engine.encode())
    except ValueError:
        told = None
    if not isinstance(told, dict) or "model" in told:
        raise InputError("engine must be a JSON object of arguments of vLLM, such as '{\"tensor_parallel_size\": 2}'.")
    return told


def _reply(output: Any) -> Reply:
    """The reply in a ``RequestOutput`` of vLLM."""
    written = output.outputs[0]
    finish = TRUNCATED if written.finish_reason == "length" else STOPPED
    return Reply(written.text, finish, len(output.prompt_token_ids or ()), len(written.token_ids))


def _asked(row: dict[str, Any]) -> dict[str, Any]:
    """What Ray Data LLM reads of a row; the columns that it does not know are carried along."""
    return dict(row)


def _answered(row: dict[str, Any]) -> dict[str, Any]:
    """What is kept of a row that Ray Data LLM answered."""
    kept = ("index", "most", "generated_text", "num_input_tokens", "num_generated_tokens")
    return {name: row[name] for name in kept}


def _ray_reply(row: Mapping[str, Any]) -> Reply:
    """The reply in a row: an answer, or what went wrong with it. Ray tells no reason of an end, but counts tokens."""
    failure = row.get("__inference_error__")
    if failure:
        return Reply(str(failure), REFUSED)
    read, written = int(row["num_input_tokens"]), int(row["num_generated_tokens"])
    return Reply(row["generated_text"], TRUNCATED if written >= row["most"] else STOPPED, read, written)
