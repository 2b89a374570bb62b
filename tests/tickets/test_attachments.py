"""Files on tickets: what is accepted as what, who gets it, and what a failure leaves behind."""

import errno
import hashlib
import io
import lzma
import os
import struct
import zipfile
from datetime import timedelta

import pytest
from django.core.files.storage import FileSystemStorage, storages
from django.core.files.uploadedfile import SimpleUploadedFile
from django.utils import timezone
from PIL import Image

from apps.audit.models import Event
from apps.tickets import archives, attachment_files
from apps.tickets.attachment_files import called
from apps.tickets.models import Attachment, Ticket
from apps.tickets.tasks import sweep_attachments
from apps.users.models import UserType
from tests.conftest import person
from tests.core.racing import at_once

TICKETS = "/api/v1/tickets/"
EICAR = rb"X5O!P%@AP[4\PZX54(P^)7CC)7}$" + b"EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"


def image(format_="PNG", size=(2, 2)):
    content = io.BytesIO()
    Image.new("1", size).save(content, format_)
    return content.getvalue()


def archive(entries, packing=zipfile.ZIP_DEFLATED):
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", packing) as made:
        for name, data in entries.items():
            made.writestr(name, data)
    return content.getvalue()


def send(client, url, name="notes.txt", content=b"some words", **values):
    headers = {key: values.pop(key) for key in list(values) if key.startswith("HTTP_")}
    form = {"file": SimpleUploadedFile(name, content), **values}
    return client.post(url, form, format="multipart", **headers)


def attached(client, url, *args, **values):
    answer = send(client, url, *args, **values)
    assert answer.status_code == 201, answer.json()
    return answer.json()


def kept(files):
    return sorted(path for path in files.rglob("*") if path.is_file())


@pytest.fixture
def url(ticket, files):
    return f"{TICKETS}{ticket['id']}/attachments/"


