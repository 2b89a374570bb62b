from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("tickets", "0009_waiting_door")]
    operations = [migrations.AddField("countdown", "recalled_at", models.DateTimeField(null=True))]
