from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("core", "0007_wall_denial_count")]
    operations = [
        migrations.AddField(model_name="job", name="fence", field=models.PositiveIntegerField(default=0)),
    ]
