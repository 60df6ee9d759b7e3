"""Documents that nobody vouches for: what is read is right, or refused in a sentence about its first fault."""

import json
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import pytest
from pydantic import Field

from hiergeo._core import limits
from hiergeo._core.errors import InputError
from hiergeo._core.storage import documents
from hiergeo._core.storage.documents import STRICT


@dataclass(frozen=True)
class Document:
    __pydantic_config__ = STRICT

    name: str
    steps: tuple[float, ...]
    width: Annotated[int, Field(ge=0, le=9)] = 0
    on: bool | None = None


def test_of_several_faults_the_first_is_named_and_the_nearest_name_suggested() -> None:
    with pytest.raises(ValueError, match=r"widht.*'width'"):
        documents.validated(Document, {"name": "a", "steps": [], "widht": 3, "zzzzzz": "a"})


VALUES = {"name": "Ä", "steps": [0.1, 2], "width": 3, "on": None}


def read(path: Path, **options: Any) -> dict[str, Any]:
    held = asdict(documents.read(path, Document, **options))
    return held | {"steps": list(held["steps"])}


@pytest.mark.parametrize(
    "text",
    [
        '{"name": "a"}',
        '{"name": "\\ud800", "steps": []}',
        '{"name": null, "steps": []}',
        '{"name": "a", "name": "a", "steps": []}',
        '{"name": "a", "steps": [NaN]}',
        '{"name": "a", "steps": [Infinity]}',
        '{"name": "a", "steps": [1e999]}',
        '{"name": "a", "steps": [true]}',
        '{"name": "a", "steps": {}}',
        '{"name": "a", "steps": [], "width": 10}',
        '{"name": "a", "steps": [], "width": 3.0}',
        '{"name": "a", "steps": [], "width": ' + "9" * 5000 + "}",
        '{"name": "a", "steps": [], "on": 1}',
        '{"name": "a", "steps": [], "more": 1}',
        '{"name": "a", "steps": ' + "[" * 100_000 + "]" * 100_000 + "}",
        '{"name": "a", "steps": ' + "[" * 40 + "]" * 40 + "}",
        "[]",
        "",
        "\ufeff{}",
    ],
)
def test_json_that_does_not_fit_is_refused(tmp_path, text):
    (tmp_path / "a.json").write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=r"a\.json"):
        documents.read(tmp_path / "a.json", Document)


def test_a_changed_byte_of_json_is_refused_or_without_effect(tmp_path):
    path = tmp_path / "a.json"
    documents.write(path, VALUES)
    assert read(path, hashed=True) == VALUES
    content = path.read_bytes()
    for place, byte in enumerate(content):
        for changed in {byte ^ 1, byte ^ 2, ord(" "), ord("9")} - {byte}:
            path.write_bytes(content[:place] + bytes([changed]) + content[place + 1 :])
            with suppress(InputError):
                assert read(path, hashed=True) == VALUES, (place, changed)
    path.write_text(json.dumps(VALUES))
    assert read(path) == VALUES
    with pytest.raises(InputError, match="altered"):
        documents.read(path, Document, hashed=True)


def test_json_whose_values_are_not_those_of_its_hash_is_refused(tmp_path):
    path = tmp_path / "a.json"
    documents.write(path, VALUES)
    held = json.loads(path.read_text())
    path.write_text(json.dumps({**held, "width": 4}))
    with pytest.raises(InputError, match=r"a\.json"):
        documents.read(path, Document)
    path.write_text(json.dumps(dict(reversed(held.items()))))
    assert read(path) == VALUES


def test_json_of_any_size_is_refused_unread(tmp_path, monkeypatch):
    documents.write(tmp_path / "a.json", VALUES)
    monkeypatch.setattr(limits, "JSON_BYTES", 20)
    with pytest.raises(InputError, match="longer"):
        documents.read(tmp_path / "a.json", Document)
    with pytest.raises(InputError, match="cannot read"):
        documents.read(tmp_path, Document)


def nested(levels: int) -> bytes:
    return b"[" * levels + b"1" + b"]" * levels


def test_json_may_be_as_deep_and_its_numbers_as_long_as_the_limits_say():
    assert documents.parse_json(nested(limits.JSON_DEPTH))
    assert documents.parse_json(b"[-123, 123]", digits=3) == [-123, 123]
    for content in (nested(limits.JSON_DEPTH + 1), b"[1234]", b"[-1234]"):
        with pytest.raises(ValueError):  # noqa: PT011 - of json or of a limit
            documents.parse_json(content, digits=3)
