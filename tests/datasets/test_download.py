"""Downloads from a local server: whole and checked, or nothing at all."""

import contextlib
import gzip
import hashlib
import http.server
import json
import os
import subprocess
import sys
import threading
import time
from functools import partial

import pytest

from hiergeo._core.errors import InputError, UnavailableError
from hiergeo._core.storage import files
from hiergeo._core.storage.locks import locked
from hiergeo.datasets import download, hierarcaps
from hiergeo.datasets.hierarcaps import image_name
from tests.tools import warm

BODY = bytes(range(256)) * 3000


class Handler(http.server.SimpleHTTPRequestHandler):
    """Serves a folder, and misbehaves in the manner that the first part of the path names."""

    def do_GET(self):
        match self.path.split("/")[1]:
            case "broken":
                self.begin(200, "Content-Length", len(BODY))
                self.wfile.write(BODY[:1000])
            case "unmeasured":
                self.begin(200)
                self.wfile.write(BODY[:1000])
            case "endless":
                self.begin(200)
                with contextlib.suppress(OSError):
                    while True:
                        self.wfile.write(BODY)
            case "disk":
                self.begin(302, "Location", f"file://{self.server.site}/file.bin")
            case "slow":
                content = (self.server.site / self.path.removeprefix("/slow/")).read_bytes()
                self.begin(200, "Content-Length", len(content))
                with contextlib.suppress(OSError):
                    for start in range(0, len(content), 1 << 14):
                        self.wfile.write(content[start : start + (1 << 14)])
                        time.sleep(0.002)
            case "rude":
                self.wfile.write(b"HTTP/1.0 418 \x1b[31mred\x07\r\n\r\n")
            case "garbage":
                self.wfile.write(b"\x1b[31m\xff\r\n\r\n")
            case _:
                super().do_GET()

    def begin(self, code, name="X", value=""):
        self.send_response(code)
        self.send_header(name, str(value))
        self.end_headers()

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


def test_whole_and_checked(server, tmp_path):
    destination = tmp_path / "new" / "folder" / "file.bin"
    digest = hashlib.sha256(BODY).hexdigest()
    assert download.fetch(f"{server.url}/file.bin", destination, digest) == destination
    assert destination.read_bytes() == BODY


@pytest.mark.parametrize(
    ("path", "digest", "words"),
    [
        ("/file.bin", "0" * 64, "instead of 0000"),
        ("/absent.bin", None, "404"),
        ("/broken/file.bin", None, "IncompleteRead"),
        ("/unmeasured/file.bin", "0" * 64, "instead of 0000"),
        ("/endless/file.bin", "0" * 64, "sends more than the 1,000,000 bytes"),
        ("/disk/file.bin", None, "No connection adapters"),
        ("/rude/file.bin", None, "418"),
        ("/garbage/file.bin", None, "Connection"),
    ],
)
def test_a_failure_says_what_where_and_how_else_and_leaves_the_old_file(server, tmp_path, path, digest, words):
    target = tmp_path / "target"
    target.mkdir()
    destination = target / "file.bin"
    destination.write_bytes(b"old")
    with pytest.raises(UnavailableError, match=words) as failure:
        download.fetch(server.url + path, destination, digest, most=1_000_000)
    assert str(failure.value).isprintable()
    assert server.url + path in str(failure.value)
    assert str(destination) in str(failure.value)
    assert str(failure.value).count(". ") == 0
    assert [(file.name, file.read_bytes()) for file in target.iterdir()] == [("file.bin", b"old")]


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:1/file.bin", "nowhere/file.bin", "file:///etc/hostname", "ftp://127.0.0.1/x", "data:,x"]
)
def test_no_connection(tmp_path, monkeypatch, url):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with pytest.raises(UnavailableError, match="cannot download"):
        download.fetch(url, tmp_path / "file.bin")
    assert list(tmp_path.iterdir()) == []


ROW = "animal => dog => wet dog => A wet dog.,food => cat => dry dog => A dry dog {}.,http://x.org/1\n"
TRAIN = "positive,negative,image_url\n" + "".join(map(ROW.format, range(300)))
PICTURES = {139: b"a picture", 776: b"another picture"}


@pytest.fixture
def mirror(server, monkeypatch):
    """A server that holds a train file and the two images of a small test split, laid out as the repository."""
    monkeypatch.setattr(hierarcaps, "TRAIN_ROWS", 300)
    hashes = {image: hashlib.sha256(content).hexdigest() for image, content in PICTURES.items()}
    monkeypatch.setattr(hierarcaps, "test_images", lambda: hashes)
    (server.site / "data").mkdir()
    (server.site / "data" / "hierarcaps_test.csv").write_bytes(b"id,captions,image_url\n")
    (server.site / "data" / "hierarcaps_train.csv.gz").write_bytes(gzip.compress(TRAIN.encode()))
    images = server.site / "assets" / "test_imgs"
    images.mkdir(parents=True)
    for image, content in PICTURES.items():
        (images / image_name(image)).write_bytes(content)
    return server


def test_train_is_fetched_once(mirror, tmp_path):
    home = tmp_path / "home"
    (path,) = hierarcaps.fetch(home, ["train"], source=mirror.url)
    assert hierarcaps.load("train", home=home).rows[0].positive == ("animal", "dog", "wet dog", "A wet dog.")

    requested = len(mirror.requested)
    assert hierarcaps.fetch(home, ["train"], source=mirror.url) == [path]
    assert len(mirror.requested) == requested


