"""Files of tickets in a bucket: what local ones promise, from a server that speaks S3 and that may fail."""

import hashlib
from datetime import timedelta

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.utils import timezone

from apps.tickets import attachment_files
from apps.tickets.models import Attachment
from apps.tickets.tasks import sweep_attachments
from tests.buckets import bucket, hang_up, s3
from tests.core.expectations import assert_problem
from tests.core.racing import at_once
from tests.tickets.test_attachments import EICAR, TICKETS, attached, deletes_every_ticket, send

__all__ = ["bucket", "deletes_every_ticket", "s3"]


@pytest.fixture
def files(bucket, settings):
    settings.STORAGES = bucket.storages(settings.STORAGES, "attachments")
    return bucket


@pytest.fixture
def url(ticket, files):
    return f"{TICKETS}{ticket['id']}/attachments/"


def writes(bucket):
    return [environ for environ in bucket.server.asked if environ["REQUEST_METHOD"] in {"PUT", "POST"}]


def of_writing(status):
    return lambda environ: status if environ["REQUEST_METHOD"] == "PUT" else None


def test_a_file_lies_under_its_organization_and_comes_back_through_the_api_alone(acme, alice, bob, api, url, files):
    content = bytes(range(256)) * 12_000
    record = attached(api(bob), url, "dump.bin", content)

    with acme.entered():
        key = Attachment.objects.get(pk=record["id"]).storage_key
    assert files.names() == [key]
    assert key.split("/")[0] == str(acme.id)
    assert record["id"] not in key
    assert hashlib.sha256(files.content(key)).hexdigest() == record["sha256"]
    download = api(alice).get(f"{url}{record['id']}/download/")
    assert (download.status_code, download["Content-Length"]) == (200, str(len(content)))
    assert download["Content-Disposition"] == "attachment; filename*=UTF-8''dump.bin"
    assert b"".join(download.streaming_content) == content
    (put,) = writes(files)
    assert (put["HTTP_IF_NONE_MATCH"], "HTTP_X_AMZ_ACL" in put) == ("*", False)


def test_neither_the_record_nor_an_answer_names_the_bucket(acme, bob, api, ticket, url, files):
    record = attached(api(bob), url)

    for address in (url, f"{url}{record['id']}/", f"{TICKETS}{ticket['id']}/timeline/"):
        answer = api(bob).get(address)
        assert files.name not in answer.content.decode()
    download = api(bob).get(f"{url}{record['id']}/download/")
    assert download.status_code == 200
    assert not any(files.name in value for value in download.headers.values())


def test_the_file_is_durable_before_its_row_is_written(acme, bob, api, url, files):
    """When the bucket is asked to take it, no row names it yet."""
    rows = []

    def look(environ):
        if environ["REQUEST_METHOD"] == "PUT":
            rows.append(at_once([_count(acme)])[0])

    files.server.fault = look
    attached(api(bob), url)

    assert rows == [0]


def _count(acme):
    def count():
        with acme.entered():
            return Attachment.objects.count()

    return count


@pytest.mark.parametrize("status", [403, 404, 500, 503])
def test_a_bucket_that_refuses_is_503_and_leaves_no_row_and_older_files_readable(acme, bob, api, url, files, status):
    older = attached(api(bob), url)
    files.server.fault = of_writing(status)

    refusal = send(api(bob), url)

    assert_problem(refusal, 503, "storage_unavailable")
    assert refusal["Retry-After"] == "60"
    assert api(bob).get(f"{url}{older['id']}/download/").status_code == 200
    files.server.fault = lambda environ: None
    with acme.entered():
        assert files.names() == list(Attachment.objects.values_list("storage_key", flat=True))


def test_a_connection_cut_midway_is_503_and_leaves_nothing_behind(acme, bob, api, url, files):
    def cut(environ):
        if environ["REQUEST_METHOD"] == "PUT":
            environ["wsgi.input"].read(100_000)
            hang_up(environ)
            return 500
        return None

    files.server.fault = cut
    assert_problem(send(api(bob), url, "a.bin", b"x" * 1_000_000), 503, "storage_unavailable")

    assert files.names() == []
    with acme.entered():
        assert not Attachment.objects.exists()


