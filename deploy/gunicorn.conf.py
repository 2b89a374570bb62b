"""The web server, everywhere the same: bin/up, the image and Kubernetes differ by environment variables only."""

import os
from pathlib import Path

bind = os.environ.get("WEB_BIND", "127.0.0.1:8000")
worker_class = "gthread"
workers = int(os.environ.get("WEB_WORKERS", "2"))
threads = int(os.environ.get("WEB_THREADS", "4"))
timeout = int(os.environ.get("WEB_TIMEOUT_SECONDS", "60"))
graceful_timeout = int(os.environ.get("WEB_GRACEFUL_TIMEOUT_SECONDS", "25"))
keepalive = 5

# A leak, wherever it is, stays bounded; jitter keeps the workers from leaving together.
max_requests = 10_000
max_requests_jitter = 1_000

# Whom to believe about the client is the application's decision (TRUSTED_PROXIES): here nobody sets scheme or path.
forwarded_allow_ips = ""
forwarder_headers = ""
limit_request_line = 8190
limit_request_fields = 64
limit_request_field_size = 8190

# The application logs each request itself, with tenant and request id.
accesslog = None
errorlog = "-"
control_socket_disable = True
# The heartbeat is a file: on a slow disk its writing would block the worker it vouches for.
worker_tmp_dir = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108
