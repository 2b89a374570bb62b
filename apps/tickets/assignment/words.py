"""Why a ticket went where it went, in words for those who work on it."""

from collections.abc import Mapping
from typing import Any

from apps.tickets.choices import AssignmentMethod

METHODS: Mapping[str, str] = {
    AssignmentMethod.ROUND_ROBIN: "longest without new work",
    AssignmentMethod.LEAST_LOADED: "least loaded",
    AssignmentMethod.SKILL: "best skilled",
}
REASONS: Mapping[str, str] = {
    "gone": "cannot sign in any more",
    "out_of_office": "out of office",
    "off_shift": "off shift",
    "offline": "offline",
    "away": "away",
    "lacks_skill": "lacks the skill",
    "passed": "let it pass before",
    "not_in_team": "not of the team",
}
# Those that say what somebody does, not what they are.
VERBS = frozenset({"gone", "lacks_skill", "passed"})
# What came before it is passed on; of whom.
PASSED: Mapping[str, str] = {
    "rejected": "{} refused it",
    "not_accepted": "{} did not accept it in time",
    "offline": "{} is not there",
    "gone": "{} is gone",
}
MOST_NAMED = 5


def ids(assignment: Mapping[str, Any]) -> set[str]:
    """Whom and which team it names."""
    return {str(assignment[name]) for name in ("team", "assignee", "from") if assignment.get(name)}


def sentence(assignment: Mapping[str, Any], names: Mapping[str, str]) -> str:
    """What came of it and why: "it goes to Alice, the least loaded of 3 (not Bob: out of office)"."""
    because, assignee = assignment.get("because"), assignment.get("assignee")
    person = _named(assignee, assignment, names)
    if because == "by_hand":
        despite = assignment.get("despite")
        return f"although {person} {'' if despite in VERBS else 'is '}{_reason(despite, {})}"
    if because == "owner_gone":
        return f"{names.get(str(assignment.get('from')), 'whoever had it')} is gone, so it is nobody's"
    if because == "last_owner":
        return f"{person} keeps it"
    parts = [_by_rule(assignment, names), _to(person if assignee else "", assignment, names)]
    return "; ".join(part for part in parts if part)


def passed_on(assignment: Mapping[str, Any], names: Mapping[str, str]) -> str:
    """Why it left whoever had it, and what came of it."""
    told = PASSED.get(str(assignment.get("because")), "{} let it pass")
    why = told.format(names.get(str(assignment.get("from")), "somebody"))
    reason = assignment.get("reason")
    parts = [f"passed it on: {why}{f' ({reason})' if reason else ''}"]
    if assignment.get("is_unaccepted"):
        parts.append(f"nobody has accepted it in {assignment.get('tries')} tries")
    return "; ".join([*parts, sentence(assignment, names)])


def _by_rule(assignment: Mapping[str, Any], names: Mapping[str, str]) -> str:
    rule = assignment.get("rule")
    if not rule:
        return ""
    return f"by the rule “{rule['name']}” it belongs to {names.get(str(assignment.get('team')), 'a team')}"


def _to(person: str, assignment: Mapping[str, Any], names: Mapping[str, str]) -> str:
    if "considered" not in assignment:
        return ""
    others = _others(assignment)
    if not person:
        if assignment.get("is_behind"):
            return "others wait longer"
        return f"nobody can take it, so it waits{others}"
    if assignment.get("is_to_lead"):
        return f"after {assignment.get('tries')} tries it goes to {person}, who leads the team"
    method, eligible = METHODS.get(str(assignment.get("method")), "next"), assignment.get("eligible", 0)
    if eligible <= 1:
        return f"it goes to {person}, the only one who can take it{others}"
    return f"it goes to {person}, the {method} of {eligible}{others}"


def _others(assignment: Mapping[str, Any]) -> str:
    kept = [each for each in assignment["considered"] if each.get("why_not")]
    if not kept:
        return "" if assignment["considered"] else " (the team is empty)"
    named = ", ".join(f"{each['name']}: {_reason(each['why_not'], each)}" for each in kept[:MOST_NAMED])
    told_of = sum(not each.get("why_not") for each in assignment["considered"])
    more = max(0, assignment.get("looked_at", 0) - max(assignment.get("eligible", 0), told_of) - len(kept[:MOST_NAMED]))
    return f" (not {named}{f', and {more} more' if more else ''})"


def _reason(why: Any, of: Mapping[str, Any]) -> str:
    if why == "full":
        return f"has {of['open_tickets']} of {of['capacity']}" if of else "at capacity"
    return REASONS.get(str(why), str(why))


def _named(user_id: Any, assignment: Mapping[str, Any], names: Mapping[str, str]) -> str:
    known = {each["user"]: each["name"] for each in assignment.get("considered", ())}
    return names.get(str(user_id)) or known.get(str(user_id)) or "somebody"
