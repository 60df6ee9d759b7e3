"""How commands end: exit codes, one sentence, and terminals of every kind."""

import errno
import os
import signal
import subprocess
import sys

import pytest

from hiergeo.cli import info
from hiergeo.cli._guard import AGAIN, guarded
from hiergeo.cli._terminal import console
from tests.tools import warm
from tests.tools.kernel_settings import setenv

COMMAND = [sys.executable, "-c", "from hiergeo.cli import main; main()"]
PROBE = ("probe", "-m", "tiny", "-d", "scenes", "--rows", 5)


def started(arguments: list[str], **environment: str) -> subprocess.CompletedProcess[bytes]:
    """The command in a process of its own."""
    return subprocess.run(
        [*COMMAND, *arguments], capture_output=True, check=False, env={**os.environ, **environment}, timeout=120
    )


@pytest.fixture
def failing(monkeypatch, tmp_path):
    """Make ``hiergeo info`` raise an error, in an empty working directory."""
    monkeypatch.chdir(tmp_path)

    def with_error(error: BaseException) -> None:
        def collect(_: str) -> dict[str, str]:
            raise error

        monkeypatch.setattr(info, "collect", collect)

    return with_error


@pytest.mark.parametrize(
    ("words", "remains"), [(["train", "clip", "p.toml"], "checkpoints"), (["probe", "-m", "x"], "")]
)
def test_an_interrupted_verb_says_what_remains_of_its_work(capsys, words, remains):
    def interrupted() -> None:
        raise KeyboardInterrupt

    assert guarded(interrupted, words) == 130
    assert capsys.readouterr().err == f"Error: interrupted{f': {remains} {AGAIN}' if remains else '.'}\n"


def test_an_unforeseen_error_ends_below_its_traceback(run, failing):
    failing(ZeroDivisionError("by\n\x1b[31mnought"))
    code, _, err = run("info", "--device", "cpu")
    assert code == 70
    assert "\x1b" not in err
    assert err.startswith("Traceback")
    assert err.splitlines()[-1].startswith("Error: unexpected ZeroDivisionError")


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (KeyboardInterrupt(), 130, "interrupted"),
        (MemoryError("cannot allocate 4 TiB"), 2, "4 TiB"),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"), 2, "memory"),
        (OSError(errno.ENOSPC, "No space left on device", "big.npz"), 2, "big.npz"),
        (PermissionError(errno.EACCES, "Permission denied", "secret"), 2, "secret"),
    ],
)
def test_what_is_nobodys_mistake_takes_one_sentence(run, failing, error, code, said):
    failing(error)
    got, _, err = run("info")
    assert got == code
    assert said in err
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "target", "hint"),
    [
        (
            ("embed", "-m", "tiny", "-d", "scenes", "--rows", 5, "--out", "out.npz"),
            "hiergeo.adapters.embed",
            "same command",
        ),
        (
            ("train", "re", "-m", "tiny", "-d", "scenes", "--rows", 5, "--out", "out"),
            "hiergeo.adapters.load",
            "same command",
        ),
        (("train", "clip", "clip.toml"), "hiergeo.training.train_clip", "same command"),
        (("data", "fetch"), "hiergeo.datasets.hierarcaps.fetch", "same command"),
    ],
)
def test_an_interrupt_says_how_to_go_on(run, monkeypatch, tmp_path, arguments, target, hint):
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.chdir(tmp_path)
    (tmp_path / "clip.toml").write_text('out = "out"\nmodel = "tiny"\n[data]\nsource = "scenes"\n')
    monkeypatch.setattr(target, interrupt)
    code, _, err = run(*arguments)
    assert code == 130
    assert hint in err


@pytest.mark.slow
def test_sigterm_is_one_sentence():
    code = (
        "import signal, sys, hiergeo.cli.info as info\n"
        "info.collect = lambda _: (print('up', flush=True), signal.pause())\n"
        "sys.argv = ['hiergeo', 'info']\n"
        "from hiergeo.cli import main\n"
        "main()"
    )
    process = warm.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=300)
    assert process.returncode == 143
    assert err.startswith(b"Error: ")
    assert err.count(b"\n") == 1


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["probe", "-m", "npz:/nowhere/a.npz", "-d", "scenes"], "npz:a.npz, scenes"),
        (["explore", "/nowhere/a", "b.npz"], "a, b.npz"),
        (["explore", "--demo", "--overwrite"], "tiny, scenes"),
        (["demo", "--device", "nowhere"], "tiny, scenes"),
    ],
)
def test_what_is_loaded_is_said_before_it_is_loaded(words, named):
    done = started(words)
    assert (done.returncode, done.stdout) == (2, b"")
    first, *_, error = done.stderr.decode().splitlines()
    assert first == f"Loading {named} ..."
    assert error.startswith("Error: ")


