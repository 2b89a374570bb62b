"""What a production deployment shows to strangers: no finding of Django's, the right headers, nothing about itself (T47)."""

import json
import os
import subprocess
import sys

import pytest

from tests.core.test_checks import SAFE
from tests.databases import ROOT
from tests.factories import PASSWORD

pytestmark = pytest.mark.bar(47)

TEAMS = "/api/v1/teams/"
STRICT = {
    "DEBUG": False,
    "SESSION_COOKIE_SECURE": True,
    "SESSION_COOKIE_HTTPONLY": True,
    "SESSION_COOKIE_SAMESITE": "Lax",
    "CSRF_COOKIE_SECURE": True,
    "CSRF_COOKIE_HTTPONLY": True,
    "SECURE_HSTS_SECONDS": 31_536_000,
    "SECURE_CONTENT_TYPE_NOSNIFF": True,
    "X_FRAME_OPTIONS": "DENY",
    "IS_DEMO": False,
    # The redirect to TLS is the proxy's; subdomains and preload are for the domain's owner to decide.
    "SILENCED_SYSTEM_CHECKS": ["security.W008", "security.W005", "security.W021"],
}
BANNERS = ("Server", "X-Powered-By", "Via", "X-AspNet-Version")


def in_production(*command: str, **changes: str) -> "subprocess.CompletedProcess[str]":
    """A web process's environment, as docs/operations.md gives it."""
    environment = {
        "PATH": os.environ["PATH"],
        "ITSM_ENV_FILE": "/nonexistent",
        "DJANGO_SETTINGS_MODULE": "itsm_project.settings",
        "SECRET_KEY": str(SAFE["SECRET_KEY"]),
        "ALLOWED_HOSTS": "desk.example",
        "BASE_URL": "https://desk.example",
        "DATABASE_URL": "postgres://itsm_app:x@db.example/itsm",
        "REDIS_URL": str(SAFE["REDIS_URL"]),
        **changes,
    }
    return subprocess.run(
        [sys.executable, *command], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )


@pytest.mark.asvs("13.4.2")
def test_check_deploy_finds_nothing_in_a_sound_production() -> None:
    done = in_production("manage.py", "check", "--deploy", "--fail-level", "INFO")

    assert (done.returncode, done.stderr) == (0, "")
    assert "no issues" in done.stdout


def test_check_deploy_does_look() -> None:
    """A weak secret and a page over plain HTTP are found, so that the silence above means something."""
    done = in_production("manage.py", "check", "--deploy", SECRET_KEY="short", BASE_URL="http://desk.example")

    assert done.returncode == 1
    for identifier in ("itsm.E002", "itsm.E006", "security.W009", "security.W016"):
        assert identifier in done.stderr


@pytest.mark.asvs("3.3.1", "3.3.2", "3.3.4", "3.4.1", "13.4.2")
def test_production_settings_are_the_strict_ones() -> None:
    code = (
        "import django, json; django.setup(); from django.conf import settings;"
        f"print(json.dumps({{name: getattr(settings, name) for name in {list(STRICT)!r}}}))"
    )
    done = in_production("-c", code)

    assert json.loads(done.stdout) == STRICT


@pytest.fixture
def in_tls(settings):
    """As in production behind TLS; middleware reads these when the first request of a client comes."""
    settings.SECURE_HSTS_SECONDS = 31_536_000
    settings.SESSION_COOKIE_SECURE = settings.CSRF_COOKIE_SECURE = True
    settings.IS_DEMO = False


@pytest.mark.asvs("3.4.1", "3.4.4", "3.4.6", "13.4.6")
@pytest.mark.parametrize(
    ("who", "path", "status"),
    [
        ("dan", TEAMS, 200),
        ("dan", f"{TEAMS}?colour=blue", 400),
        ("bob", TEAMS, 403),
        (None, TEAMS, 401),
        (None, "/no/such/page/", 404),
        (None, "/health/live/", 200),
        (None, "/admin/login/", 200),
        (None, "/api/schema/", 401),
    ],
)
def test_every_answer_has_the_headers_of_a_careful_server(request, acme, api, in_tls, who, path, status):
    answer = api(request.getfixturevalue(who) if who else None).get(path, secure=True)

    assert answer.status_code == status
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert answer["X-Frame-Options"] == "DENY" or "frame-ancestors 'none'" in answer["Content-Security-Policy"]
    assert answer["Strict-Transport-Security"].startswith("max-age=31536000")
    assert answer["Referrer-Policy"] == "same-origin"
    assert [name for name in BANNERS if name in answer] == []
    if path.startswith("/api/v1/"):
        assert answer["Cache-Control"] == "no-store"
    if path.startswith("/admin/"):
        assert "no-store" in answer["Cache-Control"]
    assert not any(name in str(answer.headers) + answer.content.decode() for name in ("Django/", "Python/", "gunicorn"))


@pytest.mark.asvs("14.3.2")
def test_tokens_are_never_kept_by_a_cache(acme, dan, api, in_tls):
    answer = api().post("/api/v1/auth/token/", {"email": dan.email, "password": PASSWORD}, secure=True)

    assert (answer.status_code, answer["Cache-Control"]) == (200, "no-store")


@pytest.mark.asvs("3.3.1", "3.3.2", "3.3.4")
def test_the_admins_cookies_are_of_the_admin_alone_and_out_of_scripts_reach(acme, api, in_tls):
    answer = api().get("/admin/login/", secure=True)

    assert answer.cookies
    for cookie in answer.cookies.values():
        assert (cookie["secure"], cookie["httponly"], cookie["path"]) == (True, True, "/admin/")
        assert cookie["samesite"] in {"Lax", "Strict"}


@pytest.mark.asvs("13.4.5")
@pytest.mark.parametrize("path", ["/api/schema/", "/api/docs/", "/api/redoc/"])
def test_the_document_is_for_the_signed_in_outside_the_demo(acme, bob, api, settings, path):
    settings.IS_DEMO = False
    assert api().get(path).status_code == 401
    assert api(bob).get(path).status_code == 200

    settings.IS_DEMO = True
    assert api().get(path).status_code == 200


@pytest.mark.asvs("13.4.5")
@pytest.mark.parametrize(
    "path", ["/metrics", "/metrics/", "/debug/", "/__debug__/", "/.env", "/.git/config", "/static/../manage.py"]
)
def test_what_tells_of_the_inside_is_not_there(db, api, path):
    assert api().get(path).status_code == 404
