"""Every background task enters a tenant by its base class, or says that it works on the platform's own tables."""

from typing import Any

import pytest
from django.db import connection

from apps.core import tenancy
from apps.core.tasks import PlatformTask, SelfTenantTask, TenantTask
from itsm_project.celery import app
from tests.conftest import Tenant

app.loader.import_default_modules()
TASKS = {name: task for name, task in app.tasks.items() if not name.startswith("celery.")}


@pytest.mark.parametrize("name", sorted(TASKS))
def test_every_task_has_one_of_the_three_bases(name: str) -> None:
    bases = [base for base in (TenantTask, SelfTenantTask, PlatformTask) if isinstance(TASKS[name], base)]

    assert len(bases) == 1


def test_the_registry_of_tasks_was_filled() -> None:
    assert {"core.tick", "core.run_job", "audit.deliver"} <= set(TASKS)


def test_a_task_that_names_no_base_gets_the_tenants() -> None:
    @app.task(name="tests.plain", shared=False, lazy=False)
    def plain(organization_id: str) -> None: ...

    try:
        assert isinstance(app.tasks["tests.plain"], TenantTask)
    finally:
        app.tasks.unregister("tests.plain")


def test_a_tenants_task_runs_inside_its_transaction_and_leaves_nothing_behind(
    fresh_database: None, acme: Tenant
) -> None:
    @app.task(name="tests.where", shared=False, lazy=False)
    def where(organization_id: str) -> tuple[Any, ...]:
        with connection.cursor() as cursor:
            cursor.execute("SELECT current_setting('app.org_id'), current_setting('app.via')")
            return (*cursor.fetchone(), connection.in_atomic_block)

    try:
        assert where(str(acme.id)) == (str(acme.id), "task", True)
        assert (tenancy.current(), connection.in_atomic_block) == (None, False)
        with pytest.raises(ValueError, match="badly formed"):
            where("everybody")
    finally:
        app.tasks.unregister("tests.where")
