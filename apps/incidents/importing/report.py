"""What came of an import, for people and for programs."""

from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import Any

from apps.incidents.importing.reading import Log, RejectedLine
from apps.incidents.importing.replaying import Outcome, Remark

RESULTS = ("imported", "unchanged", "changed", "rejected")
SHOWN = 10


@dataclass(slots=True)
class Report:
    """Grows by one outcome for each case."""

    source: str
    organization: str
    is_dry_run: bool
    lines: int = 0
    incidents: Counter[str] = field(default_factory=Counter)
    updates: int = 0
    states: dict[str, int] = field(default_factory=dict)
    transitions: Counter[str] = field(default_factory=Counter)
    made: dict[str, int] = field(default_factory=dict)
    rejected_lines: list[RejectedLine] = field(default_factory=list)
    remarks: list[Remark] = field(default_factory=list)

    def begin(self, log: Log) -> None:
        self.lines = log.lines
        self.states = dict(sorted(log.states.items()))
        self.rejected_lines = log.rejected

    def add(self, outcome: Outcome) -> None:
        self.incidents[outcome.result] += 1
        self.updates += outcome.updates if outcome.result == "imported" else 0
        self.transitions.update(outcome.transitions)
        self.remarks += outcome.remarks

    def as_json(self) -> dict[str, Any]:
        """In an order of its own, so that two runs over the same file say the same."""
        return {
            "source": self.source,
            "organization": self.organization,
            "is_dry_run": self.is_dry_run,
            "lines": self.lines,
            "incidents": {result: self.incidents[result] for result in RESULTS},
            "updates": self.updates,
            "states": self.states,
            "transitions": dict(sorted(self.transitions.items())),
            "made": dict(sorted(self.made.items())),
            "rejected_lines": [asdict(line) for line in self.rejected_lines],
            "remarks": [asdict(remark) for remark in self._sorted()],
        }

    def _sorted(self) -> list[Remark]:
        return sorted(self.remarks, key=lambda remark: (remark.number, remark.line, remark.code))

    def summary(self) -> str:
        """What fits on a screen; the rest is in the JSON."""
        heading = "would be " if self.is_dry_run else ""
        lines = [
            f"{self.lines:,} lines, {sum(self.incidents.values()):,} incidents",
            *(f"{self.incidents[result]:>10,} {heading}{result}" for result in RESULTS),
            *(f"{count:>10,} {what} {heading}made" for what, count in sorted(self.made.items())),
        ]
        by_code: dict[str, list[Remark]] = {}
        for remark in self._sorted():
            by_code.setdefault(remark.code, []).append(remark)
        for code, remarks in sorted(by_code.items()):
            lines.append(f"{code}: {len(remarks):,}")
            lines += [f"    {remark.number}: {remark.detail}" for remark in remarks[:SHOWN]]
            lines += ["    …"] if len(remarks) > SHOWN else []
        if self.rejected_lines:
            lines.append(f"rejected lines: {len(self.rejected_lines):,}")
            lines += [f"    line {one.line}: {one.detail}" for one in self.rejected_lines[:SHOWN]]
            lines += ["    …"] if len(self.rejected_lines) > SHOWN else []
        return "\n".join(lines)