def test_a_file_is_kept_privately_and_comes_back_as_it_was_sent(acme, alice, bob, api, url, files):
    answer = send(api(bob), url, "Übersicht.csv", b"a;b\n1;2\n")

    record = answer.json()
    assert (answer.status_code, answer["Location"], answer["ETag"]) == (201, f"{url}{record['id']}/", '"1"')
    assert (record["name"], record["content_type"], record["size_bytes"]) == ("Übersicht.csv", "text/csv", 8)
    assert record["sha256"] == hashlib.sha256(b"a;b\n1;2\n").hexdigest()
    assert (record["visibility"], record["uploaded_by"]) == ("public", str(bob.pk))
    (path,) = kept(files)
    assert path.parent.name == str(acme.id)
    assert (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    assert record["id"] not in path.name
    download = api(alice).get(f"{url}{record['id']}/download/")
    assert b"".join(download.streaming_content) == b"a;b\n1;2\n"
    assert download["Content-Disposition"] == "attachment; filename*=UTF-8''%C3%9Cbersicht.csv"
    assert download["Content-Type"] == "text/csv"
    assert download["X-Content-Type-Options"] == "nosniff"
    assert download["Content-Security-Policy"] == "default-src 'none'; sandbox"
    assert download["Cross-Origin-Resource-Policy"] == "same-origin"
    assert download["Cache-Control"] == "no-store"
    assert download["Content-Length"] == "8"
    assert [row["id"] for row in api(bob).get(url).json()["results"]] == [record["id"]]


EVIL = b"<html><script>alert(1)</script></html>"
NESTED = archive({"a/b.docx": archive({"word/document.xml": b"0" * 20_000_000})})
ACCEPTED = {
    "a PNG image": ("a.png", image(), "image/png"),
    "its ending in capitals": ("A.PNG", image(), "image/png"),
    "a JPEG image": ("a.jpeg", image("JPEG"), "image/jpeg"),
    "a GIF image": ("a.gif", image("GIF"), "image/gif"),
    "a WebP image": ("a.webp", image("WEBP"), "image/webp"),
    "a PDF document": ("a.pdf", b"%PDF-1.7\n", "application/pdf"),
    "an archive": ("a.zip", archive({"a.txt": b"x"}), "application/zip"),
    "an archive in an archive": ("a.zip", archive({"b.zip": archive({"a.txt": b"x"})}), "application/zip"),
    "a text": ("a.log", b"it failed\n", "text/plain"),
    "a text in UTF-16": ("a.txt", "it failed".encode("utf-16"), "text/plain"),
    # Kept, and served as bytes that no browser runs.
    "HTML": ("a.html", EVIL, "application/octet-stream"),
    "SVG": ("a.svg", b"<svg xmlns='http://www.w3.org/2000/svg'><script/></svg>", "application/octet-stream"),
    "XML": ("a.xml", b"<?xml version='1.0'?><a/>", "application/octet-stream"),
    "a script": ("a.js", b"alert(1)", "application/octet-stream"),
    "a program": ("a.exe", b"MZ\x90\x00\x03\x00\x00\x00", "application/octet-stream"),
    "no ending": ("core", b"\x7fELF\x02\x01\x01\x00", "application/octet-stream"),
}
REFUSED = {
    "nothing": ("a.txt", b"", "empty"),
    "HTML called an image": ("a.png", EVIL, "type_mismatch"),
    "a program called an image": ("a.jpg", b"MZ\x90\x00\x03\x00\x00\x00", "type_mismatch"),
    "a program called a text": ("a.txt", b"MZ\x90\x00\x03\x00\x00\x00", "type_mismatch"),
    "a text called a document": ("a.docx", b"hello", "type_mismatch"),
    "an image of another type": ("a.gif", image(), "type_mismatch"),
    "an image that is only begun": ("a.png", b"\x89PNG\r\n\x1a\n" + EVIL, "type_mismatch"),
    "an image that is an archive too": ("a.gif", image("GIF") + archive({"a.class": b"x"}), "type_mismatch"),
    "an image of 41 million pixels": ("a.png", image(size=(8200, 5000)), "too_many_pixels"),
    "a bomb": ("a.zip", archive({"a": b"0" * 20_000_000}), "archive"),
    "a bomb called nothing": ("a.bin", archive({"a": b"0" * 20_000_000}), "archive"),
    "a bomb in a document": ("a.zip", NESTED, "archive"),
    "too many files": ("a.zip", archive({f"{n}.txt": b"x" for n in range(1001)}), "archive"),
}


@pytest.mark.bar(44)
@pytest.mark.parametrize("case", ACCEPTED)
def test_what_a_file_is_decides_as_what_it_is_served(acme, bob, api, url, case):
    name, content, media_type = ACCEPTED[case]

    record = attached(api(bob), url, name, content)

    assert (record["name"], record["content_type"]) == (name, media_type)
    download = api(bob).get(f"{url}{record['id']}/download/")
    assert (b"".join(download.streaming_content), download["Content-Type"]) == (content, media_type)


@pytest.mark.bar(44)
@pytest.mark.parametrize("case", REFUSED)
def test_what_is_not_what_its_name_says_or_would_burst_is_refused_and_nothing_of_it_is_kept(
    acme, bob, api, url, files, case
):
    name, content, code = REFUSED[case]

    refusal = send(api(bob), url, name, content)

    error = refusal.json()["errors"][0]
    assert (refusal.status_code, error["pointer"], error["code"]) == (400, "/file", code)
    assert "ccepted" in error["detail"]
    assert kept(files) == []
    with acme.entered():
        assert not Attachment.objects.exists()


def test_the_refusal_says_what_it_is_and_what_is_accepted(acme, bob, api, url):
    error = send(api(bob), url, "a.png", EVIL).json()["errors"][0]

    assert error["detail"] == "It is of the type HTML File, not a PNG image; accepted as .png: a PNG image."


@pytest.mark.bar(44)
def test_an_archive_that_lies_about_its_size_is_read_and_not_believed():
    """The header says one byte; what comes out is counted."""
    honest = archive({"a.txt": b"0" * 5_000_000})
    assert honest.count((5_000_000).to_bytes(4, "little")) == 2
    lying = honest.replace((5_000_000).to_bytes(4, "little"), (1).to_bytes(4, "little"))

    with pytest.raises(archives.TooMuch):
        archives.check(io.BytesIO(lying), len(lying))


@pytest.mark.bar(44)
@pytest.mark.parametrize(
    ("sent", "name"),
    [
        ("../../etc/passwd", "passwd"),
        ("C:\\Users\\bob\\a.txt", "a.txt"),
        ("a\u202etxt.exe", "atxt.exe"),
        ("a\r\nSet-Cookie: x=1.txt", "aSet-Cookie: x=1.txt"),
        ("  .hidden. ", "hidden"),
        ("\x00\x01", "file"),
        ("x" * 300 + ".txt", "x" * 251 + ".txt"),
    ],
)
def test_a_name_is_one_harmless_line(sent, name):
    assert called(sent) == name


@pytest.mark.bar(44)
def test_a_path_in_the_form_reaches_neither_the_disk_nor_the_name(acme, bob, api, url, files):
    boundary = "x"
    body = (
        f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="../../../evil.txt"\r\n\r\n'
        f"words\r\n--{boundary}--\r\n"
    )

    answer = api(bob).generic("POST", url, body.encode(), content_type=f"multipart/form-data; boundary={boundary}")

    assert answer.json()["name"] == "evil.txt"
    assert [path.parent.parent for path in kept(files)] == [files]


@pytest.mark.bar(44)
def test_a_file_may_have_the_limit_and_not_a_byte_more(acme, bob, api, url, files, settings):
    settings.ATTACHMENT_LIMIT_BYTES = 3_000_000

    assert send(api(bob), url, "a.bin", b"x" * 3_000_000).status_code == 201
    refusal = send(api(bob), url, "a.bin", b"x" * 3_000_001)
    assert (refusal.status_code, refusal.json()["code"], refusal.json()["limit_bytes"]) == (413, "too_large", 3_000_000)
    assert send(api(bob), url, "a.bin", b"x" * 3_100_000).status_code == 413
    assert len(kept(files)) == 1


@pytest.mark.parametrize(
    ("form", "status", "code"),
    [
        ({}, 400, "required"),
        ({"file": "words"}, 400, "invalid"),
        ({"visibility": "secret"}, 400, "invalid_choice"),
        ({"colour": "red"}, 400, "unknown_field"),
        ({"comment": "0199a0a0-0000-7000-8000-000000000000"}, 400, "does_not_exist"),
        ({"comment": ""}, 400, "invalid"),
    ],
)
def test_a_form_that_is_wrong_is_refused(acme, bob, api, url, files, form, status, code):
    file = {} if "file" in form or not form else {"file": SimpleUploadedFile("a.txt", b"x")}

    refusal = api(bob).post(url, {**file, **form}, format="multipart")

    assert (refusal.status_code, refusal.json()["errors"][0]["code"]) == (status, code)
    assert kept(files) == []


def test_several_files_are_400_and_what_is_no_form_is_refused(acme, bob, api, url, files):
    two = [SimpleUploadedFile("a.txt", b"x"), SimpleUploadedFile("b.txt", b"x")]

    assert api(bob).post(url, {"file": two}, format="multipart").json()["code"] == "malformed"
    assert api(bob).post(url, {"file": "words"}).json()["errors"][0]["pointer"] == "/file"
    refusal = api(bob).generic("POST", url, b"words", content_type="text/plain")
    assert (refusal.status_code, refusal.json()["detail"]) == (
        415,
        "The media type is not accepted; accepted: multipart/form-data.",
    )
    assert kept(files) == []


def test_internal_files_are_nowhere_for_the_requester(acme, alice, bob, carol, api, url):
    record = attached(api(alice), url, "plan.txt", visibility="internal")
    address = f"{url}{record['id']}/"

    assert api(bob).get(url, {"count": "true"}).json() | {"next": None} == {
        "next": None,
        "previous": None,
        "results": [],
        "count": 0,
    }
    for path in (address, f"{address}download/"):
        assert api(bob).get(path).status_code == 404
    assert api(bob).patch(address, {"visibility": "public"}).status_code == 404
    assert api(bob).delete(address).status_code == 404
    assert api(bob).post(f"{address}restore/").status_code == 404
    assert send(api(bob), url, visibility="internal").json()["grant"] == "internal_comments.create"
    assert api(alice).patch(address, {"visibility": "public"}).json()["version"] == 2
    assert api(bob).get(f"{address}download/").status_code == 200
    assert api(carol).patch(address, {"visibility": "internal"}).status_code == 200
    assert api(bob).get(f"{address}download/").status_code == 404


def test_agents_hide_and_delete_their_own_files_and_managers_any(acme, alice, bob, carol, api, url):
    record = attached(api(bob), url)
    address = f"{url}{record['id']}/"

    assert api(alice).patch(address, {"visibility": "internal"}).json()["grant"] == "internal_comments.update"
    assert api(alice).delete(address).status_code == 403
    assert api(bob).patch(address, {"name": "b.txt"}).json()["errors"][0]["code"] == "read_only"
    assert api(carol).delete(address).status_code == 204
    assert api(bob).get(f"{address}download/").status_code == 404
    # What a manager took away its author does not bring back.
    assert api(bob).post(f"{address}restore/").status_code in {403, 404}
    assert api(carol).post(f"{address}restore/").json()["version"] == 3
    assert api(carol).post(f"{address}restore/").json()["code"] == "not_deleted"
    assert api(bob).get(f"{address}download/").status_code == 200


def test_strangers_and_neighbours_find_neither_the_file_nor_a_place_for_one(
    acme, globex, bob, mallory, api, url, files
):
    erin = person(acme, "erin", UserType.END_USER)
    record = attached(api(bob), url)
    own = api(mallory).post("/api/v1/incidents/", {"title": "Ours"}).json()

    for outsider in (erin, mallory):
        assert send(api(outsider), url).status_code == 404
        for path in (url, f"{url}{record['id']}/", f"{url}{record['id']}/download/"):
            assert api(outsider).get(path).status_code == 404
    assert api(mallory).get(f"{TICKETS}{own['id']}/attachments/{record['id']}/download/").status_code == 404
    assert len(kept(files)) == 1


def test_a_file_belongs_to_ones_own_comment_and_is_no_more_public(acme, alice, bob, api, ticket, url):
    comments = f"{TICKETS}{ticket['id']}/comments/"
    note = api(alice).post(comments, {"body": "see file", "visibility": "internal"}).json()
    theirs = api(bob).post(comments, {"body": "see file"}).json()

    assert send(api(alice), url, comment=note["id"]).json()["errors"][0]["pointer"] == "/visibility"
    assert send(api(alice), url, comment=theirs["id"]).json()["errors"][0]["code"] == "does_not_exist"
    record = attached(api(alice), url, comment=note["id"], visibility="internal")
    assert record["comment"] == note["id"]
    refusal = api(alice).patch(f"{url}{record['id']}/", {"visibility": "public"})
    assert refusal.json()["errors"][0]["pointer"] == "/visibility"


def test_a_merged_ticket_takes_no_files(acme, bob, api, ticket, url, files):
    survivor = api(bob).post("/api/v1/incidents/", {"title": "Too"}).json()
    with acme.entered():
        Ticket.objects.filter(pk=ticket["id"]).update(
            phase="cancelled", status="cancelled", merged_into_id=survivor["id"]
        )

    refusal = send(api(bob), url)

    assert (refusal.status_code, refusal.json()["into"], kept(files)) == (409, survivor["id"], [])


def test_the_same_file_sent_twice_with_one_key_is_kept_once(acme, bob, api, url, files):
    # More than an ordinary body may have.
    content = b"x" * 3_000_000
    first = send(api(bob), url, "a.bin", content, HTTP_IDEMPOTENCY_KEY="k")
    second = send(api(bob), url, "a.bin", content, HTTP_IDEMPOTENCY_KEY="k")
    other = send(api(bob), url, "b.bin", content, HTTP_IDEMPOTENCY_KEY="k")

    assert (first.status_code, second["Idempotency-Replayed"], first.json()) == (201, "true", second.json())
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    assert len(kept(files)) == 1


def test_facts_name_the_file_by_its_id_alone(acme, bob, api, ticket, url):
    record = attached(api(bob), url, "salary of alice.txt")

    with acme.entered():
        fact = Event.objects.get(subject_id=ticket["id"], name="incident.attached")
    assert fact.data == {"attachment": record["id"], "visibility": "public"}


# --- scanners


def finds_eicar(stream):
    return "infected" if EICAR in stream.read() else "clean"


def fails(stream):
    raise ConnectionError("no scanner")


def babbles(stream):
    return "maybe"


@pytest.mark.bar(44)
def test_an_infected_file_is_refused_and_a_clean_one_is_kept_whole(acme, bob, api, url, files, settings):
    settings.ATTACHMENT_SCANNER = "tests.tickets.test_attachments.finds_eicar"

    refusal = send(api(bob), url, "a.com", EICAR)
    assert (refusal.status_code, refusal.json()["errors"][0]["code"], kept(files)) == (400, "infected", [])
    assert attached(api(bob), url)["size_bytes"] == 10
    assert [path.read_bytes() for path in kept(files)] == [b"some words"]


@pytest.mark.bar(44)
@pytest.mark.parametrize("scanner", ["fails", "babbles"])
def test_no_verdict_is_not_a_clean_one(acme, bob, api, url, files, settings, scanner):
    settings.ATTACHMENT_SCANNER = f"tests.tickets.test_attachments.{scanner}"

    refusal = send(api(bob), url)

    assert (refusal.status_code, refusal.json()["code"], kept(files)) == (503, "scanner_unavailable", [])
    assert refusal["Retry-After"] == "60"


# --- what a failure leaves behind


class FullDisk(FileSystemStorage):
    def _save(self, name, content):
        raise OSError(errno.ENOSPC, "No space left on device")


class NoAnswer(FileSystemStorage):
    def _save(self, name, content):
        raise RuntimeError("the bucket does not answer")


@pytest.mark.parametrize(("storage", "status"), [("FullDisk", 507), ("NoAnswer", 503)])
def test_a_storage_that_fails_leaves_no_row_and_older_files_readable(
    acme, bob, api, url, files, settings, storage, status
):
    record = attached(api(bob), url)
    working = settings.STORAGES
    broken = {**working["attachments"], "BACKEND": f"tests.tickets.test_attachments.{storage}"}

    settings.STORAGES = {**working, "attachments": broken}
    refusal = send(api(bob), url)
    assert (refusal.status_code, refusal["Content-Type"]) == (status, "application/problem+json")
    assert api(bob).get(f"{url}{record['id']}/download/").status_code == 200
    settings.STORAGES = working
    assert send(api(bob), url).status_code == 201
    with acme.entered():
        assert sorted(Attachment.objects.values_list("storage_key", flat=True)) == [
            f"{path.parent.name}/{path.name}" for path in kept(files)
        ]


def test_a_disk_that_fills_while_it_is_written_keeps_no_part(acme, bob, api, url, files, monkeypatch):
    def full(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    refusal = send(api(bob), url)

    assert (refusal.status_code, refusal.json()["code"], kept(files)) == (507, "storage_full", [])


def test_a_file_whose_row_cannot_be_written_is_removed(acme, bob, api, ticket, url, files, settings):
    """The ticket is deleted between the sending and the writing down: as late as a refusal can come."""
    settings.ATTACHMENT_SCANNER = "tests.tickets.test_attachments.deletes_every_ticket"

    refusal = send(api(bob), url)

    assert (refusal.status_code, kept(files)) == (404, [])
    with acme.entered():
        assert not Attachment.objects.exists()


def deletes_every_ticket(stream):
    from django.db import transaction

    with transaction.atomic():
        Ticket.objects.update(deleted_at=timezone.now())
    return "clean"


def test_a_file_that_was_lost_is_503_and_its_row_stays(acme, bob, api, url, files):
    record = attached(api(bob), url)
    kept(files)[0].unlink()

    refusal = api(bob).get(f"{url}{record['id']}/download/")

    assert (refusal.status_code, refusal.json()["code"]) == (503, "storage_unavailable")
    assert api(bob).get(f"{url}{record['id']}/").status_code == 200


@pytest.mark.usefixtures("fresh_database")
def test_the_nightly_sweep_removes_what_no_row_names_once_it_is_a_day_old(acme, bob, api, url, files):
    record = attached(api(bob), url)
    deleted = attached(api(bob), url)
    api(bob).delete(f"{url}{deleted['id']}/")
    orphan, fresh = (attachment_files.store(acme.id, SimpleUploadedFile("a", b"x")) for _ in range(2))
    yesterday = (timezone.now() - timedelta(hours=25)).timestamp()
    for path in kept(files):
        if path.name != fresh.split("/")[1]:
            os.utime(path, (yesterday, yesterday))

    sweep_attachments(timezone.now())

    left = {path.name for path in kept(files)}
    assert orphan.split("/")[1] not in left
    assert len(left) == 3
    assert api(bob).get(f"{url}{record['id']}/download/").status_code == 200


# --- the quota


def test_what_would_exceed_the_quota_is_409_and_deleted_files_count(acme, globex, bob, mallory, api, url, settings):
    settings.ATTACHMENT_QUOTA_BYTES = 25
    first = attached(api(bob), url)
    attached(api(bob), url)
    api(bob).delete(f"{url}{first['id']}/")

    refusal = send(api(bob), url)
    assert (refusal.status_code, refusal.json()["code"], refusal.json()["quota_bytes"]) == (409, "quota_exceeded", 25)
    assert send(api(bob), url, "a.txt", b"12345").status_code == 201
    theirs = api(mallory).post("/api/v1/incidents/", {"title": "Ours"}).json()
    assert send(api(mallory), f"{TICKETS}{theirs['id']}/attachments/").status_code == 201


@pytest.mark.bar(44)
@pytest.mark.usefixtures("fresh_database")
def test_twenty_at_once_never_exceed_the_quota(acme, bob, api, url, files, settings, record_property):
    """Ten bytes each, room for seven."""
    settings.ATTACHMENT_QUOTA_BYTES = 75
    others = [api(bob).post("/api/v1/incidents/", {"title": f"Ticket {n}"}).json()["id"] for n in range(3)]
    urls = [url, *(f"{TICKETS}{other}/attachments/" for other in others)]
    clients = [api(bob) for _ in range(20)]

    answers = at_once([lambda n=n: send(clients[n], urls[n % len(urls)]).status_code for n in range(20)])

    record_property("uploads at once that were accepted of 20, room for 7", answers.count(201))
    assert (answers.count(201), answers.count(409)) == (7, 13)
    assert len(kept(files)) == 7
    with acme.entered():
        assert Attachment.objects.count() == 7
    assert storages["attachments"].location == str(files)


def test_a_sender_restores_what_they_deleted_and_not_what_a_manager_did(acme, alice, carol, api, url):
    address = f"{url}{attached(api(alice), url)['id']}/"
    api(alice).delete(address)
    assert api(alice).post(f"{address}restore/").status_code == 200
    api(carol).delete(address)

    assert api(alice).post(f"{address}restore/").json()["grant"] == "internal_comments.update"
    assert api(alice).get(address).status_code == 404
    assert api(carol).post(f"{address}restore/").status_code == 200


def test_a_deleted_comment_takes_its_files_along_until_it_is_restored(acme, alice, bob, api, ticket, url):
    comments = f"{TICKETS}{ticket['id']}/comments/"
    comment = api(alice).post(comments, {"body": "See the file."}).json()
    file = attached(api(alice), url, "secret-plan.txt", comment=comment["id"])
    other = attached(api(alice), url)
    addresses = [f"{url}{file['id']}/", f"{url}{file['id']}/download/"]
    assert [api(bob).get(address).status_code for address in addresses] == [200, 200]

    api(alice).delete(f"{comments}{comment['id']}/")
    assert [api(bob).get(address).status_code for address in addresses] == [404, 404]
    assert [row["id"] for row in api(bob).get(url).json()["results"]] == [other["id"]]
    assert "secret-plan" not in api(alice).get(f"{TICKETS}{ticket['id']}/timeline/").content.decode()

    api(alice).post(f"{comments}{comment['id']}/restore/")
    assert [api(bob).get(address).status_code for address in addresses] == [200, 200]


def changed(archive_, *changes):
    """The archive with bytes written over: (where, what), counted from the central directory's entry or the end record."""
    content = bytearray(archive_)
    places = {"entry": content.rindex(b"PK\x01\x02"), "end": content.rindex(b"PK\x05\x06"), "local": 0}
    for place, offset, value in changes:
        at = places[place] + offset
        content[at : at + len(value)] = value
    return bytes(content)


PLAIN_ARCHIVE = archive({"a.txt": b"x" * 100})
# What stands where a header of LZMA is expected, in an entry that is said to be packed so.
NO_LZMA = archive({"a.txt": b"\x09\x14\x05\x00" + b"\xff" * 96}, zipfile.ZIP_STORED)
CRAFTED = {
    "a version of the future": changed(PLAIN_ARCHIVE, ("entry", 6, b"\xff\x00")),
    "LZMA that is none": changed(NO_LZMA, ("entry", 10, b"\x0e\x00"), ("local", 8, b"\x0e\x00")),
    "an entry before the file": changed(PLAIN_ARCHIVE, ("end", 16, b"\x00\x00\xff\x00")),
}


@pytest.mark.parametrize("content", CRAFTED.values(), ids=CRAFTED)
def test_an_archive_whose_headers_lie_is_refused(acme, bob, api, url, files, content):
    answer = send(api(bob), url, "a.zip", content)

    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (400, "archive")
    assert kept(files) == []


@pytest.mark.parametrize("error", [lzma.LZMAError, NotImplementedError, ValueError, RuntimeError, struct.error])
def test_whatever_the_reader_of_archives_stumbles_over_is_a_refusal(error):
    class Broken(io.BytesIO):
        def seek(self, *args):
            if args == (0, 2):
                raise error("crafted")
            return super().seek(*args)

    with pytest.raises(archives.TooMuch, match="cannot be read"):
        archives.check(Broken(PLAIN_ARCHIVE), len(PLAIN_ARCHIVE))
