"""Unsafe settings are refused in production and nowhere else; the demo never meets production."""

import os
import subprocess
import sys

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.core.management import CommandError, call_command

from apps.core.checks import refuse_unsafe_production
from apps.organizations.models import Organization
from apps.organizations.services import find_organization, refuse_demo_in_production
from apps.users import demo
from tests import factories
from tests.databases import ROOT

SAFE = {
    "ITSM_MODE": "production",
    "DEBUG": False,
    "SECRET_KEY": "kV9-2xQm7ZrT4wYb1NcD8fGhJ6LpS3aE5uRtXyWvBqMzKiOe0d",
    "ALLOWED_HOSTS": ["desk.example"],
    "DATABASE_ROLE": "worker",
    "BASE_URL": "https://desk.example",
    "REDIS_URL": "redis://:sesame@redis.example:6379/0",
    "CORS_ALLOWED_ORIGINS": ["https://app.example", "https://app.example:8443"],
    "RATE_LIMITS": {"user": "10/60", "anonymous": "10/60/5", "token": "0"},
}
UNSAFE = [
    ("E001", {"DEBUG": True}),
    ("E002", {"SECRET_KEY": SAFE["SECRET_KEY"][:49]}),
    ("E002", {"SECRET_KEY": "ab" * 40}),
    ("E002", {"SECRET_KEY_FALLBACKS": [SAFE["SECRET_KEY"], "demo-" + SAFE["SECRET_KEY"]]}),
    ("E002", {"SECRET_KEY": "only-for-tests-" + SAFE["SECRET_KEY"]}),
    ("E002", {"SECRET_KEY": "django-insecure-" + SAFE["SECRET_KEY"]}),
    ("E002", {"SECRET_KEY": "demo-" + SAFE["SECRET_KEY"]}),
    ("E003", {"ALLOWED_HOSTS": []}),
    ("E004", {"ALLOWED_HOSTS": ["desk.example", "*"]}),
    ("E005", {"DATABASE_ROLE": "app"}),
    ("E006", {"BASE_URL": "http://desk.example"}),
    ("E006", {"BASE_URL": "desk.example"}),
    ("E007", {"REDIS_URL": "redis://redis.example:6379/0"}),
    ("E007", {"REDIS_URL": "redis://user@redis.example:6379/0"}),
    ("E010", {"CORS_ALLOWED_ORIGINS": ["*"]}),
    ("E010", {"CORS_ALLOWED_ORIGINS": ["https://app.example", "http://app.example"]}),
    ("E010", {"CORS_ALLOWED_ORIGINS": ["https://*.example"]}),
    ("E010", {"CORS_ALLOWED_ORIGINS": ["https://app.example/"]}),
    ("E010", {"CORS_ALLOWED_ORIGINS": ["null"]}),
    ("E011", {"RATE_LIMITS": {"usr": "10/60"}}),
    ("E011", {"RATE_LIMITS": {"user": "10"}}),
    ("E011", {"RATE_LIMITS": {"user": "0/60"}}),
    ("E011", {"RATE_LIMITS": {"user": "10/60/x"}}),
    ("E012", {"METRICS_ADDRESS": "127.0.0.1"}),
    ("E012", {"METRICS_ADDRESS": "127.0.0.1:70000"}),
    ("E012", {"METRICS_ADDRESS": "::1:9464"}),
    ("E012", {"METRICS_NETWORKS": ["everybody"]}),
    ("E012", {"METRICS_TOKEN": "short"}),
]


def found(settings, changes):
    for name, value in {**SAFE, **changes}.items():
        setattr(settings, name, value)
    return [check.id for check in refuse_unsafe_production(None)]


def test_sound_production_settings_have_no_findings(settings):
    assert found(settings, {}) == []


@pytest.mark.bar(47)
@pytest.mark.asvs("13.4.2", "13.2.3")
@pytest.mark.parametrize(("identifier", "changes"), UNSAFE)
def test_each_unsafe_setting_is_an_error_in_production_with_a_hint(settings, identifier, changes):
    assert found(settings, changes) == [f"itsm.{identifier}"]

    (check,) = refuse_unsafe_production(None)
    assert check.is_serious()
    assert check.msg
    assert check.hint


@pytest.mark.parametrize("mode", ["demo", "test"])
@pytest.mark.parametrize(("identifier", "changes"), UNSAFE)
def test_demo_and_test_modes_are_exempt(settings, mode, identifier, changes):
    assert found(settings, {**changes, "ITSM_MODE": mode}) == []


@pytest.mark.bar(47)
def test_the_command_line_refuses_them_and_the_default_mode_is_production():
    environment = {
        **{key: value for key, value in os.environ.items() if key not in {"ITSM_MODE", "DATABASE_ROLE"}},
        "ITSM_ENV_FILE": "/nonexistent",
        "SECRET_KEY": "short",
        "DATABASE_URL": "postgres://itsm_app:x@/nowhere",
        "SYSTEM_DATABASE_URL": "postgres://itsm_system:x@/nowhere",
        "REDIS_URL": "redis://127.0.0.1:6379/0",
        "ALLOWED_HOSTS": "*",
        "BASE_URL": "http://desk.example",
        "DEBUG": "1",
    }
    done = subprocess.run(
        [sys.executable, "manage.py", "check"], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )

    assert done.returncode == 1
    assert [number for number in range(1, 8) if f"itsm.E00{number}" in done.stderr] == [1, 2, 4, 5, 6, 7]


@pytest.mark.parametrize("variable", ["ITSM_MODE", "DATABASE_ROLE"])
def test_an_unknown_mode_or_role_stops_the_process_and_names_what_is_accepted(variable):
    done = subprocess.run(
        [sys.executable, "manage.py", "check"],
        cwd=ROOT,
        env={**os.environ, variable: "staging"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 1
    assert f"{variable} is 'staging'; accepted: " in done.stderr


# --- the demo


def test_the_demo_is_not_loaded_in_production(db, settings, tmp_path):
    settings.ITSM_MODE = "production"
    target = tmp_path / "demo.json"

    with pytest.raises(CommandError, match="Accepted: demo, test"):
        call_command("load_demo", write=target)

    assert not target.exists()
    assert [find_organization(slug) for slug in ("acme", "globex", "operators")] == [None, None, None]


def test_the_demo_s_people_are_not_made_in_production_by_any_other_way(db, settings):
    settings.ITSM_MODE = "production"
    with pytest.raises(ImproperlyConfigured):
        demo.load(None, {"acme": {}})


@pytest.mark.parametrize("mode", ["production", "demo", "test"])
def test_production_does_not_serve_beside_a_demo(acme, settings, mode):
    settings.ITSM_MODE = mode
    refuse_demo_in_production()
    factories.make_organization(slug="demo", name="Demo", is_demo=True)

    if mode == "production":
        with pytest.raises(ImproperlyConfigured, match="demo"):
            refuse_demo_in_production()
    else:
        refuse_demo_in_production()
    with acme.entered():
        assert Organization.objects.count() == 1
