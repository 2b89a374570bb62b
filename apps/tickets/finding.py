"""Find tickets by words: what somebody may find, in which order, and where the words stand.

`tickets.search` keeps the documents that this reads. Whoever does not read internal notes is answered from the public words
alone, in hits, order, count and highlights alike, so that nothing can be guessed from outside.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from html import escape
from typing import Any
from uuid import UUID

from django.contrib.postgres.search import SearchQuery, SearchRank
from django.db import connection
from django.db.models import F, ForeignKey, Lookup, QuerySet, UUIDField

from apps.core.actors import Actor
from apps.tickets import kinds, rights
from apps.tickets.choices import Visibility
from apps.tickets.models import SearchDocument
from apps.tickets.search import CONFIGURATION, PLAIN

# Of a common word the newest hits alone are ranked: ranking all of them costs a hundred times as much.
MOST_RANKED = 500
# How many of one's own tickets, or of those that filters leave, are looked through for a common word, newest first.
MOST_LOOKED_THROUGH = 10_000
NUMBER = re.compile(r"[a-z]{2,4}[0-9]{1,18}", re.ASCII | re.IGNORECASE)
# As the documents are written: `<error>` is a word in brackets.
NO_MARKUP = str.maketrans("<>", "  ")
# Ranks of words end at 1; the ticket whose number was given comes before whatever mentions it.
EXACT_RANK = 2.0


class AnyOf(Lookup):
    """`id = ANY(array)`: one parameter, whatever their number."""

    lookup_name = "any_of"
    prepare_rhs = False

    def as_sql(self, compiler: Any, connection: Any) -> Any:
        column, parameters = self.process_lhs(compiler, connection)
        return f"{column} = ANY(%s)", [*parameters, list(self.rhs)]


UUIDField.register_lookup(AnyOf)
ForeignKey.register_lookup(AnyOf)


@dataclass(frozen=True, slots=True)
class Words:
    """What somebody looks for: every word, the last one perhaps not written to its end.

    `is_internal` says whether internal notes are looked through as well.
    """

    text: str
    is_internal: bool

    @property
    def column(self) -> str:
        return "all_words" if self.is_internal else "public_words"

    def words(self) -> list[str]:
        return self.text.translate(NO_MARKUP).split()

    def query(self, operator: str = " & ") -> str:
        """As to_tsquery reads it. Each word is quoted, so that nothing in it is an operator and no input an error."""
        quoted = ["'" + word.replace("\\", "\\\\").replace("'", "''") + "'" for word in self.words()]
        return operator.join(quoted) + ":*" if quoted else ""

    def tsquery(self) -> SearchQuery:
        return SearchQuery(self.query(), config=CONFIGURATION, search_type="raw")


@dataclass(frozen=True, slots=True)
class Hit:
    """One ticket that was found, as hits are ordered: the best first, then the newest."""

    rank: float
    opened_at: datetime
    id: UUID

    @property
    def place(self) -> tuple[float, float, int]:
        """Smaller is further in front."""
        return (-self.rank, -self.opened_at.timestamp(), -self.id.int)


def words_for(actor: Actor, text: str, kind: str) -> Words:
    """With internal notes where all of them, and all tickets of `kind` (of every kind where it is empty), are the actor's
    to read: on what is only their own nobody reads them.
    """
    is_internal = all(rights.reads_all(actor, resource) for resource in (rights.INTERNAL, *_resources(kind)))
    return Words(text, is_internal=is_internal)


def _resources(kind: str) -> list[str]:
    return [kinds.get(kind).resource] if kind else list(kinds.resources().values())


def hits(rows: QuerySet[Any], words: Words, *, actor: Actor, kind: str, is_filtered: bool, most: int) -> list[UUID]:
    """At most `most` tickets with these words, the newest; not all of them need be among `rows`.

    `rows` are what the actor may see of `kind` (all kinds where it is empty), as the filters leave it. None of theirs is
    lost because others have newer ones with the same word: then `rows` themselves are looked through.
    """
    if all(rights.reads_all(actor, resource) for resource in _resources(kind)):
        found = _of_organization(words, kind, most)
        if len(found) < most or not is_filtered:
            return found
    newest = rows.order_by("-opened_at", "-id").values_list("pk", flat=True)[:MOST_LOOKED_THROUGH]
    documents = SearchDocument.objects.filter(ticket_id__any_of=list(newest), **{words.column: words.tsquery()})
    return list(documents.order_by("-ticket_id").values_list("ticket_id", flat=True)[:most])


def _of_organization(words: Words, kind: str, most: int) -> list[UUID]:
    statement = f"SELECT * FROM tickets_hits(to_tsquery('{CONFIGURATION}', %s), %s, %s, %s)"  # noqa: S608 - our own function
    with connection.cursor() as cursor:
        cursor.execute(statement, [words.query(), words.is_internal, kind, most])
        return [row[0] for row in cursor.fetchall()]


def ranked(rows: QuerySet[Any], found: Sequence[UUID], words: Words) -> list[Hit]:
    """Those of `found` that are among `rows`, the best first, the newest of equals first."""
    exact = words.text.strip().upper() if NUMBER.fullmatch(words.text.strip()) else ""
    rank = SearchRank(F(f"search_documents__{words.column}"), words.tsquery(), cover_density=True)
    among = rows.filter(pk__any_of=found).order_by().values_list("number", rank, "opened_at", "pk")
    hits = [Hit(EXACT_RANK if number == exact else rank, at, pk) for number, rank, at, pk in among]
    return sorted(hits, key=lambda hit: hit.place)


# --- where the words stand

# Characters for private use stand for the marks and for what HTML would read, until the text is escaped.
OPEN, CLOSE, LESS, MORE, AND = "\ue000", "\ue001", "\ue002", "\ue003", "\ue004"
STAND_INS = f"translate({{}}, '<>&{OPEN}{CLOSE}', '{LESS}{MORE}{AND}')"
MARKS = f"StartSel={OPEN}, StopSel={CLOSE}"
SNIPPET = f"{MARKS}, MinWords=12, MaxWords=30"
LONGEST = 20_000
HEADLINES = f"""
SELECT t.id, ts_headline('{CONFIGURATION}', {STAND_INS.format("t.title")}, q.words, '{MARKS}, HighlightAll=true'),
       ts_headline('{CONFIGURATION}', {STAND_INS.format("COALESCE(c.body, left(t.description, %(longest)s))")}, q.words, '{SNIPPET}')
