"""A small HierarCaps on a server of this machine, for commands that download."""

import gzip
import hashlib
import io
import threading
from dataclasses import replace
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import MappingProxyType
from typing import Any, cast

from PIL import Image

from hiergeo.datasets.hierarcaps import published
from hiergeo.datasets.hierarcaps.published import image_name

IMAGES = range(1, 9)
"""Numbers of the images."""

ROWS = 30
"""Rows of each table."""


def _picture(number: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (16, 16), (number * 20, 90, 30)).save(buffer, "JPEG")
    return buffer.getvalue()


def _table(kind: published.PublishedTable) -> bytes:
    chain = "animal => dog => a dog => A dog in the rain."
    names = [name for name in (kind.layout.positive, kind.layout.negative) if name]
    lines = [",".join((*names, str(kind.layout.image)))]
    for number in range(ROWS):
        address = f"http://images.cocodataset.org/val2014/{_coco(IMAGES[number % len(IMAGES)])}"
        lines.append(",".join((*(f'"{chain}"' for _ in names), address)))
    text = ("\n".join(lines) + "\n").encode()
    return gzip.compress(text, mtime=0) if kind.file.endswith(".gz") else text


def _coco(number: int) -> str:
    return f"COCO_val2014_{number:012d}.jpg"


PICTURES = {number: _picture(number) for number in IMAGES}
FILES = {kind.file: _table(kind) for kind in published.FILES.values()} | {
    image_name(number): picture for number, picture in PICTURES.items()
}
"""What the server has, by name."""


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        content = FILES.get(self.path.rsplit("/", 1)[-1])
        if content is None:
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        return


@cache
def serve() -> None:
    """Start the server, and make this process and its forks download from it, as if it were the public source."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    cast(dict[str, Any], published.fetch.__kwdefaults__)["source"] = f"http://127.0.0.1:{server.server_port}"
    published.TRAIN_ROWS = ROWS // 2
    for name, kind in published.FILES.items():
        digest = None if kind.sha256 is None else hashlib.sha256(FILES[kind.file]).hexdigest()
        published.FILES[name] = replace(kind, sha256=digest)
    listed = MappingProxyType({number: hashlib.sha256(picture).hexdigest() for number, picture in PICTURES.items()})
    published.test_images = cache(lambda: listed)
