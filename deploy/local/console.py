"""What the person at the terminal sees."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic

TAIL_BYTES = 16_384


class Trouble(Exception):
    """Something the person at the terminal has to know or to settle; shown as it is, without a traceback."""


def say(text: str, end: str = "\n") -> None:
    """Print at once. A terminal that has gone away must not keep the launcher from stopping what it started."""
    try:
        print(text, end=end, flush=True)
    except OSError:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


@contextmanager
def step(title: str) -> Iterator[None]:
    """A line that ends with the seconds it took."""
    say(f"  {title} ", end="")
    started = monotonic()
    try:
        yield
    except BaseException:
        say("")
        raise
    say(f"{monotonic() - started:.1f} s")


def tail(log: Path, lines: int = 30) -> str:
    """The last lines of a log, indented to stand out."""
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - TAIL_BYTES))
        text = file.read().decode(errors="replace")
    return "\n".join(f"    {line}" for line in text.splitlines()[-lines:])
