"""Optional packages: which extra of hiergeo brings each of them, and the error where one is missing."""

from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import Any, NamedTuple

from hiergeo._core.errors import UnavailableError, reason


class Package(NamedTuple):
    """An optional package: the module to import, the distribution to install, and the extra that brings it."""

    module: str
    distribution: str
    extra: str

    @property
    def hint(self) -> str:
        """The command that installs it."""
        return f"pip install 'hiergeo[{self.extra}]'"

    def version(self) -> str | None:
        """The version that is installed, if it is."""
        try:
            return version(self.distribution)
        except PackageNotFoundError:
            return None


PACKAGES = (
    Package("transformers", "transformers", "hf"),
    Package("tokenizers", "tokenizers", "hf"),
    Package("sentence_transformers", "sentence-transformers", "sentence-transformers"),
    Package("mteb", "mteb", "mteb"),
    Package("accelerate", "accelerate", "train"),
    Package("peft", "peft", "train"),
    Package("fastapi", "fastapi", "serve"),
    Package("uvicorn", "uvicorn", "serve"),
    Package("prometheus_client", "prometheus-client", "serve"),
    Package("pymilvus", "pymilvus", "milvus"),
    Package("ray", "ray", "ray"),
    Package("openai", "openai", "openai"),
    Package("pandas", "pandas", "pandas"),
)

MODULES = {package.module: package for package in PACKAGES}


def require(module: str, what: str) -> Any:
    """Import one of `MODULES`, or a module inside one; UnavailableError, naming its extra, for `what` needs it."""
    try:
        return import_module(module)
    except ImportError as error:
        package = MODULES[module.partition(".")[0]]
        absent = isinstance(error, ModuleNotFoundError) and error.name == package.module
        broken = "" if absent else f", which cannot be imported ({reason(error)})"
        raise UnavailableError(f"{what} needs {package.distribution}{broken}: {package.hint}.") from error
