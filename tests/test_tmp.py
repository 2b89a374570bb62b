import pytest
from django.utils import timezone
from apps.incidents import services as incidents
from apps.tickets import verbs, conversation
from apps.users.rights import actor_for
from apps.audit.models import Event, RowChange
def test_slice(acme, alice, bob):
    at = timezone.now()
    with acme.entered():
        a, b = actor_for(alice, at=at), actor_for(bob, at=at)
        i = incidents.create(actor=b, at=at, values={"title": "Mail is down", "impact": 1, "urgency": 2})
        assert i.number == "INC0000001" and i.priority == 2
        t = verbs.do(i, "claim", actor=a, at=at)
        assert t.status == "in_progress"
        conversation.add_comment(t, actor=a, at=at, body="**hi** <script>", visibility="public")
        t = verbs.do(i, "hold", actor=a, at=at, reason="awaiting_requester", comment="which?")
        conversation.add_comment(t, actor=b, at=at, body="this", visibility="public")
        t.refresh_from_db()
        assert t.status == "in_progress"
        t = verbs.do(i, "resolve", actor=a, at=at, resolution_code="solution_provided", resolution_notes="x")
        t = verbs.do(i, "reopen", actor=b, at=at, reason="no")
        print(list(Event.objects.filter(subject_id=i.pk).order_by("id").values_list("name", "changes")))
