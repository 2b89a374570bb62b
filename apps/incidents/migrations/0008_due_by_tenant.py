from django.db import migrations


class Migration(migrations.Migration):
    """As of timers and chains (sla 0006): what is due is asked tenant by tenant."""

    dependencies = [("incidents", "0007_bridge")]
    operations = [migrations.RemoveIndex("majorupdate", "major_update_due")]
