"""The document of the interface, OpenAPI 3.1, made from the parameters that requests are checked against."""

import types
from collections.abc import Sequence
from dataclasses import fields, is_dataclass
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from hiergeo._version import __version__
from hiergeo.search import Answer, Climb
from hiergeo.search.serving.limits import Settings
from hiergeo.search.serving.requests import FORM, JSON, VERBS, Requests, Verb
from hiergeo.search.serving.values import Parameter

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
    if settings.writable:
        about = "Add items; they are durable when the answer comes."
        add = operation("add", about, object_schema((), **dict.fromkeys(("added", "rows", "generation"), COUNTED)))
        add["requestBody"] = request_body({JSON: object_schema(requests.addition)})
        paths["/api/add"] = {"post": add}
    return framed("hiergeo", paths, HEALTH, settings)


def framed(title: str, paths: dict[str, Any], health: dict[str, Any], settings: Settings) -> dict[str, Any]:
    """A document of the paths of a server and of those that every server has.

    Args:
        title: of the interface.
        paths: of the server alone.
        health: schema of what it says of its health.
        settings: of the server.
    """
    about = operation("health", "Whether the server is up, and what it serves.", health) | {"security": []}
    metrics = operation("metrics", "Metrics in the text format of Prometheus.", {})
    text = {"description": "The metrics.", "content": {"text/plain": {"schema": {"type": "string"}}}}
    metrics["responses"] |= {"200": text}
    shared = {
        "/api/health": {"get": about},
        "/api/openapi.json": {"get": operation("openapi", "This document.", {})},
        "/metrics": {"get": metrics},
    }
    error = object_schema((), error={"type": "string"}, field=nullable("string"))
    held: dict[str, Any] = {
        "openapi": "3.1.0",
        "info": {"title": title, "version": __version__},
        "paths": paths | shared,
        "components": {"schemas": {"Error": error}},
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
    get = operation(f"get_{verb}", about, answer)
    get["parameters"] = query_parameters((requests.q, *settings))
    post = operation(
        f"post_{verb}", f"{about} Several queries.", object_schema((), answers={"type": "array", "items": answer})
    )
    image = {"type": "string", "contentMediaType": "application/octet-stream"}
    form = object_schema(in_query(settings), image=image)
    post["requestBody"] = request_body({JSON: object_schema((requests.queries, *settings)), FORM: form})
    return {"get": get, "post": post}


def query_parameters(parameters: Sequence[Parameter]) -> list[dict[str, Any]]:
    """The parameters of a query string."""
    return [
        {
            "name": each.name,
            "in": "query",
            "required": each.required,
            "description": each.about,
            "schema": each.schema(),
        }
        for each in in_query(parameters)
    ]


def in_query(parameters: Sequence[Parameter]) -> list[Parameter]:
    """Parameters as a query string spells them, where nothing is null."""
    return [
        Parameter(each.name, getattr(each.kind, "kind", each.kind), each.about, each.default, each.required)
        for each in parameters
    ]


def operation(name: str, about: str, answer: dict[str, Any]) -> dict[str, Any]:
    """One operation that answers in JSON, by its name, a sentence about it and the schema of its answer."""
    content = {JSON: {"schema": answer or {"type": "object"}}}
    return {
        "operationId": name,
        "summary": about,
        "responses": {"200": {"description": "The answer.", "content": content}, **_refusals()},
    }


def _refusals() -> dict[str, Any]:
    content = {JSON: {"schema": {"$ref": "#/components/schemas/Error"}}}
    return {status: {"description": about, "content": content} for status, about in REFUSALS.items()}


def request_body(schemas: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """A body of one of several types, each with its schema."""
    return {"required": True, "content": {media: {"schema": schema} for media, schema in schemas.items()}}


def object_schema(parameters: Sequence[Parameter], **always: dict[str, Any]) -> dict[str, Any]:
    """An object of parameters, and of properties that are always there."""
    described = {each.name: each.schema() | {"description": each.about} for each in parameters}
    required = [*always, *(each.name for each in parameters if each.required)]
    held = {"type": "object", "properties": described | always, "additionalProperties": False}
    return held | ({"required": required} if required else {})


def nullable(name: str) -> dict[str, Any]:
    """A type of JSON, or null."""
    return {"type": [name, "null"]}
