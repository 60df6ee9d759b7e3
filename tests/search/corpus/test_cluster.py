"""Inputs over a cluster: what a double of Ray is asked for, and what its actors give back."""

from types import SimpleNamespace
from typing import Any

import pytest

from hiergeo._core import extras
from hiergeo._core.errors import InputError, UnavailableError
from hiergeo._core.jobs import Outcome
from hiergeo.search.corpus import cluster
from hiergeo.search.corpus.records import Done
from hiergeo.search.corpus.work import Corpus


class RayError(Exception):
    cause = None


def done(number: int) -> Done:
    return Done(number, items=2, rows=10 + number, poisoned=0, complete=True, seconds=0.5, shards=())


class Ray:
    """A cluster that embeds nothing: answers of inputs by number, the newest of those in hand first."""

    exceptions = SimpleNamespace(RayError=RayError)

    def __init__(self, answers: dict, resources: dict, running: bool = True) -> None:
        self.answers, self.resources, self.running = answers, resources, running
        self.wanted, self.most = None, 0
        self.actors: list[Any] = []
        self.events: list[Any] = []

    def is_initialized(self) -> bool:
        return self.running

    def init(self, **_) -> None:
        self.events.append("init")

    def shutdown(self) -> None:
        self.events.append("shutdown")

    def cluster_resources(self) -> dict:
        return self.resources

    def remote(self, **wanted):
        self.wanted = wanted
        return lambda kind: SimpleNamespace(remote=self.make)

    def make(self, *settings):
        self.actors.append(settings)
        return SimpleNamespace(embed=SimpleNamespace(remote=lambda number: number))

    def wait(self, busy, num_returns):
        assert num_returns == 1
        self.most = max(self.most, len(busy))
        return [busy[-1]], busy[:-1]

    def get(self, number):
        answer = self.answers[number]
        if isinstance(answer, RayError):
            raise answer
        return answer


def spread(monkeypatch, tmp_path, ray, numbers, device="cpu", progress=lambda rows: None):
    monkeypatch.setattr(extras, "require", lambda *_: ray)
    corpus = Corpus(tmp_path / "out", tmp_path / "base", None)
    return list(cluster.spread(corpus, numbers, "tiny", device, 7, progress))


def test_every_input_comes_back_once_as_what_became_of_it(monkeypatch, tmp_path):
    answers = {number: Outcome(number, done(number)) for number in range(3)}
    answers |= {3: Outcome(3, failure="broken."), 4: Outcome(4, done(4), earlier=True)}
    ray, counted = Ray(answers, {"CPU": 2.0, "GPU": 1.0}), []
    found = spread(monkeypatch, tmp_path, ray, range(5), progress=counted.append)
    assert sorted(found, key=lambda outcome: outcome.number) == list(answers.values())
    assert sorted(counted) == [10, 11, 12]
    assert ray.most == len(ray.actors) == 2
    assert ray.actors[0] == (str(tmp_path / "out"), str(tmp_path / "base"), "tiny", "cpu", 7)
    assert (ray.wanted["num_cpus"], ray.wanted["num_gpus"]) == (1, 0)
    assert ray.events == []


@pytest.mark.parametrize(
    ("device", "resources", "actors", "gpus"),
    [("auto", {"CPU": 8.0, "GPU": 3.0}, 3, 1), ("cpu", {"CPU": 4.0, "GPU": 3.0}, 4, 0), ("auto", {"CPU": 9.0}, 5, 0)],
)
def test_there_is_an_actor_for_each_gpu_or_cpu_and_none_too_many(
    monkeypatch, tmp_path, device, resources, actors, gpus
):
    ray = Ray({number: Outcome(number, done(number)) for number in range(5)}, resources)
    assert len(spread(monkeypatch, tmp_path, ray, range(5), device)) == 5
    assert (len(ray.actors), ray.wanted["num_gpus"]) == (actors, gpus)


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (InputError("too many."), InputError),
        (UnavailableError("full."), UnavailableError),
        (RayError("died"), UnavailableError),
    ],
)
def test_what_stops_an_actor_stops_the_run_and_a_cluster_of_its_own(monkeypatch, tmp_path, answer, kind):
    ray = Ray({0: answer}, {"CPU": 1.0}, running=False)
    with pytest.raises(kind):
        spread(monkeypatch, tmp_path, ray, [0])
    assert ray.events == ["init", "shutdown"]


def test_an_error_of_hiergeo_inside_an_actor_is_raised_as_itself(monkeypatch, tmp_path):
    error = RayError("task failed")
    error.cause = InputError("another model.")
    with pytest.raises(InputError, match=r"another model\."):
        spread(monkeypatch, tmp_path, Ray({0: error}, {}), [0])


def test_no_inputs_need_no_cluster(monkeypatch, tmp_path):
    ray = Ray({}, {}, running=False)
    assert spread(monkeypatch, tmp_path, ray, []) == []
    assert ray.events == []
