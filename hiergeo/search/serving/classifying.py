"""The HTTP application of a saved classifier: paths of texts, images and embeddings, with what is promised of them."""

import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Annotated, Any, final

import torch
from pydantic import create_model
from torch import Tensor

from hiergeo._core.errors import InputError
from hiergeo._core.version import __version__
from hiergeo.evaluation.classifying import Classifier
from hiergeo.search.serving.answer_schemas import list_of, schema
from hiergeo.search.serving.batching import Batcher, Outcome, Question, outcomes_of
from hiergeo.search.serving.limits import Refused, Settings
from hiergeo.search.serving.metrics import Metrics
from hiergeo.search.serving.wire import Encoded, Models, Query, Strict, check_load, read_queries

if TYPE_CHECKING:
    from fastapi import FastAPI

Rung = schema("Label", label=str, confidence=float)
Placed = schema("Placed", label=str, level=int, path=list_of(Rung))
"""Where a query stops, how many labels of its path that are, and the path down to a leaf."""

Facts = schema(
    "ClassifierHealth",
    **dict.fromkeys(("status", "version", "model", "geometry", "promise"), str),
    **dict.fromkeys(("labels", "levels", "dim"), int),
    alpha=float | None,
    embeds=bool,
    uptime=float,
)


@final
class ClassifierService:
    """A fitted classifier as a service: what its routes share."""

    def __init__(self, classifier: Classifier, settings: Settings, metrics: Metrics | None = None) -> None:
        self.classifier, self.settings, self.metrics = classifier, settings, metrics or Metrics()
        self.started = time.monotonic()
        self.metrics.rows.set(len(classifier.tree_))
        self._batcher: Batcher | None = None

    async def ask(self, queries: Sequence[Query]) -> list[dict[str, Any]]:
        """Where queries belong, embedded together with others that wait; raises HiergeoError."""
        if self._batcher is None:
            raise Refused(503, "the application has not begun: enter service.lifespan in the lifespan around it.")
        return await self._batcher.ask(queries)

    def answer(self, questions: Sequence[Question]) -> list[Outcome]:
        """An outcome for each question; one that fails does not keep the others from their answers."""
        self.metrics.batch.observe(sum(map(len, questions)))
        return outcomes_of(self._together, questions)

    def _together(self, questions: Sequence[Question]) -> list[Outcome]:
        with self.metrics.embedding.time():
            rows = self._embedded([query for question in questions for query in question])
        with self.metrics.sweep.time():
            done = self.classifier.classify(rows)
        names, answers = self.classifier.classes_, []
        for path, sure, level in zip(done.path.tolist(), done.confidence.tolist(), done.level.tolist(), strict=True):
            rungs = [
                {"label": str(names[at]), "confidence": part} for at, part in zip(path, sure, strict=True) if at >= 0
            ]
            label = rungs[level - 1]["label"] if level else ""
            answers.append({"label": label, "level": level, "path": rungs})
        each = iter(answers)
        return [[next(each) for _ in question] for question in questions]

    def _embedded(self, queries: Sequence[Query]) -> Tensor:
        model, rows = self.classifier.model_, torch.zeros(len(queries), self.classifier.model_.dim)
        texts = {at: query for at, query in enumerate(queries) if isinstance(query, str)}
        pictures = {at: query.image for at, query in enumerate(queries) if isinstance(query, Encoded)}
        if (texts or pictures) and not self.settings.embeds:
            raise InputError("this server embeds no texts or images: send embeddings.")
        if pictures and not model.has_images:
            raise InputError(f"{model.name} embeds no images: send texts or embeddings.")
        if texts:
            rows[list(texts)] = model.encode_text(list(texts.values())).float()
        if pictures:
            rows[list(pictures)] = model.encode_image(list(pictures.values()), batch_size=1).float()
        for at, query in enumerate(queries):
            if isinstance(query, Tensor):
                rows[at] = query
        return rows

    def facts(self) -> dict[str, Any]:
        """What the server says of itself."""
        own, settings = self.classifier, self.classifier.settings_
        return {
            "status": "ok",
            "version": __version__,
            "model": own.model_.name,
            "geometry": settings["geometry"],
            "labels": len(own.tree_),
            "levels": own.tree_.depth,
            "alpha": own.promise_.alpha,
            "promise": str(own.promise_),
            "dim": own.model_.dim,
            "embeds": self.settings.embeds,
            "uptime": round(time.monotonic() - self.started, 3),
        }

    @asynccontextmanager
    async def lifespan(self, _: object) -> AsyncIterator[None]:
        """Run the queue, and finish what is in flight; an application that mounts this one enters it in its own."""
        self._batcher = Batcher(self.answer, self.settings, self.metrics)
        async with self._batcher.running():
            yield


def create_classifier_app(classifier: Classifier, settings: Settings | None = None) -> "FastAPI":
    """The application that serves a fitted classifier; `app.state.service` is its `ClassifierService`.

    Raises UnavailableError where fastapi, uvicorn or prometheus-client is not installed.
    """
    service = ClassifierService(classifier, settings or Settings())
    from fastapi import Body
    from fastapi import Query as Parameters
    from starlette.requests import Request
    from starlette.responses import JSONResponse, Response

    from hiergeo.search.serving.application import application
    from hiergeo.search.serving.routes import Route, unless_gone

    limits, dim = service.settings.limits, classifier.model_.dim
    models = Models(limits)
    one_model: Any = create_model("classify_q", __base__=Strict, q=models.text)
    many_model: Any = create_model("classify_queries", __base__=Strict, queries=models.queries)

    async def one(request: Request, values: Annotated[one_model, Parameters()]) -> Response:
        return JSONResponse((await unless_gone(request, service.ask([values.q])))[0])

    async def many(request: Request, values: Annotated[many_model, Body()]) -> Response:
        queries = read_queries(values.queries, "queries", dim, limits)
        check_load(limits, queries)
        return JSONResponse({"answers": await unless_gone(request, service.ask(queries))})

    about = "Where a query belongs in the tree of labels, down to the level that can be believed."
    several = schema("Answers", answers=list_of(Placed))
    routes = [
        Route("GET", "/api/classify", one, about, answer=Placed),
        Route("POST", "/api/classify", many, f"{about} Several queries.", answer=several),
    ]
    app = application(
        "hiergeo classifier", routes, service.settings, service.metrics, service.facts, Facts, service.lifespan
    )
    app.state.service = service
    return app
