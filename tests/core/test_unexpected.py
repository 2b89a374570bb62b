"""What nobody foresaw: a problem with the request's id, a logged trace, nothing written, nothing told (T37)."""

import re

import pytest
from django.core.exceptions import PermissionDenied
from django.http import Http404
from django.test import RequestFactory

from apps.core.api.record_views import RecordViewSet
from apps.core.middleware import AdminHeadersMiddleware
from apps.organizations.models import Team
from tests.core import broken_urls, routes
from tests.core.broken_urls import FAILURES, SECRET
from tests.core.expectations import assert_problem

EXPECTED = {"not found": (404, "not_found"), "denied": (403, "missing_grant"), "suspicious": (400, "invalid")}


@pytest.fixture
def broken(settings):
    settings.ROOT_URLCONF = broken_urls.__name__


@pytest.mark.bar(37)
@pytest.mark.asvs("16.5.1", "16.5.3")
@pytest.mark.parametrize("failure", FAILURES)
@pytest.mark.parametrize("layer", ["api/v1/broken/open", "api/v1/broken/guarded", "broken/plain"])
def test_any_failure_in_any_layer_is_a_problem_that_tells_nothing(*, acme, dan, api, broken, log_lines, layer, failure):
    status, code = EXPECTED.get(failure, (500, "unexpected"))

    answer = api(dan).get(f"/{layer}/{failure}/")

    assert_problem(answer, status, code)
    assert SECRET not in answer.content.decode()
    if status == 500:
        traces = [line for line in log_lines() if "exception" in line]
        if layer != "broken/plain":
            assert [SECRET in line["exception"] for line in traces] == [True]
            assert (traces[0]["request_id"], traces[0]["problem"]) == (answer["X-Request-ID"], "unexpected")


@pytest.mark.bar(37)
@pytest.mark.asvs("2.3.3")
@pytest.mark.parametrize("failure", ["runtime", "not found", "sql"])
@pytest.mark.parametrize("key", [None, "one"])
def test_a_failure_after_a_write_leaves_nothing_behind(*, acme, dan, api, broken, failure, key):
    headers = {"HTTP_IDEMPOTENCY_KEY": key} if key else {}

    answer = api(dan).post(f"/api/v1/broken/guarded/{failure}/", {}, **headers)

    assert_problem(answer, *EXPECTED.get(failure, (500, "unexpected")))
    with acme.entered():
        assert not Team.objects.exists()


def test_what_cannot_be_rendered_is_a_problem_too(db, api, broken):
    assert_problem(api().get("/api/v1/broken/unrenderable/"), 500, "unexpected")


@pytest.mark.asvs("8.3.1")
def test_a_view_that_names_no_grant_answers_nobody(acme, dan, api, broken):
    body = assert_problem(api(dan).get("/api/v1/broken/forgetful/"), 403, "missing_grant")

    assert "Forgetful names no grant for get" in body["detail"]


@pytest.mark.asvs("8.2.1")
@pytest.mark.parametrize("route", routes.record_routes(), ids=str)
def test_every_action_of_every_record_view_names_its_grant(route):
    assert issubclass(route.view, RecordViewSet)
    for method, action in route.actions.items():
        if method in route.view.http_method_names:
            assert action in route.view.grants, f"{route} {method}"


@pytest.mark.asvs("8.2.1", "8.3.1")
@pytest.mark.budget(50)
@pytest.mark.parametrize("route", routes.record_routes(), ids=str)
def test_strangers_are_401_on_every_record_route_whatever_the_method(db, api, route):
    path = re.sub("<(?:uuid|record):[a-z_]+>", "01a1fd93-36eb-72eb-a2d4-cfb1944d6e69", route.path)
    for method in ("GET", "POST", "PATCH", "DELETE", "PUT", "OPTIONS"):
        answer = api().generic(method, path, "{}", content_type="application/json")
        assert_problem(answer, 401, "not_authenticated")
    assert api().head(path).status_code == 401


@pytest.mark.bar(37)
@pytest.mark.parametrize(
    ("address", "failure", "traces"),
    [
        ("/admin/users/user/", RuntimeError("why"), 1),
        ("/admin/users/user/", Http404(), 0),
        ("/admin/users/user/", PermissionDenied(), 0),
        # The API's own handler has logged it.
        ("/api/v1/teams/", RuntimeError("why"), 0),
    ],
)
def test_what_nobody_foresaw_in_the_admin_is_logged_with_its_trace(log_lines, address, failure, traces):
    AdminHeadersMiddleware(lambda request: None).process_exception(RequestFactory().get(address), failure)

    logged = [line for line in log_lines() if "exception" in line]
    assert ["RuntimeError: why" in line["exception"] for line in logged] == [True] * traces
