from django.db import migrations

from apps.audit.capture import CaptureRows
from apps.core.wall.operations import Wall
from apps.users.built_in import write_built_in_roles

CHANGED_BY_PEOPLE = (
    "DepartmentHead",
    "CostCentreOwner",
    "Absence",
    "OnCallRota",
    "RotaVersion",
    "RotaMember",
    "OnCallOverride",
)


class Migration(migrations.Migration):
    """Walls for who heads, owns, is away and is on call; the built-in roles learn `absences` and `on_call`."""

    dependencies = [("users", "0011_working_together")]
    operations = [
        Wall("Presence", *CHANGED_BY_PEOPLE),
        CaptureRows(*CHANGED_BY_PEOPLE),
        migrations.RunPython(write_built_in_roles, migrations.RunPython.noop),
    ]
