"""The document of the explorer's interface, OpenAPI 3.1, made from the parameters that requests are checked against."""

from typing import Any

from hiergeo.report.explorer.questions import ITEM, POLYGON, SIDE, Questions
from hiergeo.search import Recall
from hiergeo.search.serving.limits import Settings
from hiergeo.search.serving.openapi import (
    COUNTED,
    framed,
    nullable,
    object_schema,
    operation,
    query_parameters,
    request_body,
    schema_of,
)
from hiergeo.search.serving.requests import FORM, JSON, VERBS, Verb
from hiergeo.search.serving.values import Parameter

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


ABOUT = {
    "collection": "What is explored: lenses, numbers of items, proposals for a first query.",
    "items": "Items by their ids, with their radius in every lens.",
    "roots": "The items of smallest radius.",
    "find": "The items of smallest radius whose caption contains a text, in any case.",
    "map": "How the map of a lens is drawn, and which tiles it has.",
    "tile": "The items of one tile of a map.",
    "moved": "What differs between two lenses.",
    "audit": "What the space of a lens is like.",
}
"""What is answered to GETs that are no searches, and one sentence about each."""

WHOLE: dict[str, Any] = {"type": "object"}
"""An object whose parts docs/explore.md lists."""

TILE = """Little endian: uint32 count, uint32 0, uint64 ids[count], float32 x[count], float32 y[count],
float32 radius[count], int8 tier[count] (-1 unknown), uint8 kind[count] (0 caption, 1 image)."""


def document(questions: Questions, settings: Settings) -> dict[str, Any]:
    """The OpenAPI document of one explorer."""
    paths: dict[str, Any] = {f"/api/{verb}": _asked(questions, verb, about) for verb, about in VERBS.items()}
    paths |= {f"/api/{name}": {"get": _got(questions, name)} for name in ABOUT}
    paths |= {f"/api/{name}": {"post": held} for name, held in _posted(questions).items()}
    paths["/api/thumbnail/{item}"] = {"get": _thumbnail()}
    page = operation("page", "The page.", {}) | {"security": []}
    page["responses"]["200"] = {"description": "The page.", "content": {"text/html": {"schema": {"type": "string"}}}}
    return framed("hiergeo explorer", paths | {"/": {"get": page}}, HEALTH, settings)


def _got(questions: Questions, name: str) -> dict[str, Any]:
    listed = object_schema((), items={"type": "array", "items": item_schema(NUMBER)})
    radii = {"type": "object", "additionalProperties": NUMBER}
    answers = {"roots": listed, "find": listed}
    answers["items"] = object_schema((), items={"type": "array", "items": item_schema(radii)})
    held = operation(name, ABOUT[name], answers.get(name, WHOLE)) | {
        "parameters": query_parameters(questions.listed.get(name, ()))
    }
    if name == "tile":
        held["responses"]["200"] = _file("application/octet-stream", TILE)
    if name in ("items", "tile"):
        held["responses"] |= _absent()
    if name == "tile":
        held["responses"]["409"] = _error("The map is of another version: ask for /api/map again.")
    return held


def _posted(questions: Questions) -> dict[str, dict[str, Any]]:
    key = str(questions.lens.default)
    pair = object_schema((), **dict.fromkeys(("margin", "angle", "distance", "general", "specific"), NUMBER))
    place = object_schema((), **dict.fromkeys(("x", "y", "radius"), NUMBER))
    found = {"count": COUNTED, "items": {"type": "array", "items": item_schema(NUMBER)}}
    told: dict[str, tuple[str, Parameter, dict[str, Any]]] = {
        "pairs": ("Margin, angle and distance of pairs of queries.", questions.pairs(key), {"pairs": _several(pair)}),
        "places": ("Where queries lie on a map.", questions.queries(key), {"places": _several(place)}),
        "select": ("The items within a polygon on a map, smallest radius first.", POLYGON, found),
    }
    held = {}
    for name, (about, parameter, answer) in told.items():
        held[name] = operation(name, about, object_schema((), **answer))
        held[name]["requestBody"] = request_body({JSON: object_schema((parameter, questions.lens))})
        held[name]["responses"] |= _absent()
    return held


def _thumbnail() -> dict[str, Any]:
    item = {"name": "item", "in": "path", "required": True, "description": "Id of an item.", "schema": ID}
    held = operation("thumbnail", "A small picture of an item.", {})
    held["parameters"] = [item, *query_parameters((SIDE,))]
    held["responses"] |= _absent() | {"200": _file("image/jpeg", "The picture.")}
    return held


def _absent() -> dict[str, Any]:
    return {"404": _error("There is no such item, picture or tile.")}


def _error(about: str) -> dict[str, Any]:
    return {"description": about, "content": {JSON: {"schema": {"$ref": "#/components/schemas/Error"}}}}


def _file(media: str, about: str) -> dict[str, Any]:
    schema = {"type": "string", "contentMediaType": media}
    return {"description": about, "content": {media: {"schema": schema}}}


def _several(schema: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": schema}


def item_schema(radius: dict[str, Any]) -> dict[str, Any]:
    """The schema of an item with its radius."""
    return object_schema((), **NAMED, radius=radius)


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
    for each in (get, post):
        each["responses"] |= _absent()
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