@pytest.mark.slow
def test_a_closed_pipe_needs_no_words():
    command = f"{sys.executable} -c 'from hiergeo.cli import main; main()' info | true; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert done.stderr.splitlines()[1:] == []
    assert done.stdout in ("141\n", "0\n")


@pytest.mark.slow
@pytest.mark.parametrize(("streams", "said"), [(">&-", "standard output"), (">/dev/full", "No space")])
def test_a_standard_output_that_takes_nothing_is_one_sentence(streams, said):
    command = f"{sys.executable} -c 'from hiergeo.cli import main; main()' info {streams}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    *loading, error = done.stderr.splitlines()
    assert said in error
    assert len(loading) <= 1


@pytest.mark.slow
@pytest.mark.parametrize("streams", ["<&-", "2>&-", "<&- 2>&-"])
def test_other_streams_may_be_closed(streams):
    command = f"{sys.executable} -c 'from hiergeo.cli import main; main()' info {streams}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert "torch" in done.stdout
    assert done.stderr.splitlines()[1:] == []


@pytest.mark.slow
def test_a_terminal_without_unicode_does_no_harm():
    done = started(["probe", "-m", "tiny", "-d", "scenes", "--rows", "5"], PYTHONIOENCODING="ascii", COLUMNS="0")
    assert done.returncode == 0, done.stderr
    assert b"tau_d" in done.stdout
    assert b"Traceback" not in done.stderr


@pytest.mark.parametrize(
    "setting",
    [
        "HIERGEO_NATIVE=maybe",
        "HIERGEO_SIMD=sse9",
        "HIERGEO_PRODUCT=fast",
        "HIERGEO_SCREEN=fast",
    ],
)
def test_settings_that_mean_nothing_are_one_sentence(run, monkeypatch, setting):
    name, _, value = setting.partition("=")
    setenv(monkeypatch, name, value)
    code, _, err = run(*PROBE)
    (error,) = (line for line in err.splitlines() if not line.endswith(" ..."))
    assert code == 2
    assert error.startswith("Error: ")


@pytest.mark.parametrize(
    "arguments",
    [
        (*PROBE, "--json", "circle"),
        (*PROBE, "--json", ""),
        ("data", "check", "circle"),
        ("train", "head", *PROBE[1:], "--out", "circle"),
        (*PROBE[:1], "-m", "", *PROBE[3:]),
        (*PROBE[:1], "-m", "hf:" + "/x" * 5000, *PROBE[3:]),
        ("embed", *PROBE[1:], "--out", "/"),
        ("info", "--json", "/dev/null"),
        ("ladder", "", "-d", "scenes"),
    ],
    ids=lambda arguments: " ".join(map(str, arguments))[:60],
)
def test_odd_paths_are_one_sentence(run, monkeypatch, tmp_path, arguments):
    monkeypatch.chdir(tmp_path)
    circle = tmp_path / "circle"
    circle.symlink_to(circle)
    code, _, err = run(*arguments)
    circle.unlink()
    assert code == 2
    assert err.startswith("Error: ")
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    "arguments",
    [
        (*PROBE, "-g", "lorentz:nan"),
        (*PROBE, "-g", "product:euclidean:x" + "9" * 5000),
        ("embed", *PROBE[1:], "--out", "a.npz", "--batch-size", 10**20),
        ("train", "head", *PROBE[1:], "--out", "a", "--loss", "order=nan"),
        ("train", "re", *PROBE[1:], "--out", "a", "--set", "learning_rate=nan"),
        ("study", *PROBE[1:], "--train", "train", "--dim", 10**12, "--loss", "mean=1"),
    ],
    ids=lambda arguments: " ".join(map(str, arguments))[:80],
)
def test_numbers_beyond_any_machine_are_refused_before_the_work(run, monkeypatch, tmp_path, arguments):
    monkeypatch.chdir(tmp_path)
    code, _, err = run(*arguments)
    assert code == 2
    assert err.startswith("Error: ")
    assert err.count("\n") == 1


@pytest.mark.parametrize("option", [["-g", "euclidean", "--geometry", "sphere:0.25"], ["--rows", 4]])
def test_an_option_given_twice_is_refused(run, option):
    code, _, err = run(*PROBE, *option)
    assert code == 2
    assert "2 times" in err


def test_version_and_help(run):
    from hiergeo import __version__

    assert __version__ in run("--version")[1]
    code, out, _ = run("probe", "-h")
    assert code == 0
    assert "--geometry" in out


def test_nothing_printed_is_read_as_markup(capsys):
    console().print("[/red] [bold]x :smile:")
    assert capsys.readouterr().out == "[/red] [bold]x :smile:\n"
