"""From the specs and options of a plan to a backend and a judge."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from hiergeo._core.errors import HiergeoError, InputError, described, unknown_name
from hiergeo._core.plugins import Plugins
from hiergeo.construction.answer_store import AnswerStore
from hiergeo.construction.backends import BACKENDS, Backend
from hiergeo.construction.build_plan import BuildPlan
from hiergeo.construction.judges import JUDGES, Judge

Made = TypeVar("Made", Backend, Judge)


def make_backend(plan: BuildPlan, answers: AnswerStore) -> Backend:
    """The backend of a plan; raises HiergeoError for an unknown one, an option that does not fit, or what it lacks."""
    return _made(BACKENDS, Backend, plan.backend, plan.backend_options, {"seed": plan.seed, "answers": answers})


def make_judge(plan: BuildPlan) -> Judge | None:
    """The judge of a plan, None where it names none. Raises as `make_backend`."""
    return None if plan.judge is None else judge_named(plan.judge, **plan.judge_options)


def judge_named(spec: str, **options: Any) -> Judge:
    """A judge by its spec, such as ``transformers:PATH``. Raises as `make_backend`."""
    return _made(JUDGES, Judge, spec, options, {})


def _made(
    plugins: Plugins[Callable[..., Made]], kind: Any, spec: str, options: Mapping[str, Any], given: Mapping[str, Any]
) -> Made:
    """A `kind` made by the factory of a spec, out of options and those of `given` for which it has a parameter."""
    name, _, rest = spec.partition(":")
    factory = plugins.get(name)
    parameters = list(inspect.signature(factory).parameters.values())
    known = [each.name for each in parameters[1:] if each.kind not in (each.VAR_POSITIONAL, each.VAR_KEYWORD)]
    if not any(each.kind is each.VAR_KEYWORD for each in parameters):
        allowed = [each for each in known if each != "answers"]
        if unknown := [option for option in options if option not in allowed]:
            raise unknown_name(f"option of the {plugins.kind} '{name}'", unknown[0], allowed or ["none"])
    with plugins.running(name, "cannot be made"):
        try:
            made = factory(rest, **{key: value for key, value in given.items() if key in known} | dict(options))
        except HiergeoError:
            raise
        except (TypeError, ValueError) as error:
            raise InputError(f"the {plugins.kind} '{spec}' cannot be made: {described(error)}.") from error
    if not isinstance(made, kind):
        raise InputError(f"the {plugins.kind} '{name}' is a {type(made).__name__}, not a {kind.__name__}.")
    return made
