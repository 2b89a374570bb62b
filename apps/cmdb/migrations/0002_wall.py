from django.db import migrations

from apps.audit.capture import CaptureRows
from apps.core.wall.operations import Wall

INVENTORY = ("Service", "CiClass", "ConfigurationItem")


class Migration(migrations.Migration):
    dependencies = [("cmdb", "0001_initial"), ("audit", "0002_wall"), ("users", "0002_wall")]
    operations = [Wall(*INVENTORY), CaptureRows(*INVENTORY)]
