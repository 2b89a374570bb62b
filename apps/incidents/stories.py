"""Made-up incidents for load: what people report, who works on it, how long it takes, how it ends. No database, no clock.

Everything comes out of one `random.Random`, so the same seed tells the same stories. Instants are seconds before the end of
the history; shapes follow what service desks see: mornings are busy, most is solved within a day, a few take weeks.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random

from apps.incidents.lifecycle import Status
from apps.incidents.story_words import ANSWERS, APPS, BUSY, CODES, HOLDS, KINDS, NOTES, REPLIES, SITES, SOURCES

HOUR, DAY = 3600, 86_400
CLOSES_AFTER = 3 * DAY
LEFT_OPEN, CANCELLED = 0.02, 0.03


@dataclass(frozen=True, slots=True)
class Said:
    """A comment: by the requester or by whoever works on it, that many seconds before the end."""

    ago: int
    is_public: bool
    by_requester: bool
    body: str


@dataclass(frozen=True, slots=True)
class Story:
    """One incident. Instants are seconds before the end of the history; None: it did not come to that."""

    title: str
    description: str
    category: int
    team: int
    requester: int
    worker: int
    impact: int
    urgency: int
    source: str
    status: str
    opened: int
    claimed: int | None
    held: int | None
    resolved: int | None
    closed: int | None
    cancelled: int | None
    hold_reason: str
    resolution_code: str
    resolution_notes: str
    said: tuple[Said, ...]

    @property
    def last(self) -> int:
        """When something happened for the last time."""
        moments = (self.opened, self.claimed, self.held, self.resolved, self.closed, self.cancelled)
        return min([moment for moment in moments if moment is not None] + [each.ago for each in self.said])


def tell(
    random: Random, count: int, *, begin: int, end: int, requesters: int, workers: int, comments: float
) -> Iterator[Story]:
    """`count` stories that begin between `begin` and `end` seconds ago, the oldest first; `comments` each on the average."""
    for opened in sorted((_instant(random, begin, end) for _ in range(count)), reverse=True):
        yield _story(random, opened, requesters, workers, comments)


def _instant(random: Random, begin: int, end: int) -> int:
    """Within the span, at a busy hour, rarely at weekends. The history ends at midnight before a Monday."""
    for _ in range(8):
        ago = end + int(random.random() * (begin - end))
        day = ago // DAY
        if (day % 7) not in {0, 1} or random.random() < 0.2:
            break
    hour = random.choices(range(24), BUSY)[0]
    ago = day * DAY + (DAY - 1 - hour * HOUR - int(random.random() * HOUR))
    return max(end + 1, min(ago, begin))


def _story(random: Random, opened: int, requesters: int, workers: int, comments: float) -> Story:
    category, team, _, title, description, notes = random.choices(KINDS, [kind[2] for kind in KINDS])[0]
    words = {
        "site": random.choice(SITES),
        "app": random.choice(APPS),
        "device": f"LT-{random.randrange(100_000):05}",
        "error": f"0x{random.getrandbits(32):08X}",
        "n": random.randint(2, 45),
    }
    impact, urgency = random.choices((1, 2, 3), (3, 17, 80))[0], random.choices((1, 2, 3), (8, 32, 60))[0]
    claimed = _past(opened - int(random.lognormvariate(7.4, 1.2)))
    taken = random.lognormvariate(9.6, 1.5) * (0.5 if impact + urgency < 4 else 1)
    resolved = _past(claimed - int(taken) - 60) if claimed is not None else None
    cancelled = None
    if random.random() < LEFT_OPEN:
        # Every desk has some that nobody gets to, or gets done with.
        claimed, resolved = (claimed if random.random() < 0.7 else None), None
    elif resolved is not None and random.random() < CANCELLED:
        cancelled, resolved = resolved, None
    closed = (
        _past(resolved - (CLOSES_AFTER if random.random() < 0.7 else int(random.random() * CLOSES_AFTER)))
        if resolved
        else None
    )
    is_open = resolved is None and cancelled is None
    held = None
    if claimed and is_open and random.random() < 0.3:
        held = _past(claimed - 1 - int(random.random() * claimed))
    status = _status(claimed, held, resolved, closed, cancelled)
    until = resolved or cancelled or 0
    return Story(
        title.format_map(words),
        description.format_map(words),
        category,
        team,
        random.randrange(requesters),
        random.randrange(workers),
        impact,
        urgency,
        random.choices(SOURCES, (40, 25, 20, 8, 5, 2))[0].value,
        status,
        opened,
        claimed,
        held,
        resolved,
        closed,
        cancelled,
        random.choice(HOLDS).value if held else "",
        random.choices(CODES, (60, 12, 10, 8, 7, 3))[0].value if resolved else "",
        notes.format_map(words) if resolved else "",
        tuple(_said(random, words, claimed, until, comments)) if claimed else (),
    )


def _past(ago: int) -> int | None:
    """None for what would happen after the end."""
    return ago if ago > 0 else None


def _status(
    claimed: int | None, held: int | None, resolved: int | None, closed: int | None, cancelled: int | None
) -> str:
    ends = ((cancelled, Status.CANCELLED), (closed, Status.CLOSED), (resolved, Status.RESOLVED), (held, Status.ON_HOLD))
    for instant, status in ends:
        if instant is not None:
            return status.value
    return (Status.IN_PROGRESS if claimed is not None else Status.NEW).value


def _said(random: Random, words: dict[str, object], since: int, until: int, comments: float) -> Iterator[Said]:
    """Alternating answers, the first one by whoever works on it; now and then a note among themselves."""
    most = int(comments * 2) + 1
    number = sum(random.random() < comments / most for _ in range(most))
    for turn, ago in enumerate(sorted((random.randint(until + 1, since) for _ in range(number)), reverse=True)):
        is_note, is_reply = random.random() < 0.25, turn % 2 == 1
        pool: Sequence[str] = NOTES if is_note else REPLIES if is_reply else ANSWERS
        yield Said(ago, not is_note, is_reply and not is_note, random.choice(pool).format_map(words))
