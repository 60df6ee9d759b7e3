"""From the specs and options of a plan to a backend and a judge."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from hiergeo._core.errors import HiergeoError, InputError, described, unknown_name
from hiergeo._core.plugins import Plugins
from hiergeo.construction.backends import Backend
from hiergeo.construction.judges import Judge

Made = TypeVar("Made", Backend, Judge)


def made(
    plugins: Plugins[Callable[..., Made]], kind: Any, spec: str, options: Mapping[str, Any], **defaults: Any
) -> Made:
    """A `kind` made by the factory of a spec, such as ``openai:MODEL``, out of options and the defaults that it takes.

    Raises InputError for an unknown name or option, HiergeoError for what it lacks.
    """
    name, _, rest = spec.partition(":")
    factory = plugins.get(name)
    parameters = list(inspect.signature(factory).parameters.values())[1:]
    names = [one.name for one in parameters if one.kind not in (one.VAR_POSITIONAL, one.VAR_KEYWORD)]
    if not any(one.kind is one.VAR_KEYWORD for one in parameters):
        allowed = [option for option in names if option != "answers"]
        if unknown := [option for option in options if option not in allowed]:
            raise unknown_name(f"option of the {plugins.kind} '{name}'", unknown[0], allowed or ["none"])
    with plugins.running(name, "cannot be made"):
        try:
            thing = factory(rest, **{key: value for key, value in defaults.items() if key in names} | dict(options))
        except HiergeoError:
            raise
        except (TypeError, ValueError) as error:
            raise InputError(f"the {plugins.kind} '{spec}' cannot be made: {described(error)}.") from error
    if not isinstance(thing, kind):
        raise InputError(f"the {plugins.kind} '{name}' is a {type(thing).__name__}, not a {kind.__name__}.")
    return thing
