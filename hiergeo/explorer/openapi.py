"""The document of the explorer's interface, OpenAPI 3.1, made from the parameters that requests are checked against."""

from typing import Any

from hiergeo.explorer.questions import ITEM, Questions
from hiergeo.search import Recall
from hiergeo.serving.limits import Settings
from hiergeo.serving.openapi import (
    COUNTED,
    framed,
    nullable,
    object_schema,
    operation,
    query_parameters,
    request_body,
    schema_of,
)
from hiergeo.serving.requests import FORM, JSON, VERBS, Verb

ID = {"type": "string", "pattern": "^[0-9]{1,19}$"}
NUMBER = nullable("number")

NAMED: dict[str, Any] = {
    "id": ID,
    "caption": nullable("string"),
    "image": {"type": "boolean"},
    "tier": nullable("integer"),
}
HIT = object_schema((), **NAMED, **dict.fromkeys(("radius", "margin", "angle", "distance"), NUMBER))

TOLD: dict[str, Any] = {
    "query": object_schema((), kind={"enum": ["text", "item", "image", "embedding"]}, radius=NUMBER)
}

HEALTH = {
    "type": "object",
    "properties": {
        "status": {"const": "ok"},
        "version": {"type": "string"},
        "items": COUNTED,
        "lenses": COUNTED,
        "uptime": {"type": "number", "minimum": 0},
    },
    "required": ["status"],
    "additionalProperties": False,
}
"""Without the token, the status alone."""


def document(questions: Questions, settings: Settings) -> dict[str, Any]:
    """The OpenAPI document of one explorer."""
    paths: dict[str, Any] = {f"/api/{verb}": _asked(questions, verb, about) for verb, about in VERBS.items()}
    return framed("hiergeo explorer", paths, HEALTH, settings)


def _asked(questions: Questions, verb: Verb, about: str) -> dict[str, Any]:
    answer = answer_schema(verb)
    get = operation(f"get_{verb}", about, answer)
    get["parameters"] = query_parameters((questions.q, ITEM, *questions.settings))
    listed = object_schema((), answers={"type": "array", "items": answer})
    post = operation(f"post_{verb}", f"{about} Several queries.", listed)
    image = {"type": "string", "contentMediaType": "application/octet-stream"}
    form = object_schema(questions.settings, image=image)
    queries = questions.queries(str(questions.lens.default))
    post["requestBody"] = request_body({JSON: object_schema((queries, *questions.settings)), FORM: form})
    return {"get": get, "post": post}


def answer_schema(verb: Verb) -> dict[str, Any]:
    """The schema of one answer."""
    if verb == "count":
        return object_schema((), **TOLD, count=COUNTED)
    hits = {"hits": {"type": "array", "items": HIT}}
    rung = object_schema((), **{"from": NUMBER, "to": NUMBER, "hit": HIT})
    found: dict[str, Any] = {"rungs": {"type": "array", "items": rung}} if verb == "ladder" else hits
    trust: dict[str, Any] = {
        "guarantee": {"enum": ["exact", "certified", "approximate"]},
        "scored": COUNTED,
        "rows": COUNTED,
        "recall": {"anyOf": [schema_of(Recall), {"type": "null"}]},
    }
    return object_schema((), **TOLD, **found, **trust)
