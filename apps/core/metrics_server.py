"""`/metrics` for Prometheus, on an address of its own: answered by a process that holds the system login, never by the web.

For allowed networks, or whoever has the token; to everybody else it is 403 and says nothing.
"""

import hmac
import socket
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network
from socketserver import ThreadingMixIn
from threading import BoundedSemaphore, Lock, Thread
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import structlog
from django.db import connections
from prometheus_client import CONTENT_TYPE_LATEST

from apps.core import figures

log = structlog.get_logger(__name__)

# Several who ask at once, or one who asks too often, cost no more than one who asks every few seconds.
FRESH_SECONDS = 5.0
# More than Prometheus and its twins ever are at once.
MOST_THREADS = 8
PLAIN = "text/plain; charset=utf-8"
StartResponse = Callable[[str, list[tuple[str, str]]], Any]


@dataclass
class Metrics:
    """The WSGI application. `networks` may ask without the token; an empty token lets nobody in by it."""

    networks: Iterable[str]
    token: str = ""
    read: Callable[[], bytes] = figures.shown
    _lock: Lock = field(default_factory=Lock)
    # None: they could not be read.
    _shown: bytes | None = None
    _until: float = 0.0

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> list[bytes]:
        status, kind, body = self.answer(environ)
        start_response(
            status, [("Content-Type", kind), ("Content-Length", str(len(body))), ("Cache-Control", "no-store")]
        )
        return [b"" if environ["REQUEST_METHOD"] == "HEAD" else body]

    def answer(self, environ: dict[str, Any]) -> tuple[str, str, bytes]:
        if environ.get("PATH_INFO") != "/metrics":
            return "404 Not Found", PLAIN, b"Accepted: /metrics\n"
        if environ["REQUEST_METHOD"] not in {"GET", "HEAD"}:
            return "405 Method Not Allowed", PLAIN, b"Accepted: GET, HEAD\n"
        if not self.is_allowed(environ):
            return "403 Forbidden", PLAIN, b"For allowed networks, or with the token.\n"
        shown = self.fresh()
        if shown is None:
            return "503 Service Unavailable", PLAIN, b"The database does not answer.\n"
        return "200 OK", CONTENT_TYPE_LATEST, shown

    def is_allowed(self, environ: dict[str, Any]) -> bool:
        """By the address of the connection itself: nothing stands before this server whose word would count."""
        given = str(environ.get("HTTP_AUTHORIZATION", "")).removeprefix("Bearer ")
        if self.token and hmac.compare_digest(given.encode(), self.token.encode()):
            return True
        caller = ip_address(str(environ["REMOTE_ADDR"]))
        caller = getattr(caller, "ipv4_mapped", None) or caller
        return any(caller in ip_network(network) for network in self.networks)

    def fresh(self) -> bytes | None:
        """Read by one at a time, on connections that nobody keeps: each request has a thread of its own.

        A database that does not answer is asked as rarely as one that does. None then.
        """
        with self._lock:
            if time.monotonic() >= self._until:
                try:
                    self._shown = self.read()
                except Exception:
                    log.exception("metrics_failed")
                    self._shown = None
                finally:
                    connections.close_all()
                    self._until = time.monotonic() + FRESH_SECONDS
            return self._shown


class _Server(ThreadingMixIn, WSGIServer):
    """Has so many threads at most; whoever comes while all are busy is hung up on."""

    daemon_threads = True

    def __init__(self, *args: Any, **options: Any) -> None:
        self._free = BoundedSemaphore(MOST_THREADS)
        super().__init__(*args, **options)

    def process_request(self, request: Any, client_address: Any) -> None:
        if not self._free.acquire(blocking=False):
            self.shutdown_request(request)
            return
        try:
            super().process_request(request, client_address)
        except BaseException:
            self._free.release()
            raise

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._free.release()


class _Server6(_Server):
    """At `::` it answers by both, IPv4 and IPv6."""

    address_family = socket.AF_INET6

    def server_bind(self) -> None:
        self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        super().server_bind()


class _Quiet(WSGIRequestHandler):
    # A caller that says nothing is not waited for.
    timeout = 10

    def log_message(self, format: str, *args: Any) -> None:
        """Nobody reads a line for each scrape."""

    def address_string(self) -> str:
        """Without asking the name server."""
        return str(self.client_address[0])


def serve(address: str, metrics: Metrics) -> WSGIServer:
    """Answer at `address` (host:port, [host]:port) from a thread beside the caller's work, until `shutdown`.

    Raises OSError, ValueError.
    """
    host, _, port = address.rpartition(":")
    host = host.removeprefix("[").removesuffix("]") or "127.0.0.1"
    families = {found[0] for found in socket.getaddrinfo(host, int(port), type=socket.SOCK_STREAM)}
    # A name that means both, as `localhost` does, is asked by IPv4 more often than not.
    kind = _Server if socket.AF_INET in families else _Server6
    server = make_server(host, int(port), metrics, server_class=kind, handler_class=_Quiet)
    Thread(target=server.serve_forever, name="metrics", daemon=True).start()
    log.info("metrics_served", host=host, port=server.server_port)
    return server
