"""Keep what tickets are found by, by number, title, description and comments."""

from typing import Any

from django.db import connection

from apps.core.models import new_id
from apps.tickets.models import Ticket

# Own words without stemming: organizations write in many languages, and a prefix finds what a stem would.
CONFIGURATION = "itsm_words"

# The parser would take <error> for markup and leave it out.
PLAIN = "translate({}, '<>', '  ')"
# A document may have a MiB, where hyphenated words stand whole and in parts, each with its place. Of description, public and
# internal comments each has this many characters of one byte, fewer of more, and at worst 105 kB, which become 330 kB.
LONGEST = 60_000
BEGINNING = f"left({{0}}, {LONGEST})"
CUT = f"left({{0}}, (CAST({LONGEST} AS bigint) * length({BEGINNING}) / greatest(octet_length({BEGINNING}), 1))::int)"
SAID = "COALESCE(string_agg(c.body, ' ' ORDER BY c.id DESC) FILTER (WHERE c.visibility = '{}'), '')"
WORDS = f"""
INSERT INTO tickets_searchdocument (id, organization_id, ticket_id, kind, public_words, all_words)
SELECT {{}}, t.organization_id, t.id, t.kind, said.public_words, said.public_words || said.internal_words
FROM tickets_ticket t CROSS JOIN LATERAL (
    SELECT setweight(to_tsvector('{CONFIGURATION}', {PLAIN.format("t.number || ' ' || t.title")}), 'A')
           || setweight(to_tsvector('{CONFIGURATION}', {PLAIN.format(CUT.format("t.description"))}), 'B')
           || setweight(to_tsvector('{CONFIGURATION}', {PLAIN.format(CUT.format("texts.public"))}), 'C') AS public_words,
           setweight(to_tsvector('{CONFIGURATION}', {PLAIN.format(CUT.format("texts.internal"))}), 'D') AS internal_words
    FROM (
        SELECT {SAID.format("public")} AS public, {SAID.format("internal")} AS internal
        FROM tickets_comment c
        WHERE c.organization_id = t.organization_id AND c.ticket_id = t.id AND c.deleted_at IS NULL
    ) texts
) said
WHERE t.organization_id = %(organization)s AND {{}}
ON CONFLICT (organization_id, ticket_id)
DO UPDATE SET public_words = EXCLUDED.public_words, all_words = EXCLUDED.all_words
"""  # noqa: S608 - our own table and configuration
WRITE = WORDS.format("%(id)s", "t.id = %(ticket)s")
WRITE_MANY = WORDS.format("gen_random_uuid()", "t.id = ANY(%(tickets)s::uuid[])")


def write(ticket: Ticket) -> None:
    """Write down anew what `ticket` is found by; in the transaction of whatever changed it."""
    parameters: dict[str, Any] = {"id": new_id(), "organization": ticket.organization_id, "ticket": ticket.pk}
    with connection.cursor() as cursor:
        cursor.execute(WRITE, parameters)
