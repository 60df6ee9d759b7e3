"""What tests of reviews share: a folder of chains with pictures and scores, and its page over HTTP."""

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from PIL import Image

from hiergeo.construction.drafts import Draft
from hiergeo.construction.shards import Work
from hiergeo.datasets import chains
from hiergeo.datasets.chains import Chain
from hiergeo.report import review
from hiergeo.search import serving

HOSTILE = "<img src=x onerror=\"document.title='broken'\"> & <script>document.title='broken'</script>"

ROWS = [
    Chain(10, ("animal", "dog", "a wet dog"), ("plant", "cat", "a dry dog"), "dog.png"),
    Chain(11, ("vehicle", "bus", "a red bus"), ("food", "car", "a blue bus"), "../outside.png"),
    Chain(12, ("thing", HOSTILE, "\u202e" + "very " * 190 + "long"), ("no", "nothing", "w" * 900), "missing.png"),
]


def built(folder: Path, rows: list[Chain] = ROWS) -> Path:
    """A folder such as `hiergeo chains build` makes, with one picture and the scores of the judge."""
    folder.mkdir(parents=True, exist_ok=True)
    chains.write_test(folder / "test.csv", rows)
    chains.write_train(folder / "test_expanded.csv", rows)
    Image.new("RGB", (60, 40), "red").save(folder / "dog.png")
    Image.new("RGB", (60, 40)).save(folder.parent / "outside.png")
    scores = ((0.9, 0.8), (0.9, 0.6 - 0.1 * len(rows), 0.9))
    drafts = [
        Draft(row.row, row.positive[-1], row.image, row.positive, row.negative or (), *scores) for row in rows[1:2]
    ]
    Work(folder).write("filter", 0, "0" * 64, drafts, {})
    return folder


class Client:
    """Requests to a review.

    Args:
        url: of its server.
    """

    def __init__(self, url: str) -> None:
        self.url = url

    def send(self, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
        """Status and JSON of the answer; `body` is posted as JSON, or as it is if it is bytes."""
        content = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        told = {"Content-Type": "application/json", **{name.replace("_", "-"): each for name, each in headers.items()}}
        request = urllib.request.Request(self.url + path, content, told)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                held = answer.read()
                return answer.status, json.loads(held) if held[:1] in b"{[" else held
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read())


@contextmanager
def served(folder: Path, **settings: Any) -> Iterator[tuple[Client, review.Desk]]:
    """The review of a folder over HTTP, and its desk."""
    with (
        review.open_desk(folder) as desk,
        serving.running(review.create_review(desk, serving.Settings(**settings))) as url,
    ):
        yield Client(f"{url}/"), desk
