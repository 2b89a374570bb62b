"""Settings of the bare application for tickets."""

from tests.benchmarks.bare_settings import *  # noqa: F403

ROOT_URLCONF = "tests.benchmarks.bare_tickets"
