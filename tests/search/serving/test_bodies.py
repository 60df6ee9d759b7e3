"""Bodies that are not read, and requests whose end is in doubt."""

import pytest

from hiergeo.search import Index
from tests.search.serving.serving_common import build_index, served

pytest.importorskip("uvicorn")


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Index:
    return build_index(tmp_path_factory.mktemp("bodies") / "index")


def test_a_read_only_server_reads_no_addition(index) -> None:
    head = b"POST /api/add HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n"
    with served(index) as server:
        assert server.exchange(head).startswith(b"HTTP/1.1 403 ")


@pytest.mark.parametrize(
    "body", [b"0\r\n\r\n", b"", b"5\r\nhello\r\n0\r\n\r\nGET /api/health HTTP/1.1\r\nHost: x\r\n\r\n"]
)
def test_a_request_with_two_lengths_is_refused_and_its_connection_closed(index, body) -> None:
    head = b"Host: x\r\nContent-Type: application/json\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"
    with served(index) as server:
        for line in (b"POST /api/count HTTP/1.1\r\n", b"GET /api/health HTTP/1.1\r\n"):
            answer = server.exchange(line + head + body)
            assert answer.startswith(b"HTTP/1.1 400 ")
            assert answer.count(b"HTTP/1.1") == 1
