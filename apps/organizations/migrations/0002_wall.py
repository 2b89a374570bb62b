from django.db import migrations

from apps.audit.capture import CaptureRows
from apps.core.wall.operations import Door, Wall

STRUCTURE = ("BusinessCalendar", "Site", "CostCentre", "Department", "Team")


class Migration(migrations.Migration):
    dependencies = [("organizations", "0001_initial"), ("audit", "0002_wall")]
    operations = [
        Wall("Organization", column="id"),
        Wall(*STRUCTURE),
        CaptureRows("Organization", column="id"),
        CaptureRows(*STRUCTURE),
        Door(
            "organization_find(wanted text)",
            "uuid",
            "SELECT id FROM organizations_organization WHERE slug = wanted AND deleted_at IS NULL",
            reads=["organizations_organization"],
        ),
        Door(
            "organization_list()",
            "SETOF uuid",
            "SELECT id FROM organizations_organization WHERE deleted_at IS NULL ORDER BY id",
            reads=["organizations_organization"],
        ),
        Door(
            "organization_has_demo()",
            "boolean",
            "SELECT EXISTS (SELECT 1 FROM organizations_organization WHERE is_demo)",
            reads=["organizations_organization"],
        ),
    ]
