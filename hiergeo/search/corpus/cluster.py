"""Inputs spread over a cluster by Ray; every machine needs the inputs and the index at the same paths."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeAlias, final

from hiergeo import adapters
from hiergeo._core.errors import HiergeoError, InputError, UnavailableError, described
from hiergeo._core.jobs import Outcome, cluster
from hiergeo.datasets.reading import UnreadableError
from hiergeo.geometry import Space
from hiergeo.search import layout
from hiergeo.search.corpus.embedding import ItemEmbedder
from hiergeo.search.corpus.plan import read_plan
from hiergeo.search.corpus.records import Allowance, Done, jobs_of
from hiergeo.search.corpus.work import Corpus, FileInput, embed_input
from hiergeo.search.rows import Frame

RESTARTS = 10
"""How often an actor is started anew after it died, and an input is tried again."""

Result: TypeAlias = Outcome[Done]


@final
class Actor:
    """A process of the cluster that holds the model and embeds one input after the other, as any worker does."""

    def __init__(self, out: str, base: str, spec: str, device: str, batch_size: int | None) -> None:
        folder = Path(out)
        plan = read_plan(folder)
        assert plan is not None
        self._corpus = Corpus(folder, Path(base), plan)
        model = adapters.load(spec, device=device)
        if plan.model is None or not plan.model.fit(model):
            raise InputError(f"{spec} is another model on this machine: its fingerprint is {model.fingerprint()}.")
        bare = Space(plan.geometry, False)
        dims = Frame.of(bare, model.dim)
        root = layout.read_root(folder, Frame(dims.dims, dims.norm, plan.root_sha256))
        space = bare if root is None else Space(plan.geometry, root, min_radius=plan.min_radius)
        self._embedder = ItemEmbedder(model, space, plan.dtype, plan.items, batch_size)
        self._allowance = Allowance()

    def embed(self, number: int) -> Result | HiergeoError:
        """What became of an input, or what stops the run: an error that every process can read."""

        def work(number: int) -> Done:
            source = FileInput(self._corpus, number, self._embedder)
            return embed_input(self._corpus.out, self._corpus.plan, number, source, self._allowance, lambda _: None)

        try:
            (outcome,) = jobs_of(self._corpus.out).run([number], work, UnreadableError)
        except HiergeoError as error:
            return (UnavailableError if isinstance(error, UnavailableError) else InputError)(str(error))
        return outcome


def spread(
    corpus: Corpus,
    numbers: Sequence[int],
    spec: str,
    device: str,
    batch_size: int | None,
    progress: Callable[[int], None],
) -> Iterator[Result]:
    """Embed inputs by actors of Ray; gives what became of each, as they end.

    Raises as `embed_input`, and if actors keep dying. There is one actor for each GPU where the cluster has some and
    the device is not the CPU, otherwise for each CPU. Inputs are spread, and not batches as Ray Data would do it: the
    lock and the record of an input make a run resume exactly.
    """
    if not numbers:
        return
    with cluster(device) as (ray, cpus, gpus):
        resources = {
            "num_cpus": 1,
            "num_gpus": 1 if gpus else 0,
            "max_restarts": RESTARTS,
            "max_task_retries": RESTARTS,
        }
        settings = (str(corpus.out.resolve()), str(corpus.base.resolve()), spec, device, batch_size)
        make = ray.remote(**resources)(Actor)
        actors = [make.remote(*settings) for _ in range(min(gpus or cpus, len(numbers)))]
        waiting = list(reversed(numbers))
        busy = {actor.embed.remote(waiting.pop()): actor for actor in actors}
        while busy:
            (ready,), _ = ray.wait(list(busy), num_returns=1)
            actor = busy.pop(ready)
            outcome = _result(ray, ready)
            if waiting:
                busy[actor.embed.remote(waiting.pop())] = actor
            if outcome.record is not None and not outcome.earlier:
                progress(outcome.record.rows)
            yield outcome


def _result(ray: Any, ready: Any) -> Result:
    try:
        result: Result | HiergeoError = ray.get(ready)
    except ray.exceptions.RayError as error:
        cause = getattr(error, "cause", None)
        if isinstance(cause, HiergeoError):
            raise type(cause)(str(cause)) from error
        raise UnavailableError(f"an actor of Ray failed: {described(error)}.") from error
    if isinstance(result, HiergeoError):
        raise result
    return result
