from django.db import migrations

from apps.audit.capture import CaptureRows
from apps.core.wall.operations import Door, Wall

CHANGED_BY_PEOPLE = (
    "Category",
    "Tag",
    "CustomField",
    "PriorityCell",
    "SavedView",
    "CannedReply",
    "Comment",
    "Attachment",
    "Worklog",
    "Task",
    "TaskDependency",
    "Watcher",
    "Link",
    "Merge",
)
WORDS = """
CREATE EXTENSION IF NOT EXISTS unaccent;
CREATE EXTENSION IF NOT EXISTS btree_gin;
CREATE EXTENSION IF NOT EXISTS pg_trgm;
CREATE TEXT SEARCH CONFIGURATION itsm_words (COPY = pg_catalog.simple);
ALTER TEXT SEARCH CONFIGURATION itsm_words
    ALTER MAPPING FOR hword, hword_part, word WITH unaccent, simple;
CREATE INDEX search_document_public ON tickets_searchdocument USING gin (organization_id, public_words);
CREATE INDEX search_document_all ON tickets_searchdocument USING gin (organization_id, all_words);
"""
# Row-level security takes the GIN index away (@@ is not leakproof), so the words are asked for behind a door that compares
# the tenant itself. Of a common word only the newest are ranked.
FIND = """
SELECT found.ticket_id, ts_rank_cd(found.words, wanted) FROM (
    SELECT d.ticket_id, CASE WHEN is_internal THEN d.all_words ELSE d.public_words END AS words
    FROM public.tickets_searchdocument d
    WHERE d.organization_id = (SELECT NULLIF(current_setting('app.org_id', true), '')::uuid)
      AND CASE WHEN is_internal THEN d.all_words @@ wanted ELSE d.public_words @@ wanted END
    ORDER BY d.ticket_id DESC LIMIT most
) found
"""


class Migration(migrations.Migration):
    dependencies = [("tickets", "0001_initial"), ("audit", "0004_stamps"), ("cmdb", "0001_initial")]
    operations = [
        Wall("Ticket", *CHANGED_BY_PEOPLE, "CommentEdit", "SearchDocument"),
        CaptureRows("Ticket", stamps=["sla_due_at", "responded_at"]),
        CaptureRows(*CHANGED_BY_PEOPLE),
        migrations.RunSQL(WORDS, migrations.RunSQL.noop),
        Door(
            "tickets_find(wanted tsquery, is_internal boolean, most integer)",
            "TABLE (ticket_id uuid, rank real)",
            FIND,
            reads=["tickets_searchdocument"],
        ),
    ]
