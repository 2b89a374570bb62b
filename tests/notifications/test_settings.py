"""Where mail goes, told by one URL; production never has the demo's mailbox."""

import os
import subprocess
import sys

import pytest

from apps.notifications.checks import refuse_mailbox_in_production
from tests.databases import ROOT

SHOW = (
    "import django; django.setup(); from django.conf import settings as s;"
    " print(s.EMAIL_BACKEND.rsplit('.')[-2], s.EMAIL_HOST, s.EMAIL_PORT, s.EMAIL_HOST_USER, s.EMAIL_HOST_PASSWORD,"
    " s.EMAIL_USE_TLS, s.EMAIL_USE_SSL, s.DEFAULT_FROM_EMAIL)"
)


def shown(**variables: str) -> str:
    environment = {**os.environ, "BASE_URL": "https://desk.example", **variables}
    return subprocess.run(
        [sys.executable, "-c", SHOW], cwd=ROOT, env=environment, check=True, capture_output=True, text=True
    ).stdout.strip()


@pytest.mark.parametrize(
    ("mode", "url", "expected"),
    [
        ("test", "", "mailbox localhost 25   False False no-reply@desk.example"),
        ("demo", "", "mailbox localhost 25   False False no-reply@desk.example"),
        ("production", "", "smtp localhost 25   False False no-reply@desk.example"),
        (
            "production",
            "smtp+tls://us%40er:p%2Fw@mail.example:587",
            "smtp mail.example 587 us@er p/w True False no-reply@desk.example",
        ),
        ("demo", "smtps://u:p@mail.example:465", "smtp mail.example 465 u p False True no-reply@desk.example"),
    ],
)
def test_one_url_says_where_mail_goes(mode, url, expected):
    assert shown(ITSM_MODE=mode, EMAIL_URL=url) == expected


def test_the_sender_may_be_named():
    assert shown(MAIL_FROM="ITSM <desk@example.com>").endswith("ITSM <desk@example.com>")


@pytest.mark.bar(47)
@pytest.mark.parametrize(
    ("mode", "is_mailbox", "found"),
    [("production", True, ["itsm.E030"]), ("production", False, []), ("demo", True, []), ("test", True, [])],
)
def test_the_mailbox_is_refused_in_production_alone(settings, mode, is_mailbox, found):
    settings.ITSM_MODE = mode
    settings.EMAIL_BACKEND = settings.MAILBOX_BACKEND if is_mailbox else "django.core.mail.backends.smtp.EmailBackend"

    assert [check.id for check in refuse_mailbox_in_production(None)] == found
