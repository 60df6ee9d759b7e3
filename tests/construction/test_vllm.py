"""Calls of vLLM and Ray Data LLM, neither of which runs here, against doubles that check the shape of what they get."""

import json
import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from hiergeo._core.errors import InputError, UnavailableError
from hiergeo.construction.backends.language_model import ray_backend, vllm_backend

CAPTIONS = ["a brown dog runs", "a cat sleeps", "three men ride boats"]


def written(messages: list[dict[str, str]], schema: Any) -> str:
    """An answer that fits the schema and is about the caption."""
    assert [each["role"] for each in messages] == ["system", "user"]
    caption = json.loads(messages[1]["content"])["caption"]
    names = (json.loads(schema) if isinstance(schema, str) else schema)["required"]
    return json.dumps({name: caption if name == "caption" else f"{name} of {caption}" for name in names})


def double_of_vllm(old: bool = False) -> Any:
    vllm: Any = ModuleType("vllm")
    parameters = SimpleNamespace()
    name = "GuidedDecodingParams" if old else "StructuredOutputsParams"
    setattr(parameters, name, lambda *, json: SimpleNamespace(json=json))
    field = "guided_decoding" if old else "structured_outputs"

    def sampling_params(**told: Any) -> Any:
        assert set(told) == {"temperature", "top_p", "max_tokens", "seed", field}
        return SimpleNamespace(schema=told[field].json, max_tokens=told["max_tokens"])

    class LLM:
        made = 0

        def __init__(self, *, model: str, **arguments: Any) -> None:
            assert (model, arguments) == ("org/model", {"tensor_parallel_size": 2})
            LLM.made += 1

        def chat(self, messages: Any, sampling_params: Any, *, use_tqdm: bool, chat_template_kwargs: Any) -> Any:
            assert len(messages) == len(sampling_params) <= 2
            assert not use_tqdm
            outputs = []
            for told, params in zip(messages, sampling_params, strict=True):
                if "too long" in told[1]["content"]:
                    raise ValueError("the prompt is longer than the context")
                text = written(told, params.schema)
                finish = "length" if "cut" in text else "stop"
                completion = SimpleNamespace(text=text, finish_reason=finish, token_ids=[1] * 10)
                outputs.append(SimpleNamespace(outputs=[completion], prompt_token_ids=[1] * 50))
            return outputs

    vllm.LLM, vllm.SamplingParams, vllm.sampling_params = LLM, sampling_params, parameters
    return vllm


@pytest.mark.parametrize("old", [False, True])
def test_vllm_is_called_as_documented(monkeypatch: pytest.MonkeyPatch, old: bool) -> None:
    double = double_of_vllm(old)
    monkeypatch.setitem(sys.modules, "vllm", double)
    backend = vllm_backend("org/model", engine='{"tensor_parallel_size": 2}', at_once=2, retries=0)
    made = backend.generalise([*CAPTIONS, "too long", "cut short"], 3)
    assert [each.candidates[0][1] for each in made[:3]] == [f"positive_2 of {caption}" for caption in CAPTIONS]
    assert [each.reason for each in made[3:]] == ["refused by the model", "truncated answer"]
    assert (double.LLM.made, backend.usage()["prompt_tokens"]) == (1, 200)
    for wrong in ("[]", '{"model": "x"}', "{"):
        with pytest.raises(InputError, match="engine"):
            vllm_backend("org/model", engine=wrong)


def double_of_ray(old: bool, lost: int = 0) -> tuple[Any, Any]:
    """Rows go through it as through Arrow: those of a data set have the same columns, also those that failed."""
    data: Any = ModuleType("ray.data")
    llm: Any = ModuleType("ray.data.llm")

    class Dataset(list):  # type: ignore[type-arg]
        def iter_rows(self) -> Any:
            return iter(self)

    data.from_items = lambda rows: Dataset(json.loads(json.dumps(rows)))
    form = "guided_decoding" if old else "structured_outputs"

    def config(**told: Any) -> Any:
        assert set(told) == {"model_source", "engine_kwargs", "concurrency", "batch_size", "should_continue_on_error"}
        return SimpleNamespace(**told)

    def build(config: Any, *, preprocess: Any, postprocess: Any) -> Any:
        assert (config.model_source, config.concurrency) == ("org/model", 4)

        def process(rows: Dataset) -> Dataset:
            assert len({str(sorted(row)) for row in rows}) == 1
            done = Dataset()
            for row in map(preprocess, rows):
                sampling = row["sampling_params"]
                assert set(sampling) == {"temperature", "top_p", "max_tokens", "seed", form}
                empty = {"generated_text": "", "num_input_tokens": 0, "num_generated_tokens": 0}
                if "too long" in row["messages"][1]["content"]:
                    done.append({**row, **empty, "__inference_error__": "ValueError: too long"})
                    continue
                text = written(row["messages"], sampling[form]["json"])
                count = sampling["max_tokens"] if "cut" in text else 10
                told = {"generated_text": text, "num_input_tokens": 50, "num_generated_tokens": count}
                done.append(postprocess({**row, **told, "__inference_error__": ""}))
            return Dataset(done[::-1][lost:])

        return process

    llm.vLLMEngineProcessorConfig = config
    setattr(llm, "build_llm_processor" if old else "build_processor", build)
    return data, llm


@pytest.mark.parametrize("old", [False, True])
def test_ray_data_llm_is_called_as_documented(monkeypatch: pytest.MonkeyPatch, old: bool) -> None:
    for name, module in zip(("ray.data", "ray.data.llm"), double_of_ray(old), strict=True):
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.setitem(sys.modules, "ray", ModuleType("ray"))
    backend = ray_backend("org/model", replicas=4, retries=0)
    made = backend.generalise([*CAPTIONS, "too long", "cut short"], 3)
    assert [each.candidates[0][0] for each in made[:3]] == [f"positive_1 of {caption}" for caption in CAPTIONS]
    assert [each.reason for each in made[3:]] == ["refused by the model", "truncated answer"]


def test_rows_that_a_cluster_loses_are_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, module in zip(("ray.data", "ray.data.llm"), double_of_ray(False, lost=1), strict=True):
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.setitem(sys.modules, "ray", ModuleType("ray"))
    with pytest.raises(UnavailableError, match="1 prompt"):
        ray_backend("org/model", replicas=4).generalise(CAPTIONS, 3)
