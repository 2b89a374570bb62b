from django.db import migrations

from apps.audit.capture import FUNCTION


class Migration(migrations.Migration):
    """Row capture learns to pass over columns that only say when something was last used."""

    dependencies = [("audit", "0003_running_until")]
    operations = [migrations.RunSQL(FUNCTION, migrations.RunSQL.noop)]
