"""Files in a bucket: private, never overwritten, passed on piece by piece; and the files of exports there."""

import io
import tracemalloc
from datetime import UTC, datetime, timedelta
from tempfile import TemporaryFile

import pytest
from botocore.exceptions import ClientError
from django.core.exceptions import ImproperlyConfigured
from django.core.files import File
from django.utils import timezone

from apps.audit import services
from apps.audit.models import Dispatch
from apps.core import export_files
from apps.core.models import JobState
from apps.core.object_storage import PrivateObjects
from apps.organizations.tasks import forget_exports
from tests.buckets import KEYS, bucket, s3, served
from tests.core.expectations import assert_problem
from tests.core.racing import at_once
from tests.core.test_exports import ask, body, rows_of_csv, run, sites

__all__ = ["bucket", "s3", "sites"]

MIB = 1024 * 1024


@pytest.fixture
def storage(bucket):
    return PrivateObjects(**bucket.options)


@pytest.fixture
def exports(bucket, settings):
    settings.STORAGES = bucket.storages(settings.STORAGES, "exports")
    return bucket


def words(content=b"some words"):
    return File(io.BytesIO(content))


def test_an_object_comes_back_whole_and_says_how_long_it_is(storage, bucket):
    content = bytes(range(256)) * 4096
    name = storage.save("a/b", words(content))

    with storage.open(name) as file:
        assert (file.size, b"".join(file.chunks())) == (MIB, content)
    assert abs(storage.get_modified_time(name) - datetime.now(UTC)) < timedelta(minutes=1)
    assert storage.listdir("a") == ([], ["b"])
    assert storage.listdir("nowhere") == ([], [])
    storage.delete(name)
    assert bucket.names() == []
    storage.delete(name)


def test_what_is_not_there_is_a_file_that_is_not_found(storage):
    with pytest.raises(FileNotFoundError):
        storage.open("nothing")
    with pytest.raises(FileNotFoundError):
        storage.get_modified_time("nothing")


def test_a_request_is_signed_by_version_4_and_asks_for_no_acl_and_nothing_gives_out_an_address(storage, bucket):
    storage.save("a", words())

    (put,) = (environ for environ in bucket.server.asked if environ["REQUEST_METHOD"] == "PUT")
    assert put["HTTP_AUTHORIZATION"].startswith("AWS4-HMAC-SHA256 Credential=reader/")
    assert put["HTTP_IF_NONE_MATCH"] == "*"
    assert "HTTP_X_AMZ_ACL" not in put
    assert "QUERY_STRING" not in put or "X-Amz-Signature" not in put["QUERY_STRING"]
    grants = bucket.client.get_object_acl(Bucket=bucket.name, Key="a")["Grants"]
    assert [grant["Grantee"]["Type"] for grant in grants] == ["CanonicalUser"]
    with pytest.raises(ValueError, match="not accessible via a URL"):
        storage.url("a")


@pytest.mark.parametrize(
    "option",
    [{"file_overwrite": True}, {"default_acl": "public-read"}, {"signature_version": "s3"}, {"custom_domain": "cdn"}],
)
def test_what_is_promised_cannot_be_configured_away(option):
    with pytest.raises(ImproperlyConfigured, match=next(iter(option))):
        PrivateObjects(**KEYS, bucket_name="b", **option)


def test_writers_of_one_name_at_once_each_keep_their_own_object(storage, bucket):
    contents = [f"writer {n}".encode() for n in range(6)]

    names = at_once([lambda content=content: storage.save("a", words(content)) for content in contents])

    assert len(set(names)) == 6
    assert "a" in names
    assert [bucket.content(name) for name in names] == contents


def test_a_write_whose_answer_was_lost_is_known_again_and_not_written_twice(storage, bucket):
    bucket.server.lost_answers = 1

    assert storage.save("a", words()) == "a"

    assert [environ["REQUEST_METHOD"] for environ in bucket.server.asked].count("PUT") == 2
    assert (bucket.names(), bucket.content("a")) == (["a"], b"some words")


def test_a_server_that_fails_once_is_asked_again_and_one_that_fails_twice_raises(storage, bucket):
    failures = [503]
    bucket.server.fault = lambda environ: failures.pop() if failures and environ["REQUEST_METHOD"] == "PUT" else None
    storage.save("a", words())
    failures += [500, 500]

    with pytest.raises(ClientError):
        storage.save("b", words())
    assert bucket.names() == ["a"]


