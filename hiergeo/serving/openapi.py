"""The document of the interface, OpenAPI 3.1, made from the parameters that requests are checked against."""

import types
from collections.abc import Sequence
from dataclasses import fields, is_dataclass
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from hiergeo._version import __version__
from hiergeo.search import Answer, Climb
from hiergeo.serving.limits import Settings
from hiergeo.serving.requests import FORM, JSON, VERBS, Requests, Verb
from hiergeo.serving.values import Parameter

PLAIN: dict[Any, dict[str, Any]] = {
    int: {"type": "integer"},
    bool: {"type": "boolean"},
    str: {"type": "string"},
    float: {"type": ["number", "null"]},
    type(None): {"type": "null"},
}

REFUSALS = {
    "400": "A parameter is unknown, missing or does not fit.",
    "401": "The token is missing or wrong.",
    "403": "The server is read-only.",
    "405": "The path takes other methods.",
    "408": "The body did not arrive in time.",
    "413": "The body or an image is too large.",
    "415": "The body is of another type.",
    "422": "The request asks for too much.",
    "500": "An error that nobody foresaw.",
    "503": "The server is busy or something that it needs is away; Retry-After says when to try again.",
    "504": "The answer took too long.",
}

COUNTED = {"type": "integer", "minimum": 0}

HEALTH = {
    "type": "object",
    "properties": {
        "status": {"const": "ok"},
        "version": {"type": "string"},
        "rows": COUNTED,
        "generation": COUNTED,
        "model": {"type": ["string", "null"]},
        "dim": COUNTED,
        "geometry": {"type": "string"},
        "embeds": {"type": "boolean"},
        "writable": {"type": "boolean"},
        "uptime": {"type": "number", "minimum": 0},
    },
    "required": ["status"],
    "additionalProperties": False,
}
"""Without the token, the status alone."""

COUNT = {
    "type": "object",
    "properties": {"count": COUNTED},
    "required": ["count"],
    "additionalProperties": False,
}


def document(requests: Requests, settings: Settings) -> dict[str, Any]:
    """The OpenAPI document of one server."""
    paths: dict[str, Any] = {f"/api/{verb}": _asked(requests, verb, about) for verb, about in VERBS.items()}
    paths["/api/health"] = {"get": _operation("health", "Whether the server is up, and what it serves.", HEALTH)}
    paths["/api/health"]["get"]["security"] = []
    paths["/api/openapi.json"] = {"get": _operation("openapi", "This document.", {})}
    text = {"200": {"description": "The metrics.", "content": {"text/plain": {"schema": {"type": "string"}}}}}
    paths["/metrics"] = {"get": _operation("metrics", "Metrics in the text format of Prometheus.", {})}
    paths["/metrics"]["get"]["responses"] |= text
    if settings.writable:
        about = "Add items; they are durable when the answer comes."
        add = _operation("add", about, _object((), **dict.fromkeys(("added", "rows", "generation"), COUNTED)))
        add["requestBody"] = _body({JSON: _object(requests.addition)})
        paths["/api/add"] = {"post": add}
    held: dict[str, Any] = {
        "openapi": "3.1.0",
        "info": {"title": "hiergeo", "version": __version__},
        "paths": paths,
        "components": {"schemas": {"Error": _object((), error={"type": "string"}, field=_nullable("string"))}},
    }
    if settings.token is not None:
        held["components"]["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
        held["security"] = [{"token": []}]
    return held


def schema_of(kind: Any) -> dict[str, Any]:
    """The JSON schema of a type of answers: dataclasses, tuples, unions, literals and plain types."""
    if is_dataclass(kind):
        hints = get_type_hints(kind)
        properties = {each.name: schema_of(hints[each.name]) for each in fields(kind)}
        return {
            "type": "object",
            "properties": properties,
            "required": list(properties),
            "additionalProperties": False,
        }
    origin = get_origin(kind)
    if origin is tuple:
        return {"type": "array", "items": schema_of(get_args(kind)[0])}
    if origin is Literal:
        return {"enum": list(get_args(kind))}
    if origin in (Union, types.UnionType):
        return {"anyOf": [schema_of(each) for each in get_args(kind)]}
    return PLAIN[kind]


def _asked(requests: Requests, verb: Verb, about: str) -> dict[str, Any]:
    answer = COUNT if verb == "count" else schema_of(Climb if verb == "ladder" else Answer)
    settings = requests.settings[verb]
    get = _operation(f"get_{verb}", about, answer)
    get["parameters"] = [
        {
            "name": each.name,
            "in": "query",
            "required": each.required,
            "description": each.about,
            "schema": each.schema(),
        }
        for each in _written((requests.q, *settings))
    ]
    post = _operation(
        f"post_{verb}", f"{about} Several queries.", _object((), answers={"type": "array", "items": answer})
    )
    image = {"type": "string", "contentMediaType": "application/octet-stream"}
    form = _object(_written(settings), image=image)
    post["requestBody"] = _body({JSON: _object((requests.queries, *settings)), FORM: form})
    return {"get": get, "post": post}


def _written(parameters: Sequence[Parameter]) -> list[Parameter]:
    """Parameters as a query string spells them, where nothing is null."""
    return [
        Parameter(each.name, getattr(each.kind, "kind", each.kind), each.about, each.default, each.required)
        for each in parameters
    ]


def _operation(name: str, about: str, answer: dict[str, Any]) -> dict[str, Any]:
    content = {JSON: {"schema": answer or {"type": "object"}}}
    return {
        "operationId": name,
        "summary": about,
        "responses": {"200": {"description": "The answer.", "content": content}, **_refusals()},
    }


def _refusals() -> dict[str, Any]:
    content = {JSON: {"schema": {"$ref": "#/components/schemas/Error"}}}
    return {status: {"description": about, "content": content} for status, about in REFUSALS.items()}


def _body(schemas: dict[str, dict[str, Any]]) -> dict[str, Any]:
    return {"required": True, "content": {media: {"schema": schema} for media, schema in schemas.items()}}


def _object(parameters: Sequence[Parameter], **always: dict[str, Any]) -> dict[str, Any]:
    """An object of parameters, and of properties that are always there."""
    described = {each.name: each.schema() | {"description": each.about} for each in parameters}
    required = [*always, *(each.name for each in parameters if each.required)]
    held = {"type": "object", "properties": described | always, "additionalProperties": False}
    return held | ({"required": required} if required else {})


def _nullable(name: str) -> dict[str, Any]:
    return {"type": [name, "null"]}