@pytest.mark.parametrize(
    ("sent", "words"),
    [
        (b"<html>Please log in.</html>", "no rows|not compressed"),
        (gzip.compress(b"<html>Please log in.</html>"), "has a header but no rows"),
        (gzip.compress(TRAIN.encode())[:-20], "damaged"),
        (gzip.compress(TRAIN.replace("positive", "caption").encode()), "column positive: missing"),
        (gzip.compress(TRAIN[: len(TRAIN) // 2].encode()), "data row 150|rows of four tiers"),
        (gzip.compress((TRAIN + "a => b,c,d\n").encode()), "data row 300 .*2 tiers"),
    ],
    ids=["login page", "gzipped login page", "cut", "columns", "half", "odd row"],
)
def test_what_is_no_training_table_is_not_kept(mirror, tmp_path, sent, words):
    home = tmp_path / "home"
    (mirror.site / "data" / "hierarcaps_train.csv.gz").write_bytes(sent)
    with pytest.raises(UnavailableError, match=words) as refused:
        hierarcaps.fetch(home, ["train"], source=mirror.url)
    assert ".part" not in str(refused.value)
    assert not list((home / "hierarcaps").iterdir())

    path = home / "hierarcaps" / "hierarcaps_train.csv.gz"
    path.write_bytes(sent)
    with pytest.raises(InputError, match=words):
        hierarcaps.fetch(home, ["train"], source=mirror.url)
    assert list(path.parent.iterdir()) == [path]


def test_a_test_file_of_other_bytes_is_refused(mirror, tmp_path):
    with pytest.raises(UnavailableError, match="instead of 3474564194"):
        hierarcaps.fetch(tmp_path / "home", ["test"], source=mirror.url)
    assert not list((tmp_path / "home").rglob("*.csv"))


def test_images_of_the_test_split_are_fetched_once_and_by_their_hashes(mirror, tmp_path):
    served, home = mirror.site / "assets" / "test_imgs", tmp_path / "home"
    last = image_name(776)
    (served / last).write_bytes(b"<html>Please log in.</html>")
    with pytest.raises(UnavailableError, match=f"{last}.*instead of"):
        hierarcaps.fetch(home, ["images"], source=mirror.url)
    assert [path.name for path in (home / "hierarcaps" / "images").iterdir()] == [image_name(139)]

    (served / last).write_bytes(PICTURES[776])
    mirror.requested.clear()
    paths = hierarcaps.fetch(home, ["images"], source=mirror.url)
    assert [path.read_bytes() for path in paths] == list(PICTURES.values())
    assert mirror.requested == [f"/assets/test_imgs/{last}"]

    paths[0].write_bytes(b"<html>Please log in.</html>")
    with pytest.raises(InputError, match=f"{image_name(139)} differs from the published"):
        hierarcaps.fetch(home, ["images"], source=mirror.url)


def test_leftovers_are_removed_and_two_downloads_do_not_meet(mirror, tmp_path):
    images = tmp_path / "hierarcaps" / "images"
    images.mkdir(parents=True)
    dead = images / f".{image_name(139)}.{files.HOST}-999999999-0123abcd.part"
    dead.write_bytes(b"half")
    with locked(tmp_path / "hierarcaps"), pytest.raises(UnavailableError, match="is being written by"):
        hierarcaps.fetch(tmp_path, ["images"], source=mirror.url)
    hierarcaps.fetch(tmp_path, ["images"], source=mirror.url)
    assert sorted(path.name for path in images.iterdir()) == [image_name(139), image_name(776)]


KILLED = """
import json, pathlib, sys
from hiergeo.datasets import hierarcaps
hashes = {int(number): digest for number, digest in json.loads(sys.argv[1]).items()}
hierarcaps.test_images = lambda: hashes
print('ready', flush=True)
hierarcaps.fetch(pathlib.Path(sys.argv[2]), ['images'], source=sys.argv[3])
"""


@pytest.mark.slow
def test_a_download_that_is_killed_leaves_nothing_that_the_next_one_takes(mirror, tmp_path):
    """The process dies once so many files were requested, wherever it is by then."""
    images, folder = mirror.site / "assets" / "test_imgs", tmp_path / "home" / "hierarcaps"
    contents = {number: os.urandom(1 << 16) for number in range(1000, 1012)}
    for number, content in contents.items():
        (images / image_name(number)).write_bytes(content)
    hashes = json.dumps({number: hashlib.sha256(content).hexdigest() for number, content in contents.items()})
    command = [sys.executable, "-c", KILLED, hashes, str(folder.parent), f"{mirror.url}/slow"]
    for requests in (0, 1, 4):
        mirror.requested.clear()
        with warm.Popen(command, stdout=subprocess.PIPE) as child:
            child.stdout.readline()
            while len(mirror.requested) < requests and child.poll() is None:
                time.sleep(0.001)
            child.kill()
        assert child.returncode == -9
        for path in (folder / "images").glob("C*.jpg"):
            assert path.read_bytes() == contents[int(path.stem[-12:])]
    assert warm.run(command).returncode == 0
    assert sorted(path.name for path in (folder / "images").iterdir()) == sorted(map(image_name, contents))
    assert [path.name for path in folder.parent.iterdir()] == ["hierarcaps"]


def test_unknown_part(tmp_path):
    with pytest.raises(InputError, match="did you mean 'images'"):
        hierarcaps.fetch(tmp_path, ["image"])
