"""Row capture: the triggers that write RowChange, where they sit, and the named list of where they do not."""

from collections.abc import Sequence
from typing import Any

from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import ProjectState

from apps.core.wall.operations import WallOperation
from apps.core.wall.roles import APP, AUDIT_WRITER, WORKER

# Walled tables whose rows no person changes directly, or which are history themselves.
NOT_CAPTURED = {
    "audit_event": "is the log",
    "audit_rowchange": "is the log",
    "audit_dispatch": "delivery state, moved by the relay",
    "core_idempotencykey": "answers kept for a day",
    "notifications_mail": "delivery state of mails",
    "notifications_mailboxmessage": "the demo's mail, kept instead of sent",
    "users_presence": "moves with every break; real changes are events",
    "core_denialcount": "counts refusals by the minute; the events it lets through are the log",
    "users_apitokenuse": "last use, stamped at most once a minute",
    "users_operatorvisit": "remembers that an event was written",
    "organizations_numberseries": "counts up with every record that has a number; the record itself is captured",
    "tickets_assignmentturn": "whose turn it is; moves with every ticket, which is captured",
    "tickets_placement": "moved by the platform with every offer; what came of it are events",
    "tickets_countdown": "when to look at a ticket again; what comes of it are events",
    "tickets_commentedit": "is history itself: what a comment said before",
    "tickets_searchdocument": "the words of what is captured elsewhere",
    "incidents_duplicatesuspicion": "found by the platform, not by a person",
    "incidents_importedincident": "remembers what an import has read; the incident itself is captured",
    "incidents_majorupdate": "what was promised and what became of it; moved by facts, which are events",
    "incidents_handover": "who was asked and what they answered; each step is an event",
    "sla_timer": "moved by the platform with every fact of its ticket; what people do to it are events",
    "sla_segment": "is history itself: what a timer went through",
    "sla_levelfiring": "written once by the platform; what it tells is an event",
    "sla_reading": "is history itself: what conditions read at an event",
    "sla_escalationrun": "moved by the platform step by step; what it does is told by events",
    "sla_escalationfiring": "written once by the platform; what it tells is an event",
    "sla_acknowledgement": "follows from a fact that is an event",
    "sla_notice": "when somebody was told last; what they were told is an event",
    "core_job": "progress of work whose every write is captured; who asked and how it ended are events",
}

FUNCTION = f"""
CREATE OR REPLACE FUNCTION audit_capture_row() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    tenant_column text := TG_ARGV[0];
    secrets text[] := COALESCE(NULLIF(TG_ARGV[1], '')::text[], '{{}}');
    stamps text[] := COALESCE(NULLIF(TG_ARGV[3], '')::text[], '{{}}');
    before_row jsonb;
    after_row jsonb;
    some_row jsonb;
    diff jsonb;
BEGIN
    IF TG_LEVEL = 'STATEMENT' THEN
        INSERT INTO public.audit_rowchange (id, organization_id, at, actor_id, request_id, via, table_name, row_id, operation, diff)
        SELECT gen_random_uuid(), (whole ->> tenant_column)::uuid, clock_timestamp(),
               NULLIF(current_setting('app.actor_id', true), '')::uuid, COALESCE(current_setting('app.request_id', true), ''),
               COALESCE(current_setting('app.via', true), ''), TG_TABLE_NAME, (whole ->> TG_ARGV[2])::uuid, TG_OP,
               whole || COALESCE((SELECT jsonb_object_agg(secret, '***') FROM unnest(secrets) secret WHERE whole ? secret), '{{}}')
        FROM (SELECT to_jsonb(added) AS whole FROM added) rows;
        RETURN NULL;
    END IF;
    before_row := CASE WHEN TG_OP = 'INSERT' THEN NULL ELSE to_jsonb(OLD) END;
    after_row := CASE WHEN TG_OP = 'DELETE' THEN NULL ELSE to_jsonb(NEW) END;
    some_row := COALESCE(after_row, before_row);
    IF TG_OP = 'UPDATE' THEN
        SELECT jsonb_object_agg(key, CASE WHEN key = ANY (secrets) THEN '["***", "***"]'::jsonb
                                          ELSE jsonb_build_array(before_row -> key, value) END)
        INTO diff FROM jsonb_each(after_row) WHERE value IS DISTINCT FROM before_row -> key AND key <> ALL (stamps);
        IF diff IS NULL THEN RETURN NULL; END IF;
    ELSE
        SELECT jsonb_object_agg(key, CASE WHEN key = ANY (secrets) THEN '"***"'::jsonb ELSE value END)
        INTO diff FROM jsonb_each(some_row);
    END IF;
    INSERT INTO public.audit_rowchange (id, organization_id, at, actor_id, request_id, via, table_name, row_id, operation, diff)
    VALUES (gen_random_uuid(), (some_row ->> tenant_column)::uuid, clock_timestamp(),
            NULLIF(current_setting('app.actor_id', true), '')::uuid, COALESCE(current_setting('app.request_id', true), ''),
            COALESCE(current_setting('app.via', true), ''), TG_TABLE_NAME, (some_row ->> TG_ARGV[2])::uuid, TG_OP, diff);
    RETURN NULL;
END $$;
ALTER FUNCTION audit_capture_row() OWNER TO {AUDIT_WRITER};
GRANT INSERT ON audit_rowchange TO {AUDIT_WRITER};
DROP POLICY IF EXISTS capture ON audit_rowchange;
CREATE POLICY capture ON audit_rowchange FOR INSERT TO {AUDIT_WRITER} WITH CHECK (true);
REVOKE INSERT, UPDATE, DELETE ON audit_rowchange FROM {APP}, {WORKER};
REVOKE UPDATE, DELETE ON audit_event FROM {APP}, {WORKER};

CREATE OR REPLACE FUNCTION audit_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% of % is refused: it is append-only', TG_OP, TG_TABLE_NAME USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE OR REPLACE TRIGGER refuse_change BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_event
FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse_change();
CREATE OR REPLACE TRIGGER refuse_change BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_rowchange
FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse_change();
"""


