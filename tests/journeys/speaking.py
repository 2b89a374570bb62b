"""Speaking to the web process over real HTTP."""

import http.client
import json
from typing import Any

API = "/api/v1"


class Client:
    """Speaks JSON to the web process over real HTTP, signed in or not."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.token = ""

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, dict[str, str], Any]:
        """Status, headers by lower-case name, and the body as JSON."""
        status, answered, text = self.send(method, path, body, **headers)
        return status, answered, json.loads(text) if text else None

    def send(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, dict[str, str], bytes]:
        """The same with the body as it came."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        given = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        if body is not None:
            given["Content-Type"] = "application/json"
        try:
            connection.request(method, path, None if body is None else json.dumps(body), {**given, **headers})
            answer = connection.getresponse()
            return answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read()
        finally:
            connection.close()

    def get(self, path: str) -> Any:
        """The body of a 200."""
        status, _, body = self.ask("GET", path)
        assert status == 200, body
        return body

    def text(self, path: str) -> str:
        """The file of a 200."""
        status, _, file = self.send("GET", path)
        assert status == 200, file
        return file.decode()

    def sign_in(self, account: dict[str, str]) -> None:
        status, _, pair = self.ask(
            "POST", f"{API}/auth/token/", {"email": account["email"], "password": account["password"]}
        )
        assert status == 200, pair
        self.token = pair["access"]


def is_serving(port: int) -> bool:
    try:
        return Client(port).ask("GET", "/health/ready/")[0] == 200
    except OSError:
        return False