def test_the_file_of_the_caller_stays_open(storage):
    with TemporaryFile() as file:
        file.write(b"words")
        storage.save("a", File(file))
        file.seek(0)
        assert file.read() == b"words"


def test_neither_way_holds_the_file_in_memory(record_property):
    """Against a server that keeps nothing, so that what is measured is the platform's own."""
    size = 64 * MIB

    def endless(environ, start):
        if environ["REQUEST_METHOD"] == "PUT":
            left = int(environ["CONTENT_LENGTH"])
            while left:
                left -= len(environ["wsgi.input"].read(min(left, 65536)))
            start("200 OK", [("ETag", '"x"')])
            return []
        if environ["REQUEST_METHOD"] == "HEAD":
            start("404 Not Found", [])
            return []
        start("200 OK", [("Content-Length", str(size)), ("ETag", '"x"')])
        return (b"x" * 65536 for _ in range(size // 65536))

    with served(endless) as address, TemporaryFile() as file:
        storage = PrivateObjects(**KEYS, bucket_name="b", endpoint_url=address)
        storage.exists("warm")
        file.truncate(size)
        peaks = []
        for use in (lambda: storage.save("a", File(file)), lambda: _read(storage, size)):
            tracemalloc.start()
            use()
            peaks.append(tracemalloc.get_traced_memory()[1])
            tracemalloc.stop()

    record_property("MiB of memory to write and to read 64 MiB", [round(peak / MIB, 1) for peak in peaks])
    # What the client buffers does not grow with the file.
    assert max(peaks) < size / 4


def _read(storage, size):
    with storage.open("a") as file:
        assert sum(map(len, file.chunks())) == size


# --- exports


@pytest.mark.usefixtures("fresh_database")
def test_an_export_lies_in_the_bucket_for_a_day_and_passes_through_the_api(api, acme, globex, dan, sites, exports):
    client = api(dan)
    ask(client)
    job = run(acme)

    assert exports.names() == [job.parameters["file"]]
    assert job.result["url"] == f"/api/v1/exports/{job.pk}/download/"
    download = client.get(job.result["url"])
    assert download.status_code == 200
    assert len(rows_of_csv(body(download))) == 1 + len(sites)
    forget_exports(job.finished_at + export_files.KEPT + timedelta(seconds=1))
    assert exports.names() == []
    assert_problem(client.get(job.result["url"]), 409, "export_expired")


@pytest.mark.usefixtures("fresh_database")
def test_an_export_whose_bucket_does_not_answer_is_503_and_goes_on_when_it_does(api, acme, dan, sites, exports):
    client = api(dan)
    ask(client)
    job = run(acme)
    exports.server.fault = lambda environ: 500

    refusal = client.get(job.result["url"])
    assert_problem(refusal, 503, "storage_unavailable")
    assert refusal["Retry-After"] == "60"
    exports.server.fault = lambda environ: None
    assert client.get(job.result["url"]).status_code == 200


@pytest.mark.usefixtures("fresh_database")
def test_a_file_that_cannot_be_deleted_keeps_no_other_from_going_and_goes_later(api, acme, globex, dan, sites, exports):
    for _ in range(2):
        ask(api(dan))
        job = run(acme)
    stubborn, other = exports.names()
    late = job.finished_at + export_files.KEPT + timedelta(minutes=1)
    exports.server.fault = lambda environ: 500 if environ["PATH_INFO"].endswith(stubborn) else None

    forget_exports(late)
    assert exports.names() == [stubborn]
    assert other != stubborn
    exports.server.fault = lambda environ: None
    forget_exports(late)
    assert exports.names() == []


@pytest.mark.usefixtures("fresh_database")
def test_an_export_that_cannot_be_stored_is_tried_again_and_leaves_one_file(api, acme, dan, sites, exports):
    failing = [True]
    exports.server.fault = lambda environ: 500 if failing and environ["REQUEST_METHOD"] == "PUT" else None
    ask(api(dan))
    with acme.entered():
        dispatch = Dispatch.objects.get(consumer="core.jobs")
    assert services.deliver(acme.id, dispatch.pk) == "failed"
    assert exports.names() == []
    failing.clear()
    with acme.entered():
        Dispatch.objects.filter(pk=dispatch.pk).update(next_at=timezone.now())

    job = run(acme)

    assert (job.state, exports.names()) == (JobState.DONE, [job.parameters["file"]])
