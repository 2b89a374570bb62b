from django.db import migrations

from apps.core.wall.operations import Wall


class Migration(migrations.Migration):
    dependencies = [("notifications", "0001_initial"), ("users", "0010_wall_people")]
    operations = [Wall("Mail", "MailboxMessage")]
