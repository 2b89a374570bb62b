from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("users", "0021_wall_member_calendar")]
    # Of those who are added from now on; nobody's own figure changes.
    operations = [
        migrations.AlterField(
            model_name="teammember",
            name="capacity",
            field=models.PositiveSmallIntegerField(default=20),
        )
    ]
