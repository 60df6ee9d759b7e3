"""What stands in front of every route: hosts, tokens, bodies, headers, and errors of one sentence."""

import hmac
import time
from collections.abc import Mapping, MutableMapping, Sequence
from typing import Any, final

from starlette.datastructures import MutableHeaders
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Match, Mount
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hiergeo.search.serving.limits import Refused, Settings, refusal_of
from hiergeo.search.serving.metrics import Metrics

OPEN = "/api/health"
"""The path that answers without a token, for probes."""

LENGTHS = {b"content-length", b"transfer-encoding"}
"""Headers of which a request may have one: servers that stand in a row may disagree where one with both ends."""

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")

HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
"""Headers of every response that does not set them itself."""


@final
class Protection:
    """Middleware around all routes.

    It refuses requests beyond `Limits.in_flight` except probes of health, for a host that is not served and without the
    token, and everything that is not HTTP, such as WebSockets. It adds headers of security, turns every error into JSON
    of one sentence, and counts and times all requests. A connection is closed after a response to a request whose body
    has not been read.
    """

    def __init__(self, app: ASGIApp, settings: Settings, metrics: Metrics, routes: Sequence[BaseRoute]) -> None:
        self.app, self.settings, self.metrics, self.routes = app, settings, metrics, routes
        self.paths = frozenset(getattr(route, "path", "") for route in routes)
        self.in_flight = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
            return
        path = self._route(scope)
        start, status, arriving = time.perf_counter(), 0, _has_body(scope)

        async def watched() -> Message:
            nonlocal arriving
            message = await receive()
            arriving = arriving and message.get("more_body", False)
            return message

        async def guarded(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                _set_headers(message, HEADERS | ({"Connection": "close"} if arriving else {}))
            await send(message)

        self.in_flight += 1
        self.metrics.in_flight.set(self.in_flight)
        try:
            self._check(scope)
            await self.app(scope, watched, guarded)
        except Exception as error:  # whatever a route dies of, the client gets one sentence
            refusal = refusal_of(error)
            if status:
                raise
            await error_response(refusal)(scope, watched, guarded)
        finally:
            self.in_flight -= 1
            self.metrics.in_flight.set(self.in_flight)
            method = scope["method"] if scope["method"] in METHODS else "other"
            self.metrics.requests.labels(path, method, str(status)).inc()
            self.metrics.latency.labels(path).observe(time.perf_counter() - start)

    def _check(self, scope: Scope) -> None:
        path = own_path(scope)
        if {name for name, _ in scope["headers"]} >= LENGTHS:
            raise Refused(400, "the request has a Content-Length and a Transfer-Encoding: send one of the two.")
        if path != OPEN and self.in_flight > self.settings.limits.in_flight:
            raise Refused(503, "the server has too many requests at a time: try again.", retry_after=1)
        hosts = self.settings.hosts
        if hosts is not None and _host(scope) not in hosts:
            raise Refused(400, f"the Host header names none of {', '.join(sorted(hosts))}: use one of these.", "Host")
        if path != OPEN and not self._is_open(path) and not may_pass(scope, self.settings):
            raise Refused(401, "the token is missing or wrong: send 'Authorization: Bearer TOKEN'.", "Authorization")

    def _is_open(self, path: str) -> bool:
        opened = self.settings.open_paths
        return path in opened or any(each.endswith("/*") and path.startswith(each[:-1]) for each in opened)

    def _route(self, scope: Scope) -> str:
        """The path of the route of a request, as it was declared; "other" for none."""
        path = own_path(scope)
        if path in self.paths:
            return path
        for route in self.routes:
            if route.matches(scope)[0] is not Match.NONE:
                template = str(getattr(route, "path", "other"))
                return f"{template}/{{path}}" if isinstance(route, Mount) else template
        return "other"


def own_path(scope: MutableMapping[str, Any]) -> str:
    """The path of a request within the application, which may be mounted in another one."""
    path, above = str(scope["path"]), str(scope.get("root_path", ""))
    return path[len(above) :] if above and path.startswith(f"{above}/") else path


def may_pass(scope: MutableMapping[str, Any], settings: Settings) -> bool:
    """Whether a request carries the token, if one is asked for; takes the same time whatever it carries."""
    if settings.token is None:
        return True
    scheme, _, given = _header(scope, b"authorization").partition(b" ")
    alike = hmac.compare_digest(given.strip(), settings.token.encode())
    return alike and scheme.lower() == b"bearer"


def error_response(refusal: Refused) -> Response:
    """The response to a refused request."""
    headers = {}
    if refusal.retry_after is not None:
        headers["Retry-After"] = str(refusal.retry_after)
    if refusal.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    return JSONResponse({"error": str(refusal), "field": refusal.field}, refusal.status, headers)


def _header(scope: MutableMapping[str, Any], name: bytes) -> bytes:
    return next((value for key, value in scope["headers"] if key == name), b"")


def _host(scope: MutableMapping[str, Any]) -> str:
    host = _header(scope, b"host").decode("latin-1").lower()
    name, colon, port = host.rpartition(":")
    return name if colon and port.isdigit() else host


def _has_body(scope: MutableMapping[str, Any]) -> bool:
    return any(name in LENGTHS for name, _ in scope["headers"])


def _set_headers(message: Message, defaults: Mapping[str, str]) -> None:
    headers = MutableHeaders(scope=message)
    for name, value in defaults.items():
        headers.setdefault(name, value)
