from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("incidents", "0006_wall_majors")]
    operations = [
        migrations.AddField(
            "incident",
            "bridge_url",
            models.CharField(blank=True, default="", editable=False, max_length=2000),
            preserve_default=False,
        ),
        migrations.AddConstraint(
            "incident",
            models.CheckConstraint(
                condition=models.Q(("bridge_url", ""), ("bridge_url__istartswith", "https://"), _connector="OR"),
                name="incident_bridge_is_https",
            ),
        ),
    ]
