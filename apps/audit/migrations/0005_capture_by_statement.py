from django.db import migrations

from apps.audit.capture import FUNCTION, SPLIT


class Migration(migrations.Migration):
    """What one statement adds is captured by one statement."""

    dependencies = [("audit", "0004_stamps")]
    operations = [
        migrations.RunSQL(FUNCTION, migrations.RunSQL.noop),
        migrations.RunSQL(SPLIT, migrations.RunSQL.noop),
    ]
