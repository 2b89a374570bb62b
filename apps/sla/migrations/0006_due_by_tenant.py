from django.db import migrations


class Migration(migrations.Migration):
    """What is due is asked tenant by tenant: an index by time alone only misled the planner, and cost every write."""

    dependencies = [("sla", "0005_escalation")]
    operations = [
        migrations.RemoveIndex("escalationrun", "escalation_run_due"),
        migrations.RemoveIndex("notice", "sla_notice_due"),
        migrations.RemoveIndex("timer", "sla_timer_due"),
    ]
