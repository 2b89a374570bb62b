"""`?search=` on lists of tickets: best hits first, a page at a time, or by any other ordering."""

from bisect import bisect_left, bisect_right
from typing import TYPE_CHECKING, Any

from django.core import signing
from django.core.exceptions import ValidationError
from django.db import models
from rest_framework.request import Request
from rest_framework.response import Response

from apps.core.api import pagination
from apps.core.api.filters import MAX_SEARCH_LENGTH
from apps.core.api.pagination import EXACT_COUNT_LIMIT, SALT, Page, invalid_parameter
from apps.tickets import finding
from apps.tickets.finding import MOST_RANKED, Hit, Words

if TYPE_CHECKING:
    from apps.tickets.api.views import TicketActions

# What a cursor of ranked hits belongs to; columns have other names.
BY_RANK = "rank"


def is_by_rank(query: dict[str, str]) -> bool:
    return _is_asked(query) and "ordering" not in query and "format" not in query


def _is_asked(query: dict[str, str]) -> bool:
    return bool(query.get("search", "").strip())


def _words(view: "TicketActions") -> Words:
    text = view.query["search"]
    if len(text) > MAX_SEARCH_LENGTH:
        raise invalid_parameter("search", f"At most {MAX_SEARCH_LENGTH} characters are accepted.", "max_length")
    return finding.words_for(view.actor, text, view.kind)


def _hits(view: "TicketActions", rows: Any, words: Words, most: int) -> list[Any]:
    is_filtered = bool(set(view.query) & set(view.filterset_class.base_filters))
    return finding.hits(rows, words, actor=view.actor, kind=view.kind, is_filtered=is_filtered, most=most)


def found(view: "TicketActions", rows: Any) -> Any:
    """`rows` with the words that the query asks for: of the newest 10,000 hits."""
    if not _is_asked(view.query):
        return rows
    return rows.filter(pk__any_of=_hits(view, rows, _words(view), EXACT_COUNT_LIMIT + 1))


def answer(view: "TicketActions", request: Request) -> Response:
    """A page of the best of the newest 500 hits. The count is of all hits, as every list counts."""
    rows, _ = view.narrowed()
    words = _words(view)
    hits = finding.ranked(rows, _hits(view, rows, words, MOST_RANKED), words)
    page = _paginate(rows, hits, request, view.query)
    answer: dict[str, Any] = {"next": page.next, "previous": page.previous, "results": view.represent_all(page.rows)}
    if view.wants_count():
        answer.update(pagination.count(found(view, rows)) if len(hits) >= MOST_RANKED else {"count": len(hits)})
    return Response(answer)


def _paginate(rows: Any, hits: list[Hit], request: Request, query: dict[str, str]) -> Page:
    """The hits past the cursor's, by rank, instant and id; so that one that is added meanwhile shifts nothing."""
    size = pagination.page_size(query)
    begin, end = 0, size
    if "cursor" in query:
        is_reversed, last = _read_cursor(query["cursor"])
        if is_reversed:
            end = bisect_left(hits, last.place, key=_place)
            begin = max(0, end - size)
        else:
            begin = bisect_right(hits, last.place, key=_place)
            end = begin + size
    chosen = hits[begin:end]
    by_id = {row.pk: row for row in rows.filter(pk__any_of=[hit.id for hit in chosen])}
    return Page(
        [by_id[hit.id] for hit in chosen if hit.id in by_id],
        _link(request, chosen[-1], is_reversed=False) if chosen and end < len(hits) else None,
        _link(request, chosen[0], is_reversed=True) if chosen and begin > 0 else None,
    )


def _place(hit: Hit) -> tuple[float, float, int]:
    return hit.place


def _link(request: Request, hit: Hit, *, is_reversed: bool) -> str:
    return pagination.link(request, BY_RANK, [hit.rank, hit.opened_at, str(hit.id)], is_reversed=is_reversed)


def _read_cursor(cursor: str) -> tuple[bool, Hit]:
    try:
        ordering, is_reversed, (rank, opened_at, pk) = signing.Signer(salt=SALT).unsign_object(cursor)
        if ordering != BY_RANK:
            raise ValueError("the cursor belongs to another ordering")
        at = models.DateTimeField().to_python(opened_at)
        key = models.UUIDField().to_python(pk)
        if at is None or key is None:
            raise ValueError("the cursor names nothing")
        return bool(is_reversed), Hit(float(rank), at, key)
    except (signing.BadSignature, ValueError, TypeError, UnicodeError, ValidationError) as error:
        raise invalid_parameter(
            "cursor", "The cursor is not one of ours for this ordering; follow `next` and `previous` as given."
        ) from error


def marked(view: "TicketActions", rows: list[Any], answers: list[Any]) -> list[Any]:
    """Each answer with its `highlight`, in a list that was searched and shows all fields."""
    if view.action != "list" or not _is_asked(view.query) or {"format", "fields"} & set(view.query):
        return answers
    shown = finding.highlights([row.pk for row in rows], _words(view), actor=view.actor)
    for row, answer in zip(rows, answers, strict=True):
        answer["highlight"] = shown[row.pk]
    return answers
