"""Figures of the whole installation for those who watch over it: how far each part is behind. Counts and ages, no content.

Apps declare what they measure, `served` shows it to Prometheus. They are read with the system login, which no web process has.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime

import structlog
from prometheus_client import generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector, CollectorRegistry

from apps.core.schedule import database_now

log = structlog.get_logger(__name__)

PREFIX = "itsm_"


@dataclass(frozen=True, slots=True)
class Gauge:
    """One figure; `name` without the prefix, in Prometheus' manner with its unit last."""

    name: str
    text: str
    labels: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Reading:
    """What a gauge shows now, for one combination of its labels."""

    gauge: Gauge
    value: float
    labels: tuple[str, ...] = ()


Read = Callable[[datetime], Iterable[Reading]]
_sources: dict[str, tuple[tuple[Gauge, ...], Read]] = {}
READ = Gauge("figures_read", "1 when the figures of this source could be read, 0 when they could not.", ("source",))


def source(name: str, *gauges: Gauge) -> Callable[[Read], Read]:
    """Declare that `read(now)`, asked outside any tenant, tells these gauges. Raises ValueError for a name that is taken."""

    def register(read: Read) -> Read:
        if name in _sources:
            raise ValueError(f"two sources of figures are called {name}")
        _sources[name] = (gauges, read)
        return read

    return register


def declared() -> dict[str, tuple[Gauge, ...]]:
    """The gauges of every source."""
    return {name: gauges for name, (gauges, _) in sorted(_sources.items())}


class _Figures(Collector):
    """Asks every source anew. One that fails hides none of the others."""

    def __init__(self, now: datetime) -> None:
        self.now = now

    def collect(self) -> Iterable[GaugeMetricFamily]:
        read_family = _family(READ)
        for name, (gauges, read) in sorted(_sources.items()):
            families = {gauge.name: _family(gauge) for gauge in gauges}
            try:
                for reading in read(self.now):
                    families[reading.gauge.name].add_metric(reading.labels, reading.value)
            except Exception:
                log.exception("figures_not_read", source=name)
                read_family.add_metric((name,), 0)
                continue
            read_family.add_metric((name,), 1)
            yield from families.values()
        yield read_family


def _family(gauge: Gauge) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"{PREFIX}{gauge.name}", gauge.text, labels=gauge.labels)


def shown() -> bytes:
    """Everything, in the text format of Prometheus, as of now by the database's clock."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Figures(database_now()))
    text: bytes = generate_latest(registry)
    return text
