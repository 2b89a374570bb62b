"""The demo is loaded at every start of a trial, so loading it again must change nothing."""

import json

from django.core.management import call_command
from psycopg import sql

from tests.conftest import superuser
from tests.contracts.rows import tenant_models


def digests():
    """Of all rows that there are, table by table; the superuser sees those of every organization."""
    digest = "SELECT count(*), md5(string_agg(t::text, '|' ORDER BY t::text)) FROM {} t"
    tables = [model._meta.db_table for model in tenant_models()]
    with superuser() as opened:
        return {table: opened.execute(sql.SQL(digest).format(sql.Identifier(table))).fetchone() for table in tables}


def test_the_demo_loaded_twice_changes_nothing(fresh_database, tmp_path):
    target = tmp_path / "demo.json"
    call_command("load_demo", write=target)
    accounts, before = json.loads(target.read_text()), digests()
    assert before["users_user"][0] == sum(len(people) for people in accounts["organizations"].values()) == 13
    assert before["audit_event"][0] > 0

    call_command("load_demo", write=target)

    assert json.loads(target.read_text()) == accounts
    assert {table: after for table, after in digests().items() if after != before[table]} == {}
