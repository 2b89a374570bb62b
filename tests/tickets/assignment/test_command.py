"""The minute's work by hand, and how much waits."""

import json
from io import StringIO

from django.core.management import call_command


def said(*arguments):
    out = StringIO()
    call_command("assign_tickets", *arguments, stdout=out)
    return json.loads(out.getvalue())


def test_by_hand_it_gives_out_what_waits_in_every_organization_and_says_how_much_that_is(fresh_database, desk, agents):
    (ann,) = agents("ann", presence="offline")
    tickets = [desk.opens() for _ in range(2)]
    assert said("--status")["waiting"] == 2

    desk.says(ann, "available")
    assert said() == {"passed_on": 0, "given": 2}

    assert desk.owners(tickets) == [ann, ann]
    assert said("--status") == {"waiting": 0, "oldest_seconds": 0}
