"""Made-up incidents for load: what people report, who works on it, how long it takes, how it ends. No database, no clock.

Everything comes out of one `random.Random`, so the same seed tells the same stories. Instants are seconds before the end of
the history; shapes follow what service desks see: mornings are busy, most is solved within a day, a few take weeks.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random

from apps.incidents.lifecycle import Status
from apps.tickets.choices import HoldReason, ResolutionCode, Source

HOUR, DAY = 3600, 86_400
CLOSES_AFTER = 3 * DAY
LEFT_OPEN, CANCELLED = 0.02, 0.03
# By hour of the day, UTC: what share of the day's reports comes in it.
BUSY = (1, 1, 1, 1, 1, 2, 6, 14, 20, 18, 15, 12, 9, 13, 14, 12, 9, 6, 4, 3, 2, 2, 1, 1)
TEAMS = ("Service Desk", "Network", "Workplace", "Applications", "Servers", "Security")
CATEGORIES = ("Network", "Hardware", "E-mail", "Software", "Printing", "Access", "Telephony", "Storage")

# Category, team, weight, title, description, what solved it.
Kind = tuple[int, int, int, str, str, str]
KINDS: tuple[Kind, ...] = (
    (
        0,
        1,
        9,
        "VPN drops every few minutes from {site}",
        "Since morning the VPN client on {device} disconnects after {n} minutes. Error {error} appears, then it reconnects by itself.",
        "Updated the VPN profile and renewed the certificate of {device}.",
    ),
    (
        0,
        1,
        5,
        "No Wi-Fi in {site}, floor {n}",
        "Nobody on this floor gets an address. Cable works. Device {device} shows error {error}.",
        "Restarted the access point and moved it to another channel.",
    ),
    (
        0,
        1,
        3,
        "{app} is slow from {site}",
        "Every page takes {n} seconds. Colleagues elsewhere see no delay.",
        "Rerouted traffic of {site} around the faulty line.",
    ),
    (
        1,
        2,
        7,
        "Laptop {device} does not start",
        "The power light blinks {n} times, then nothing. It fell off the desk yesterday.",
        "Replaced the mainboard of {device}.",
    ),
    (
        1,
        2,
        5,
        "Screen of {device} flickers",
        "It flickers when the docking station is connected. Another cable did not help.",
        "Replaced the docking station; firmware updated.",
    ),
    (
        1,
        2,
        4,
        "Battery of {device} lasts {n} minutes only",
        "It was fine until the last update. Report {error} is attached to the battery tool.",
        "Battery replaced under warranty.",
    ),
    (
        2,
        3,
        8,
        "Cannot send e-mail to {site}",
        "Outlook answers with {error}. Receiving works.",
        "Removed a stale connector and flushed the queue.",
    ),
    (
        2,
        3,
        5,
        "Shared mailbox missing after the migration",
        "I see my own mailbox, the one of {app} is gone. I need it today.",
        "Granted access again and had Outlook rebuild its profile.",
    ),
    (
        2,
        3,
        4,
        "Calendar shows meetings twice",
        "Every meeting since last week is there twice on {device}.",
        "Removed the second account from {device}.",
    ),
    (
        3,
        3,
        9,
        "{app} crashes when saving",
        "After {n} minutes of work {app} closes with {error}. The document is lost.",
        "Installed the hotfix of {app} and repaired the user profile.",
    ),
    (
        3,
        3,
        7,
        "{app} asks for a licence",
        "It says that the trial has ended. I use it every day.",
        "Assigned a licence of {app}.",
    ),
    (
        3,
        3,
        4,
        "Report in {app} shows wrong totals",
        "The sum of the {n} lines is not what the footer says; see {error} in the log.",
        "Corrected the rounding rule; report run again.",
    ),
    (
        4,
        2,
        8,
        "Printer in {site} jams",
        "Tray {n} takes two sheets at once. Message {error} on the panel.",
        "Replaced the pick-up roller of the printer.",
    ),
    (
        4,
        2,
        4,
        "Prints come out without colour",
        "Everything is grey since the toner was changed on {device}.",
        "Driver set to colour again.",
    ),
    (
        5,
        0,
        10,
        "Locked out of {app}",
        "I typed the password wrong {n} times and now I am locked out.",
        "Account unlocked; caller set a new password.",
    ),
    (
        5,
        0,
        7,
        "Password reset for {app}",
        "I was on leave and the password has expired.",
        "Password reset by the caller with the link.",
    ),
    (
        5,
        5,
        3,
        "Suspicious mail about {app}",
        "It asks for my password and links to a page that looks like ours. I did not click.",
        "Blocked the sender; link taken down.",
    ),
    (6, 1, 3, "Phone at desk {n} has no dial tone", "The display says {error}.", "Patched the port again."),
    (
        7,
        4,
        4,
        "Drive of {app} is full",
        "Cannot save, {n} GB left last week, none today.",
        "Extended the volume and removed old dumps.",
    ),
    (
        7,
        4,
        3,
        "File on {app} was deleted by mistake",
        "We need the folder as of {n} days ago.",
        "Restored from the snapshot.",
    ),
    (
        4,
        4,
        2,
        "Server behind {app} answers {error}",
        "Monitoring reports it since {n} minutes; users begin to call.",
        "Restarted the service and raised its memory limit.",
    ),
)
APPS = (
    "SAP",
    "Outlook",
    "Teams",
    "Excel",
    "the intranet",
    "Jira",
    "the ERP",
    "CAD",
    "the CRM",
    "time recording",
    "the wiki",
)
SITES = ("Berlin", "Zürich", "Lyon", "Kraków", "Porto", "Gdańsk", "Leeds", "Graz", "Malmö", "Turin")
FIRST = (
    "Ada",
    "Bruno",
    "Chiara",
    "Daniel",
    "Elif",
    "Fatima",
    "Georg",
    "Hanna",
    "Ivan",
    "Julia",
    "Kofi",
    "Lena",
    "Marek",
    "Nadia",
    "Oskar",
    "Priya",
    "Rosa",
    "Stefan",
    "Tomasz",
    "Yusuf",
)
LAST = (
    "Abel",
    "Baran",
    "Costa",
    "Dubois",
    "Ekström",
    "Fischer",
    "García",
    "Hoffmann",
    "Ito",
    "Jansen",
    "Kowalska",
    "Lindqvist",
    "Moreau",
    "Novák",
    "Okafor",
    "Petrov",
    "Rossi",
    "Silva",
    "Tanaka",
    "Weber",
)
ANSWERS = (
    "Thank you, we look into it.",
    "Please restart and tell us whether it happens again.",
    "We have found the cause and work on it.",
    "Could you send us a screenshot?",
    "It should work again. Please check.",
)
REPLIES = (
    "Still the same.",
    "It works now, thank you.",
    "It happened again at noon.",
    "Here is what you asked for: {error}.",
    "My colleague has it too.",
)
NOTES = (
    "Logs of {device} show {error}.",
    "Same as last month, see the known error.",
    "Vendor is informed, case {error}.",
    "Handed over to the late shift.",
)
SOURCES = (Source.PORTAL, Source.EMAIL, Source.PHONE, Source.CHAT, Source.MONITORING, Source.API)
CODES = (
    ResolutionCode.SOLUTION_PROVIDED,
    ResolutionCode.WORKAROUND_PROVIDED,
    ResolutionCode.RESOLVED_BY_CALLER,
    ResolutionCode.USER_ERROR,
    ResolutionCode.KNOWN_ERROR,
    ResolutionCode.NO_RESOLUTION_PROVIDED,
)
HOLDS = (HoldReason.AWAITING_REQUESTER, HoldReason.AWAITING_VENDOR, HoldReason.AWAITING_CHANGE)


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
