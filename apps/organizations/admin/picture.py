"""Open hours as a picture: one bar for each day, drawn as SVG without a script."""

from collections.abc import Iterable, Sequence
from datetime import date, timedelta

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from apps.organizations.calendars.weeks import DAY, Piece, Week, weekday_of
from apps.organizations.models import BusinessCalendar, CalendarVersion

WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
LEFT, WIDTH, TOP, ROW, BAR = 110, 720, 18, 24, 14
OPEN, DIFFERENT, GROUND = "#16a34a", "#d97706", "#94a3b8"

# A label, its open stretches, and whether an exception made them.
Bar = tuple[str, Sequence[Piece], bool]


def week_of(hours: BusinessCalendar | CalendarVersion) -> SafeString:
    """An ordinary week, Monday first."""
    usual = Week(hours.windows, ())
    # Day 1 of the calendar was a Monday.
    bars: list[Bar] = [(name, usual.of_day(number), False) for number, name in enumerate(WEEKDAYS, 1)]
    return drawn(bars, "Open hours of an ordinary week")


def days_from(hours: BusinessCalendar | CalendarVersion, first: date, days: int) -> SafeString:
    """Each of the coming days, with what its exceptions make of it."""
    usual, actual = Week(hours.windows, ()), Week(hours.windows, hours.exceptions)
    bars: list[Bar] = []
    for number in range(days):
        day = (first + timedelta(days=number)).toordinal()
        label = f"{WEEKDAYS[weekday_of(day)][:3]} {date.fromordinal(day).isoformat()}"
        bars.append((label, actual.of_day(day), actual.of_day(day) != usual.of_day(day)))
    return drawn(bars, f"Open hours of {days} days from {first.isoformat()}")


def drawn(bars: Sequence[Bar], title: str) -> SafeString:
    """The bars below each other, under a scale of 24 hours; what is read aloud says the times."""
    height = TOP + ROW * len(bars) + 4
    return format_html(
        '<svg role="img" aria-label="{}" viewBox="0 0 {} {}" width="100%" style="max-width: {}px" font-size="11"'
        ' fill="currentColor" xmlns="http://www.w3.org/2000/svg"><title>{}</title>{}{}</svg>',
        title,
        LEFT + WIDTH + 20,
        height,
        LEFT + WIDTH + 20,
        title,
        _scale(height),
        format_html_join("", "{}", ((_row(place, *bar),) for place, bar in enumerate(bars))),
    )


def _scale(height: int) -> SafeString:
    marks = ((_x(hour * 3600), TOP, _x(hour * 3600), height, _x(hour * 3600), hour) for hour in range(0, 25, 3))
    return format_html_join(
        "",
        f'<line x1="{{}}" y1="{{}}" x2="{{}}" y2="{{}}" stroke="{GROUND}" stroke-opacity="0.35"/>'
        '<text x="{}" y="11" text-anchor="middle">{}</text>',
        marks,
    )


def _row(place: int, label: str, pieces: Iterable[Piece], is_different: bool) -> SafeString:
    top = TOP + ROW * place + (ROW - BAR) // 2
    colour = DIFFERENT if is_different else OPEN
    ground = format_html(
        '<text x="0" y="{}">{}</text><rect x="{}" y="{}" width="{}" height="{}" fill="{}" fill-opacity="0.18" rx="2"/>',
        top + BAR - 3,
        f"{label} *" if is_different else label,
        LEFT,
        top,
        WIDTH,
        BAR,
        GROUND,
    )
    stretches = (
        (_x(start), top, round(_x(end) - _x(start), 1), BAR, colour, f"{label} {_clock(start)}-{_clock(end)}")
        for start, end in pieces
    )
    bars = format_html_join(
        "", '<rect x="{}" y="{}" width="{}" height="{}" fill="{}" rx="2"><title>{}</title></rect>', stretches
    )
    return format_html("<g>{}{}</g>", ground, bars)


def _x(seconds: int) -> float:
    return round(LEFT + seconds * WIDTH / DAY, 1)


def _clock(seconds: int) -> str:
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}"
