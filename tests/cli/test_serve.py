"""``hiergeo serve``: what is served, to whom and within which limits, is what the command line says."""

import pytest

from hiergeo import search
from hiergeo.search import serving
from tests.search.serving.serving_common import build_vectors
from tests.search.stores_common import register

pytest.importorskip("starlette")

TOKEN = "0123456789abcdef"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("serve") / "index"
    build_vectors(place)
    return place


@pytest.fixture
def served(run, monkeypatch):
    """Give the application, and the limits, that a command would serve."""
    given = []
    monkeypatch.setattr(serving, "serve", lambda app, bound, limits: given.append((app, limits)))

    def call(*arguments):
        assert run("serve", *arguments, "--port", 0)[0] == 0
        return given.pop()

    return call


def test_every_setting_is_the_one_that_is_named(served, folder):
    settings = served(folder, "--token", TOKEN, "--writable")[0].state.service.settings
    assert (settings.token, settings.writable, settings.embeds) == (TOKEN, True, True)


def test_a_server_is_closed_unless_it_is_opened(served, folder):
    app, limits = served(folder)
    settings = app.state.service.settings
    assert (settings.writable, settings.token, settings.store) == (False, None, None)
    assert limits == serving.Limits()
    assert {"localhost", "127.0.0.1"} <= settings.hosts
    assert served(folder, "--host", "0.0.0.0", "--insecure")[0].state.service.settings.hosts is None


def test_embeddings_alone_are_taken_on_request(served, tmp_path):
    from starlette.testclient import TestClient

    search.build(tmp_path / "index", "tiny", ["a car", "an animal"])
    for words, status in (((), 200), (("--embeddings-only",), 400)):
        app, _ = served(tmp_path / "index", *words)
        with TestClient(app, base_url="http://localhost") as http:
            assert http.get("/api/count?q=a").status_code == status


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (("--store", "milvus:x.db", "--writable"), "--writable"),
        (("--port", 65536), "--port"),
        (("--host", "0.0.0.0"), "--token"),
        (("--host", "no.such.host.invalid"), "no.such.host.invalid"),
        (("--token", "short"), "16"),
        (("--model", "tiny"), "--model"),
        (("--model", "tiny", "--embeddings-only"), "--embeddings-only"),
    ],
)
def test_what_does_not_fit_is_refused(run, folder, words, named):
    code, _, said = run("serve", folder, *words)
    assert (code, named in said) == (2, True)


def test_a_port_that_is_taken_is_named(run, folder):
    with serving.bind("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        code, _, said = run("serve", folder, "--port", port)
    assert (code, f"port {port}" in said, said.count("\n")) == (2, True, 1)


def test_a_store_is_searched_where_one_is_named(served, folder, monkeypatch):
    register(monkeypatch)
    search.open(folder).push("listed:")
    assert served(folder, "--store", "listed:")[0].state.service.settings.store == "listed:"
