"""What assignment adds to opening a ticket, statement by statement."""

from tests import factories
from tests.incidents.test_create_cost import STATEMENTS, sent
from tests.incidents.test_slice import URL

ADDED = (
    "FROM tickets_assignmentrule",
    'FROM "tickets_assignmentqueue"',
    "coalesce(l.open_here",
    "INTO tickets_placement",
)


def test_a_rule_a_queue_and_its_people_cost_four_statements_however_many_people_and_rules(
    acme, desk, agents, alice, api
):
    with acme.entered():
        skill = factories.SkillFactory()
        for _ in range(5):
            factories.AssignmentRuleFactory(match={"priority": [1]}, team=desk.team)
        wish = {"skill": str(skill.pk), "level": 2, "is_required": False}
        factories.AssignmentRuleFactory(match={"source": ["api"]}, team=desk.team, skills=[wish])
    agents("ann", "ben", skills={skill: 3})
    client = api(alice)
    client.post(URL, {"title": "Mail is down"})

    few = sent(lambda: client.post(URL, {"title": "Mail is down"}))
    agents(*(f"agent{place}" for place in range(10)))
    many = sent(lambda: client.post(URL, {"title": "Mail is down"}))

    # The first of them is there also where no rule is.
    assert (len(few), len(many)) == (len(STATEMENTS) + 3, len(STATEMENTS) + 3)
    added = [statement for statement in many if any(mark in statement for mark in ADDED)]
    assert [mark for statement, mark in zip(added, ADDED, strict=True) if mark in statement] == list(ADDED)


def test_what_nobody_can_do_costs_each_creation_one_statement_more_and_keeps_nobody_from_work(
    acme, desk, agents, alice, api
):
    with acme.entered():
        skill = factories.SkillFactory()
        rare = [{"skill": str(skill.pk)}]
        factories.AssignmentRuleFactory(match={"source": ["phone"]}, team=desk.team, skills=rare, position=1)
        factories.AssignmentRuleFactory(match={}, team=desk.team, position=2)
    (ann,) = agents("ann", capacity=50)
    client = api(alice)
    client.post(URL, {"title": "Mail is down"})
    few = sent(lambda: client.post(URL, {"title": "Mail is down"}))
    stuck = [desk.opens(source="phone", impact=1, urgency=1) for _ in range(3)]

    many = sent(lambda: client.post(URL, {"title": "Mail is down"}))
    last = desk.now_of(client.post(URL, {"title": "Mail is down"}).json())

    assert len(many) == len(few) + 1
    assert (desk.owner(last), desk.owners(stuck)) == (ann, [None, None, None])
    (told,) = desk.story(last, by=alice)
    assert told.endswith("; it goes to Ann, the only one who can take it")
