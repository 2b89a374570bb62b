"""Pages of any rows, in any ordering with ties and nulls, are the sorted list cut into pieces."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from urllib.parse import parse_qsl, urlsplit

import pytest
from django.http import QueryDict
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apps.core.api.pagination import Page, paginate
from apps.organizations.models import Team
from tests.conftest import IS_FULL_RUN
from tests.factories import TeamFactory

EXAMPLES = 400 if IS_FULL_RUN else 40
START = datetime(2026, 11, 21, tzinfo=UTC)
# Few values, so that many rows are equal; microseconds, because a cursor that lost them would skip or repeat.
moments = st.none() | st.integers(0, 3).map(lambda n: START + timedelta(microseconds=n))
rows = st.lists(st.tuples(moments, st.integers(0, 2)), max_size=14)
# A nullable column and two that are not; names are unique, so only the other two have ties.
orderings = st.sampled_from(["deleted_at", "-deleted_at", "created_at", "-created_at", "name", "-name", "id", "-id"])


def page_of(queryset, ordering, parameters) -> Page:
    query = QueryDict(mutable=True)
    query.update(parameters)
    request = SimpleNamespace(query_params=query, path="/things/", build_absolute_uri=lambda path: path)
    return paginate(queryset, ordering, request, dict(parameters))


def follow(link: str) -> dict[str, str]:
    return dict(parse_qsl(urlsplit(link).query))


def expected(teams, ordering):
    """What PostgreSQL is asked for: nulls last in both directions, the id as tie-break in the direction of travel."""
    column, is_descending = ordering.removeprefix("-"), ordering.startswith("-")
    having = sorted(
        (team for team in teams if getattr(team, column) is not None),
        key=lambda team: (getattr(team, column), team.pk),
        reverse=is_descending,
    )
    lacking = sorted(
        (team for team in teams if getattr(team, column) is None), key=lambda team: team.pk, reverse=is_descending
    )
    return [team.pk for team in having + lacking]


@pytest.mark.bar(41)
@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=rows, ordering=orderings, size=st.integers(1, 6))
def test_pages_forward_and_back_are_the_sorted_list(acme, rows, ordering, size):
    with acme.entered():
        Team.objects.all().delete()
        teams = [
            TeamFactory(name=f"Team {n}", deleted_at=deleted_at, created_at=START + timedelta(microseconds=tie))
            for n, (deleted_at, tie) in enumerate(rows)
        ]
        whole = expected(teams, ordering)
        pages, parameters = [], {"page_size": str(size)}
        while True:
            page = page_of(Team.objects.all(), ordering, parameters)
            pages.append(page)
            assert (page.previous is None) == (len(pages) == 1)
            if page.next is None:
                break
            parameters = follow(page.next)
        assert [team.pk for page in pages for team in page.rows] == whole
        assert all(len(page.rows) == size for page in pages[:-1])

        back = [page]
        while page.previous is not None:
            page = page_of(Team.objects.all(), ordering, follow(page.previous))
            back.insert(0, page)
        assert [team.pk for page in back for team in page.rows] == whole


@pytest.mark.bar(41)
@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=rows, more=rows, ordering=orderings, size=st.integers(1, 6), seed=st.randoms(use_true_random=False))
def test_rows_that_come_between_two_pages_hide_and_repeat_none_that_were_there(
    *, acme, rows, more, ordering, size, seed
):
    with acme.entered():
        Team.objects.all().delete()

        def add(values):
            number = Team.objects.count()
            return TeamFactory(
                name=f"Team {seed.random()} {number}",
                deleted_at=values[0],
                created_at=START + timedelta(microseconds=values[1]),
            )

        stays, late = [add(values) for values in rows], list(more)
        seen, parameters = [], {"page_size": str(size)}
        while True:
            page = page_of(Team.objects.all(), ordering, parameters)
            seen += [team.pk for team in page.rows]
            if page.next is None:
                break
            if late:
                add(late.pop())
            parameters = follow(page.next)
        everything = list(Team.objects.all())

    assert len(seen) == len(set(seen))
    assert {team.pk for team in stays} <= set(seen)
    order = expected(everything, ordering)
    assert seen == sorted(seen, key=order.index)
