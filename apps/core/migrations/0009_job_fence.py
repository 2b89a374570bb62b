from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("core", "0008_job_by_token")]
    operations = [
        migrations.AddField(model_name="job", name="fence", field=models.PositiveIntegerField(default=0)),
    ]
