"""The command lines of bin/up, bin/down and bin/test. Read by any Python, before anything is installed."""

import os
from argparse import ArgumentParser, ArgumentTypeError, RawDescriptionHelpFormatter
from dataclasses import dataclass
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
DEFAULT_DATA = PROJECT / ".local"
DEFAULT_PORT = 8000

PLATFORMS = """
Needs Python 3.11 or newer with venv and a package index; runs on Linux x86-64 and arm64. macOS: best effort, untested.
ITSM_VENV names another place for the virtual environment than .venv, PYTHON another interpreter to make it with.
With DATABASE_URL or REDIS_URL set, that server is used and the embedded one stays off. A DATABASE_URL alone is taken
as an administrative login (PostgreSQL 15 or newer); or give all of DATABASE_URL, WORKER_, SYSTEM_ and
MIGRATOR_DATABASE_URL, with ADMIN_DATABASE_URL if the roles are to be provisioned.
ITSM_POSTGRES_BIN names a directory with another PostgreSQL's programs (15 or newer) for the embedded server.
"""


@dataclass(frozen=True)
class UpOptions:
    """What bin/up was asked for."""

    port: int
    data: Path
    is_detached: bool


@dataclass(frozen=True)
class TestOptions:
    """What bin/test was asked for."""

    data: Path
    is_complete: bool
    is_measured: bool
    pytest: tuple[str, ...]


def up_options(arguments: list[str]) -> UpOptions:
    parser = _parser("bin/up", "Start PostgreSQL, Valkey, web, worker, beat and relay with demo data.", PLATFORMS)
    parser.add_argument(
        "--port", type=_port, default=DEFAULT_PORT, help="of the web server on 127.0.0.1 (default: %(default)s)"
    )
    _add_data(parser)
    parser.add_argument("--detach", action="store_true", help="go to the background as soon as everything is ready")
    given = parser.parse_args(arguments)
    return UpOptions(port=given.port, data=given.data, is_detached=given.detach)


def down_options(arguments: list[str]) -> Path:
    """The directory whose copy is to stop."""
    parser = _parser("bin/down", "Stop what bin/up started, and what a killed bin/up left behind.", "")
    _add_data(parser)
    data: Path = parser.parse_args(arguments).data
    return data


def test_options(arguments: list[str]) -> TestOptions:
    epilog = (
        "Every other argument goes to pytest. ITSM_TEST_DATA names another directory than .local/test.\n" + PLATFORMS
    )
    parser = _parser("bin/test", "Run the test suite against its own PostgreSQL and Valkey, on every core.", epilog)
    parser.add_argument("--all", action="store_true", help="long rounds in full, too")
    parser.add_argument("--coverage", action="store_true", help="say which lines and branches of the domain ran")
    given, pytest = parser.parse_known_args(arguments)
    data = _directory(os.environ.get("ITSM_TEST_DATA") or str(DEFAULT_DATA / "test"))
    return TestOptions(data=data, is_complete=given.all, is_measured=given.coverage, pytest=tuple(pytest))


def _parser(program: str, description: str, epilog: str) -> ArgumentParser:
    return ArgumentParser(
        prog=program,
        description=description,
        epilog=epilog,
        formatter_class=RawDescriptionHelpFormatter,
        # bin/test hands unknown options on: "--co" is pytest's and no short form of ours.
        allow_abbrev=False,
    )


def _add_data(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--data", type=_directory, default=DEFAULT_DATA, metavar="DIR", help="data, logs and secrets (default: .local)"
    )


def _directory(text: str) -> Path:
    return Path(text).expanduser().resolve()


def _port(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 65535:
        raise ArgumentTypeError(f"{text!r} is not a port (1 to 65535)")
    return int(text)