def test_a_server_that_is_not_there_is_503_both_ways(acme, bob, api, url, files, settings):
    record = attached(api(bob), url)
    mine = settings.STORAGES["attachments"]
    options = {**mine["OPTIONS"], "endpoint_url": "http://127.0.0.1:9"}
    settings.STORAGES = {**settings.STORAGES, "attachments": {**mine, "OPTIONS": options}}

    assert_problem(send(api(bob), url), 503, "storage_unavailable")
    assert_problem(api(bob).get(f"{url}{record['id']}/download/"), 503, "storage_unavailable")
    with acme.entered():
        assert Attachment.objects.count() == 1


def test_an_object_that_was_lost_is_503_and_its_row_stays(acme, bob, api, url, files):
    record = attached(api(bob), url)
    files.client.delete_object(Bucket=files.name, Key=files.names()[0])

    assert_problem(api(bob).get(f"{url}{record['id']}/download/"), 503, "storage_unavailable")
    assert api(bob).get(f"{url}{record['id']}/").status_code == 200


def test_what_is_refused_midway_is_in_no_bucket(acme, bob, api, url, files, settings):
    settings.ATTACHMENT_LIMIT_BYTES = 3_000_000
    settings.ATTACHMENT_SCANNER = "tests.tickets.test_attachments.finds_eicar"

    assert send(api(bob), url, "a.bin", b"x" * 3_100_000).status_code == 413
    assert send(api(bob), url, "a.com", EICAR).json()["errors"][0]["code"] == "infected"
    assert send(api(bob), url, "a.png", b"<html></html>").status_code == 400

    assert writes(files) == []


def test_a_file_whose_row_cannot_be_written_is_removed_again(acme, bob, api, url, files, settings):
    settings.ATTACHMENT_SCANNER = "tests.tickets.test_attachments.deletes_every_ticket"

    assert send(api(bob), url).status_code == 404

    assert (len(writes(files)), files.names()) == (1, [])


def test_the_quota_holds_and_what_it_refuses_is_not_kept(acme, bob, api, url, files, settings):
    settings.ATTACHMENT_QUOTA_BYTES = 15
    attached(api(bob), url)

    assert_problem(send(api(bob), url), 409, "quota_exceeded")

    assert len(files.names()) == 1


def test_the_same_file_sent_twice_with_one_key_lies_there_once(acme, bob, api, url, files):
    first, second = (send(api(bob), url, HTTP_IDEMPOTENCY_KEY="k") for _ in range(2))

    assert (first.json(), second["Idempotency-Replayed"], len(files.names())) == (second.json(), "true", 1)


@pytest.mark.usefixtures("fresh_database")
def test_the_sweep_removes_old_objects_without_a_row_and_asks_about_no_other(acme, globex, bob, api, url, files):
    kept, deleted = (attached(api(bob), url) for _ in range(2))
    api(bob).delete(f"{url}{deleted['id']}/")
    orphan = attachment_files.store(acme.id, SimpleUploadedFile("a", b"x"))
    files.server.asked.clear()

    sweep_attachments(timezone.now())
    assert orphan in files.names()
    sweep_attachments(timezone.now() + timedelta(hours=25))

    assert (len(files.names()), orphan in files.names()) == (2, False)
    heads = [environ["PATH_INFO"] for environ in files.server.asked if environ["REQUEST_METHOD"] == "HEAD"]
    assert heads == [f"/{files.name}/{orphan}"] * 2
    assert api(bob).get(f"{url}{kept['id']}/download/").status_code == 200


@pytest.mark.usefixtures("fresh_database")
def test_what_could_not_be_removed_is_swept_on_another_night(acme, globex, bob, api, url, files, settings):
    settings.ATTACHMENT_SCANNER = "tests.tickets.test_attachments.deletes_every_ticket"
    files.server.fault = lambda environ: 500 if environ["REQUEST_METHOD"] == "DELETE" else None
    assert send(api(bob), url).status_code == 404
    assert len(files.names()) == 1
    files.server.fault = lambda environ: None

    sweep_attachments(timezone.now() + timedelta(hours=25))

    assert files.names() == []
