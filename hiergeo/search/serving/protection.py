"""What stands in front of every route: hosts, tokens, bodies, headers, and errors of one sentence."""

import asyncio
import hmac
import time
from collections.abc import MutableMapping
from typing import Any, final

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hiergeo.search.serving.limits import Refused, Settings, refusal_of
from hiergeo.search.serving.metrics import Metrics

OPEN = "/api/health"
"""The path that answers without a token, for probes."""

HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
"""Headers of every response that does not set them itself."""

STRUCTURE = 1 << 14
"""Lists, objects and keys that a body may hold: the time to parse grows with them, hardly with the bytes of images."""


@final
class Protection:
    """Middleware around all routes.

    It refuses requests beyond `Limits.in_flight` except probes of health, for a host that is not served, without the
    token and with a body that is too long, too nested or too slow, and all that is not HTTP, such as WebSockets. It
    adds headers of security, turns every error into JSON of one sentence, and counts and times all requests.
    """

    def __init__(self, app: ASGIApp, settings: Settings, metrics: Metrics) -> None:
        self.app, self.settings, self.metrics = app, settings, metrics
        self.in_flight = self.held = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
            return
        start, status, size, structure, arriving = time.perf_counter(), 0, 0, 0, True
        limits = self.settings.limits
        too_long = Refused(413, f"the body is longer than {limits.body_bytes:,} bytes: send less at a time.")

        async def bounded() -> Message:
            nonlocal size, structure, arriving
            if not arriving:
                return await receive()
            left = max(0, start + limits.read_seconds - time.perf_counter())
            try:
                message = await asyncio.wait_for(receive(), left)
            except asyncio.TimeoutError:
                raise Refused(408, f"the body took over {limits.read_seconds:g} seconds: send it again.") from None
            part, arriving = message.get("body", b""), message.get("more_body", False)
            size, self.held = size + len(part), self.held + len(part)
            structure += sum(map(part.count, (b"[", b"{", b":")))
            if size > limits.body_bytes:
                raise too_long
            if structure > STRUCTURE:
                raise Refused(413, "the body holds more lists, objects and keys than a request needs: send less.")
            if self.held > limits.held_bytes:
                raise Refused(503, "the server reads too many bodies at a time: try again.", retry_after=1)
            return message

        async def guarded(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                for name, value in (HEADERS | ({"Connection": "close"} if status >= 400 else {})).items():
                    headers.setdefault(name, value)
            await send(message)

        self.in_flight += 1
        self.metrics.in_flight.set(self.in_flight)
        try:
            headers = Headers(scope=scope)
            self._check(scope, headers)
            length = headers.get("content-length", "")
            if length.isdigit() and int(length[:20]) > limits.body_bytes:
                raise too_long
            await self.app(scope, bounded, guarded)
        except Exception as error:  # whatever a route dies of, the client gets one sentence
            refusal = refusal_of(error)
            if status:
                raise
            await error_response(refusal)(scope, receive, guarded)
        finally:
            self.in_flight -= 1
            self.held -= size
            self.metrics.in_flight.set(self.in_flight)
            route = getattr(scope.get("route"), "path", "other")
            method = scope["method"] if scope["method"] in ("GET", "POST") else "other"
            self.metrics.requests.labels(route, method, str(status)).inc()
            self.metrics.latency.labels(route).observe(time.perf_counter() - start)

    def _check(self, scope: Scope, headers: Headers) -> None:
        """Raise Refused for a request that no route may see."""
        path = str(scope["path"]).removeprefix(str(scope.get("root_path", "")))  # of the application it is mounted in
        if "content-length" in headers and "transfer-encoding" in headers:  # servers in a row may take either
            raise Refused(400, "the request has a Content-Length and a Transfer-Encoding: send one of the two.")
        if path != OPEN and self.in_flight > self.settings.limits.in_flight:
            raise Refused(503, "the server has too many requests at a time: try again.", retry_after=1)
        hosts, host = self.settings.hosts, headers.get("host", "").lower()
        name, colon, port = host.rpartition(":")
        if hosts is not None and (name if colon and port.isdigit() else host) not in hosts:
            raise Refused(400, f"the Host header names none of {', '.join(sorted(hosts))}: use one of these.", "Host")
        opened = {OPEN, *self.settings.open_paths}
        if not opened & {path, f"{path.rpartition('/')[0]}/*"} and not may_pass(scope, self.settings):
            raise Refused(401, "the token is missing or wrong: send 'Authorization: Bearer TOKEN'.", "Authorization")


def may_pass(scope: MutableMapping[str, Any], settings: Settings) -> bool:
    """Whether a request carries the token, if one is asked for; takes the same time whatever it carries."""
    if settings.token is None:
        return True
    scheme, _, token = Headers(scope=scope).get("authorization", "").partition(" ")
    return hmac.compare_digest(token.strip().encode(), settings.token.encode()) and scheme.lower() == "bearer"


def error_response(refusal: Refused) -> Response:
    """The response to a refused request."""
    headers = {"WWW-Authenticate": "Bearer"} if refusal.status == 401 else {}
    if refusal.retry_after is not None:
        headers["Retry-After"] = str(refusal.retry_after)
    return JSONResponse({"error": str(refusal), "field": refusal.field}, refusal.status, headers)