FROM tickets_ticket t
CROSS JOIN (SELECT to_tsquery('{CONFIGURATION}', %(words)s) AS words) q
LEFT JOIN LATERAL (
    SELECT left(said.body, %(longest)s) AS body FROM tickets_comment said
    WHERE said.organization_id = %(organization)s AND said.ticket_id = t.id AND said.deleted_at IS NULL
      AND said.visibility = ANY(%(visibilities)s)
      AND to_tsvector('{CONFIGURATION}', {PLAIN.format("left(said.body, %(longest)s)")}) @@ q.words
    ORDER BY said.created_at DESC LIMIT 1
) c ON NOT to_tsvector('{CONFIGURATION}', {PLAIN.format("left(t.description, %(longest)s)")}) @@ q.words
WHERE t.organization_id = %(organization)s AND t.id = ANY(%(ids)s)
"""  # noqa: S608 - our own tables and characters


def highlights(ids: Iterable[UUID], words: Words, *, actor: Actor) -> Mapping[UUID, dict[str, str]]:
    """For each of these tickets, which the caller has found to be the actor's to see, title and a piece of text as HTML.

    The words stand in `<mark>`, and everything else is escaped. The text is the description's, or that of the newest comment
    with one of the words where the description has none.
    """
    wanted = list(ids)
    if not wanted:
        return {}
    visibilities = [*Visibility.values] if words.is_internal else [Visibility.PUBLIC.value]
    parameters: Any = {
        "words": words.query(" | "),
        "longest": LONGEST,
        "organization": actor.organization_id,
        "visibilities": visibilities,
        "ids": wanted,
    }
    with connection.cursor() as cursor:
        cursor.execute(HEADLINES, parameters)
        return {pk: {"title": _html(title), "text": _html(text)} for pk, title, text in cursor.fetchall()}


_HTML = str.maketrans({OPEN: "<mark>", CLOSE: "</mark>", LESS: "&lt;", MORE: "&gt;", AND: "&amp;"})


def _html(text: str) -> str:
    return escape(text).translate(_HTML)
