from django.db import migrations

from apps.audit.capture import CaptureRows
from apps.core.wall.operations import Wall


class Migration(migrations.Migration):
    dependencies = [("organizations", "0009_holiday_proposals"), ("audit", "0002_wall")]
    operations = [Wall("HolidayProposal"), CaptureRows("HolidayProposal")]