CHANGES = 'CREATE OR REPLACE TRIGGER capture_row AFTER UPDATE OR DELETE ON "{}" FOR EACH ROW'
# What one statement adds is written down by one: a fifth of the cost where it adds many.
INSERTS = (
    'CREATE OR REPLACE TRIGGER capture_insert AFTER INSERT ON "{}" REFERENCING NEW TABLE AS added FOR EACH STATEMENT'
)
# Tables that were captured row by row when they were added to.
SPLIT = f"""
DO $$
DECLARE
    found record;
    run text;
BEGIN
    FOR found IN SELECT t.oid, c.relname FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
                 WHERE t.tgname = 'capture_row' AND t.tgtype & 4 > 0 LOOP
        run := substring(pg_get_triggerdef(found.oid) FROM 'EXECUTE FUNCTION .*');
        EXECUTE format('{CHANGES.replace('"{}"', "%I")} ', found.relname) || run;
        EXECUTE format('{INSERTS.replace('"{}"', "%I")} ', found.relname) || run;
    END LOOP;
END $$;
"""


class CaptureRows(WallOperation):
    """Write every change of these models' rows to RowChange. Columns named as secret appear there as "***".

    A change of nothing but `stamps` is nobody's doing (a session that was used again) and is not written down.
    """

    def __init__(
        self, *models: str, column: str = "organization_id", secrets: Sequence[str] = (), stamps: Sequence[str] = ()
    ) -> None:
        self.models = models
        self.column = column
        self.secrets = secrets
        self.stamps = stamps

    def deconstruct(self) -> tuple[str, Sequence[Any], dict[str, Any]]:
        given = {"column": self.column, "secrets": self.secrets, "stamps": self.stamps}
        return self.__class__.__name__, list(self.models), given

    def describe(self) -> str:
        return f"Capture row changes of {', '.join(self.models)}"

    def database_forwards(
        self, app_label: str, schema_editor: BaseDatabaseSchemaEditor, from_state: ProjectState, to_state: ProjectState
    ) -> None:
        for name in self.models:
            options = to_state.apps.get_model(app_label, name)._meta
            secrets, stamps = (f"{{{','.join(names)}}}" for names in (self.secrets, self.stamps))
            run = f"EXECUTE FUNCTION audit_capture_row('{self.column}', '{secrets}', '{options.pk.column}', '{stamps}')"
            for trigger in (CHANGES, INSERTS):
                schema_editor.execute(f"{trigger.format(options.db_table)} {run}", params=None)
