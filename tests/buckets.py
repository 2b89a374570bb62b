"""An S3 server that speaks the real protocol over HTTP, and that fails where a test tells it to."""

import logging
import socket
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from threading import Thread
from typing import Any
from uuid import uuid4

import boto3
import pytest
from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server

Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]
KEYS = {"access_key": "reader", "secret_key": "of tests", "region_name": "eu-central-1"}


@contextmanager
def served(application: Application) -> Iterator[str]:
    """The address of a server that answers with `application`, in threads of this process."""
    logging.getLogger("werkzeug").setLevel(logging.CRITICAL)
    server = make_server("127.0.0.1", 0, application, threaded=True)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class Bucket:
    """A bucket of its own for each test: what lies in it, what was asked of it, and how it fails."""

    def __init__(self, server: "Server", endpoint_url: str) -> None:
        self.server, self.name = server, f"bucket-{uuid4()}"
        self.options: dict[str, Any] = {**KEYS, "endpoint_url": endpoint_url, "bucket_name": self.name}
        self.client = boto3.client(
            "s3",
            endpoint_url=endpoint_url,
            region_name=KEYS["region_name"],
            aws_access_key_id=KEYS["access_key"],
            aws_secret_access_key=KEYS["secret_key"],
        )
        self.client.create_bucket(
            Bucket=self.name, CreateBucketConfiguration={"LocationConstraint": KEYS["region_name"]}
        )
        server.asked.clear()

    def names(self) -> list[str]:
        return sorted(row["Key"] for row in self.client.list_objects_v2(Bucket=self.name).get("Contents", []))

    def content(self, key: str) -> bytes:
        content: bytes = self.client.get_object(Bucket=self.name, Key=key)["Body"].read()
        return content

    def storages(self, before: dict[str, Any], alias: str) -> dict[str, Any]:
        """Django's STORAGES with this bucket in one place."""
        mine = {"BACKEND": "apps.core.object_storage.PrivateObjects", "OPTIONS": self.options}
        return {**before, alias: mine}


class Server:
    """Moto, and before it what a test lets happen to a request: `fault(environ)` answers a status, or nothing."""

    def __init__(self) -> None:
        self.moto = DomainDispatcherApplication(create_backend_app)
        self.asked: list[dict[str, Any]] = []
        self.fault: Callable[[dict[str, Any]], int | None] = lambda environ: None
        self.lost_answers = 0

    def __call__(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        self.asked.append(dict(environ))
        status = self.fault(environ)
        if status is not None:
            start(f"{status} Failed", [("Content-Type", "application/xml")])
            return [b"<Error><Code>InternalError</Code><Message>We encountered an internal error.</Message></Error>"]
        answer = self.moto(environ, start)
        if self.lost_answers and environ["REQUEST_METHOD"] == "PUT":
            self.lost_answers -= 1
            hang_up(environ)
        return answer


def hang_up(environ: dict[str, Any]) -> None:
    environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)


@pytest.fixture(scope="session")
def s3() -> Iterator[tuple[Server, str]]:
    server = Server()
    with served(server) as address:
        yield server, address


@pytest.fixture
def bucket(s3: tuple[Server, str]) -> Iterator[Bucket]:
    server, address = s3
    yield Bucket(server, address)
    server.fault, server.lost_answers = (lambda environ: None), 0
