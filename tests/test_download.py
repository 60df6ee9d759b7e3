"""Downloads from a local server: whole and checked, or nothing at all."""

import gzip
import hashlib
import http.server
import threading
from functools import partial

import pytest

from hiergeo.datasets import download, hierarcaps
from hiergeo.errors import InputError, UnavailableError

BODY = bytes(range(256)) * 3000


class Handler(http.server.SimpleHTTPRequestHandler):
    """Serves a folder; under /broken/ it announces more bytes than it sends."""

    def do_GET(self):
        if not self.path.startswith("/broken/"):
            return super().do_GET()
        self.send_response(200)
        self.send_header("Content-Length", str(len(BODY)))
        self.end_headers()
        self.wfile.write(BODY[:1000])
        return None

    def log_message(self, format, *args):
        self.server.requested.append(self.path)


@pytest.fixture
def server(tmp_path, monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    site = tmp_path / "site"
    site.mkdir()
    (site / "file.bin").write_bytes(BODY)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(site))) as running:
        running.requested = []
        running.site = site
        running.url = f"http://127.0.0.1:{running.server_port}"
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield running
        running.shutdown()
        thread.join()


@pytest.mark.parametrize("progress", [False, True])
def test_whole_and_checked(server, tmp_path, progress):
    destination = tmp_path / "new" / "folder" / "file.bin"
    digest = hashlib.sha256(BODY).hexdigest()
    assert download.fetch(f"{server.url}/file.bin", destination, digest, progress=progress) == destination
    assert destination.read_bytes() == BODY


@pytest.mark.parametrize(
    ("path", "digest", "words"),
    [
        ("/file.bin", "0" * 64, "instead of 0000"),
        ("/absent.bin", None, "404"),
        ("/broken/file.bin", None, f"broke off after 1000 of {len(BODY)} bytes"),
    ],
)
def test_a_failure_says_what_where_and_how_else_and_leaves_the_old_file(server, tmp_path, path, digest, words):
    target = tmp_path / "target"
    target.mkdir()
    destination = target / "file.bin"
    destination.write_bytes(b"old")
    with pytest.raises(UnavailableError, match=words) as failure:
        download.fetch(server.url + path, destination, digest)
    assert server.url + path in str(failure.value)
    assert str(destination) in str(failure.value)
    assert str(failure.value).count(". ") == 0
    assert [(file.name, file.read_bytes()) for file in target.iterdir()] == [("file.bin", b"old")]


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/file.bin", "nowhere/file.bin"])
def test_no_connection(tmp_path, monkeypatch, url):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with pytest.raises(UnavailableError, match="no connection"):
        download.fetch(url, tmp_path / "file.bin")
    assert list(tmp_path.iterdir()) == []


TRAIN = (
    "positive,negative,image_url\n"
    "animal => dog => wet dog => A wet dog.,food => cat => dry dog => A dry dog.,http://x.org/1\n"
)


@pytest.fixture
def mirror(server, monkeypatch):
    """A server that holds a train file and a test file with one image, laid out as the public repository."""
    url = "http://images.cocodataset.org/val2014/COCO_val2014_000000000139.jpg"
    test = f"id,captions,image_url\n0,animal => dog => wet dog => A wet dog.,{url}\n".encode()
    (server.site / "data").mkdir()
    (server.site / "data" / "hierarcaps_test.csv").write_bytes(test)
    (server.site / "data" / "hierarcaps_train.csv.gz").write_bytes(gzip.compress(TRAIN.encode()))
    images = server.site / "assets" / "test_imgs"
    images.mkdir(parents=True)
    (images / "COCO_val2014_000000000139.jpg").write_bytes(b"a picture")
    return server


def test_train_is_recorded_at_first_download_and_checked_from_then_on(mirror, tmp_path):
    home = tmp_path / "home"
    (path,) = hierarcaps.fetch(home, ["train"], source=mirror.url)
    record = path.with_name("hierarcaps_train.csv.gz.sha256")
    assert record.read_text().split() == [hashlib.sha256(path.read_bytes()).hexdigest(), path.name]
    assert hierarcaps.load("train", home=home).rows[0].positive == ("animal", "dog", "wet dog", "A wet dog.")
    assert hierarcaps.validate("train", home=home) == []

    requested = len(mirror.requested)
    hierarcaps.fetch(home, ["train"], source=mirror.url)
    assert len(mirror.requested) == requested

    path.write_bytes(gzip.compress(TRAIN.replace("wet", "dry").encode()))
    with pytest.raises(InputError, match="differs from the published"):
        hierarcaps.fetch(home, ["train"], source=mirror.url)
    assert any("sha256" in defect.problem for defect in hierarcaps.validate("train", home=home))

    path.unlink()
    (mirror.site / "data" / path.name).write_bytes(gzip.compress(TRAIN.replace("dog", "pet").encode()))
    with pytest.raises(UnavailableError, match="instead of"):
        hierarcaps.fetch(home, ["train"], source=mirror.url)
    assert not path.exists()


def test_a_test_file_of_other_bytes_is_refused(mirror, tmp_path):
    with pytest.raises(UnavailableError, match="instead of 3474564194"):
        hierarcaps.fetch(tmp_path / "home", ["test"], source=mirror.url)
    assert not list((tmp_path / "home").rglob("*.csv"))


def test_images_of_the_test_split_are_fetched_once(mirror, tmp_path, data_home):
    home = tmp_path / "home"
    source = data_home / "hierarcaps" / "hierarcaps_test.csv"
    (mirror.site / "data" / "hierarcaps_test.csv").write_bytes(source.read_bytes())
    ids = sorted(image.image_id for image in hierarcaps.load("test", home=data_home).images)
    for image_id in ids[:-1]:
        (mirror.site / "assets" / "test_imgs" / f"COCO_val2014_{image_id:012d}.jpg").write_bytes(b"a picture")
    with pytest.raises(UnavailableError, match=f"{ids[-1]}.jpg.*404"):
        hierarcaps.fetch(home, ["images"], source=mirror.url)

    last = f"COCO_val2014_{ids[-1]:012d}.jpg"
    (mirror.site / "assets" / "test_imgs" / last).write_bytes(b"the last picture")
    mirror.requested.clear()
    assert len(hierarcaps.fetch(home, ["images"], source=mirror.url)) == 1000
    assert mirror.requested == [f"/assets/test_imgs/{last}"]


def test_unknown_part(tmp_path):
    with pytest.raises(InputError, match="did you mean 'images'"):
        hierarcaps.fetch(tmp_path, ["image"])
