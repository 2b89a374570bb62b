from django.db import migrations

from apps.audit.capture import CaptureRows
from apps.core.wall.operations import Wall


class Migration(migrations.Migration):
    dependencies = [("users", "0009_people")]
    operations = [Wall("User", "PasswordLink"), CaptureRows("PasswordLink", secrets=["token_hash"])]
