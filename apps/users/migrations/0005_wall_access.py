from django.db import migrations

from apps.audit.capture import CaptureRows
from apps.core.wall.operations import Wall

ACCESS = ("Role", "Grant", "RoleAssignment", "Skill", "TeamMember", "MemberSkill")


class Migration(migrations.Migration):
    dependencies = [("users", "0004_access_and_membership"), ("organizations", "0002_wall")]
    operations = [Wall(*ACCESS), CaptureRows(*ACCESS)]
