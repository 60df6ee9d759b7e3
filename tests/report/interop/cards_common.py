"""What the Hugging Face hub asks of the metadata of a card."""

import math

import yaml
from huggingface_hub import ModelCard
from huggingface_hub.utils import validate_repo_id


def check_card(text: str) -> None:
    """Assert what the hub validates: types of fields, names of repositories, and results with finite numbers."""
    data = ModelCard(text, ignore_metadata_errors=False).data.to_dict()
    front = yaml.safe_load(text.split("---\n")[1])
    assert isinstance(front["library_name"], str)
    assert isinstance(front["tags"], list)
    assert all(isinstance(tag, str) and tag for tag in front["tags"])
    assert len(set(front["tags"])) == len(front["tags"])
    assert front.keys() == data.keys()
    for name in filter(None, [front.get("base_model")]):
        validate_repo_id(name)
    for entry in front.get("model-index", ()):
        assert entry["name"]
        for result in entry["results"]:
            assert result["task"]["type"]
            assert {"type", "name"} <= result["dataset"].keys()
            for metric in result["metrics"]:
                assert isinstance(metric["type"], str)
                assert isinstance(metric["value"], float | int)
                assert math.isfinite(metric["value"])
