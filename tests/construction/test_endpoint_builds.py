"""Builds by language models: behind an endpoint that is down or needs a key, and of transformers."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hiergeo.cli import main
from hiergeo.construction.judges import JUDGES
from tests.construction.construction_toys import ToyJudge
from tests.construction.language.language_models_common import classifier, one_thread
from tests.construction.scripted_endpoint import MODEL, Endpoint, scripted

pytest.importorskip("openai")

__all__ = ["one_thread"]

ROWS = 4
SECRET = "sk-very-secret-0123456789"


@pytest.fixture(autouse=True)
def toy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(JUDGES.own, "toy", ToyJudge)
    monkeypatch.setattr("openai._base_client.INITIAL_RETRY_DELAY", 0.01)


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    with scripted() as running:
        yield running


class Terminal:
    """The command in this process, with what it says and its exit status."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
        self._patch, self._said = monkeypatch, capfd
        self.output = ""

    def __call__(self, words: list[str]) -> int:
        self._patch.setattr(sys, "argv", ["hiergeo", *words])
        with pytest.raises(SystemExit) as ended:
            main()
        self.output += "".join(self._said.readouterr())
        return int(ended.value.code or 0)


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Terminal:
    return Terminal(monkeypatch, capfd)


def command(folder: Path, backend: str, *words: str, judge: str = "toy", rows: int = ROWS) -> list[str]:
    captions = folder / "captions.csv"
    lines = [f"a brown dog {row} runs over grass,http://x/{row}.jpg" for row in range(rows)]
    captions.write_text("\n".join(["caption,image_url", *lines]) + "\n")
    told = ["chains", "build", str(captions), "--out", str(folder / "out"), "--backend", backend, "--judge", judge]
    return [*told, *(each for word in words for each in ("--backend-option", word))]


def test_a_build_goes_on_when_its_endpoint_is_up_again(tmp_path: Path, endpoint: Endpoint, terminal: Terminal) -> None:
    """Half of it is answered, then the endpoint fails: the same command asks for the other half alone."""
    words = command(tmp_path, f"openai:{MODEL}", f"base_url={endpoint.url}", "attempts=2", "concurrency=1")
    endpoint.rule = lambda body, asked: "error" if len(endpoint.answered) >= ROWS // 2 else ""
    assert terminal(words) == 2
    assert "same command" in " ".join(terminal.output.split())
    assert not (tmp_path / "out" / "train.csv").exists()
    endpoint.rule = lambda body, asked: ""
    assert terminal(words) == 0
    assert endpoint.answered.total() == len(endpoint.answered) == 2 * ROWS
    assert (tmp_path / "out" / "train.csv").exists()


def always(act: str) -> Callable[[dict, int], str]:
    """A rule of an endpoint that always acts alike."""
    return lambda body, asked: act


def test_no_file_and_no_line_holds_the_key(
    tmp_path: Path, endpoint: Endpoint, terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_KEY", SECRET)
    words = command(tmp_path, f"openai:{MODEL}", f"base_url={endpoint.url}", "key_env=MY_KEY", "attempts=2")
    for act in ("unauthorised", "rejected", "reset", ""):
        endpoint.rule = always(act)
        terminal(words)
    written = [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()]
    assert any(b"MY_KEY" in content for content in written)
    assert SECRET not in terminal.output
    assert not any(SECRET.encode() in content for content in written)
    assert {each["authorization"] for each in endpoint.headers} == {f"Bearer {SECRET}"}


def test_a_judge_of_transformers_decides_what_an_endpoint_writes(
    endpoint: Endpoint, tmp_path: Path, terminal: Terminal
) -> None:
    """A random judge: every caption is in the data or among those left out with a reason."""
    judge = classifier(tmp_path / "judge", ["CONTRADICTION", "ENTAILMENT", "NEUTRAL"], length=512)
    words = command(tmp_path, f"openai:{MODEL}", f"base_url={endpoint.url}", judge=f"transformers:{judge}")
    plan = tmp_path / "plan.toml"
    plan.write_text("entailment = 0\ncontradiction = 0\ntiers = 2\n")
    words += ["--config", str(plan)]
    status = terminal(words)
    out = tmp_path / "out"
    dropped = (out / "dropped.csv").read_text()
    kept = "".join(path.read_text() for path in (out / "train.csv", out / "test.csv") if path.exists())
    assert status in (0, 2), terminal.output
    assert all(f"a brown dog {row} runs over grass" in kept + dropped for row in range(ROWS))
