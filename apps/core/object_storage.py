"""Files in a bucket of an S3 server that are there as a whole, for good, or not at all."""

from datetime import datetime
from typing import Any, NoReturn
from uuid import uuid4

from botocore.config import Config
from botocore.exceptions import ClientError
from django.core.exceptions import ImproperlyConfigured
from django.core.files import File
from storages.backends.s3 import S3Storage

# What this class promises is nobody's to configure.
FIXED = frozenset({"file_overwrite", "default_acl", "signature_version", "custom_domain", "gzip", "client_config"})
# A request waits for an answer no longer than a web worker may: two attempts, and the pause between them.
PATIENCE = Config(
    signature_version="s3v4",
    connect_timeout=3,
    read_timeout=15,
    retries={"mode": "standard", "total_max_attempts": 2},
)
MISSING, TAKEN = {404}, {409, 412}
WRITE = "write"


class PrivateObjects(S3Storage):
    """Writes with one request, which S3 answers when the object is whole and durable; reads while it is sent on.

    A name is never overwritten, not even by two writers at once: the server must know `If-None-Match: *`. Objects get no ACL
    of their own and no address is ever handed out. Raises what botocore raises, FileNotFoundError for what is not there.
    """

    bucket_name: str
    client_config: Any

    def __init__(self, **options: Any) -> None:
        if refused := sorted(FIXED & options.keys()):
            raise ImproperlyConfigured(f"Not to be configured: {', '.join(refused)}.")
        super().__init__(**options)  # type: ignore[no-untyped-call]
        self.file_overwrite, self.default_acl, self.gzip = False, None, False
        self.client_config = self.client_config.merge(PATIENCE)

    def url(self, name: Any, *args: Any, **kwargs: Any) -> NoReturn:
        raise ValueError("This file is not accessible via a URL.")

    def get_modified_time(self, name: str) -> datetime:
        written: datetime = self._ask("head_object", name)["LastModified"]
        return written

    def _open(self, name: str, mode: str = "rb") -> "File[bytes]":
        """To be read once, from its beginning to its end."""
        answer = self._ask("get_object", name)
        opened: File[bytes] = File(answer["Body"])
        opened.size = answer["ContentLength"]
        return opened

    def _save(self, name: str, content: Any) -> str:
        while not self._is_written(name, content):
            name = self.get_available_name(name)
        return name

    def _is_written(self, name: str, content: Any) -> bool:
        """Whether this wrote it, and nobody before. An attempt whose answer was lost is known again by its mark."""
        mark = str(uuid4())
        parameters = self._get_write_parameters(name, content)
        parameters["Metadata"] = {**parameters.get("Metadata", {}), WRITE: mark}
        # The file itself: Django's wrapper is false without a name.
        while isinstance(content, File):
            content = content.file
        content.seek(0)
        try:
            self._ask("put_object", name, Body=content, IfNoneMatch="*", **parameters)
        except ClientError as error:
            if _status(error) not in TAKEN:
                raise
            return bool(self._ask("head_object", name)["Metadata"].get(WRITE) == mark)
        return True

    def _ask(self, what: str, name: str, **parameters: Any) -> Any:
        """One request about one object, by the connection of this thread."""
        client = self.connection.meta.client
        try:
            return getattr(client, what)(Bucket=self.bucket_name, Key=self._normalize_name(name), **parameters)
        except ClientError as error:
            if _status(error) in MISSING and what != "put_object":
                raise FileNotFoundError(name) from error
            raise


def _status(error: ClientError) -> int:
    status: int = error.response["ResponseMetadata"]["HTTPStatusCode"]
    return status
