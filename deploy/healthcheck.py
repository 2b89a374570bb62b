"""Exit code 0 if the web server in this container answers PATH with 200: healthcheck.py PATH."""

import http.client
import os
import sys


def main(path: str) -> int:
    host, _, port = os.environ.get("WEB_BIND", "127.0.0.1:8000").rpartition(":")
    connection = http.client.HTTPConnection("127.0.0.1" if host == "0.0.0.0" else host, int(port), timeout=4)  # noqa: S104
    # As the proxy would ask: any other host, and plain HTTP where it insists on TLS, is refused before the view.
    asked_for = os.environ.get("ALLOWED_HOSTS", "localhost").partition(",")[0]
    connection.request("GET", path, headers={"Host": asked_for, "X-Forwarded-Proto": "https"})
    return 0 if connection.getresponse().status == http.client.OK else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
