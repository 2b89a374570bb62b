"""bin/down: end a running copy, or what a killed one left behind."""

import sys
from time import monotonic, sleep

import psutil

from deploy.local import processes
from deploy.local.console import Trouble, say
from deploy.local.options import down_options
from deploy.local.state import AlreadyHeld, Home

# Longer than any orderly stop takes.
PATIENCE_SECONDS = 40.0
# Between taking the directory and writing down who took it.
GRACE_SECONDS = 2.0


def main(arguments: list[str]) -> int:
    home = Home(down_options(arguments))
    try:
        say(stop(home))
    except Trouble as trouble:
        say(f"bin/down: {trouble}")
        return 1
    return 0


def stop(home: Home) -> str:
    """What was done."""
    home.prepare()
    started = monotonic()
    asked: psutil.Process | None = None
    while True:
        try:
            with home.held():
                remains = end_remains(home)
                return f"Stopped after {monotonic() - started:.1f} s." if asked else remains
        except AlreadyHeld:
            asked = asked or ask(home, monotonic() - started)
        if asked and monotonic() - started > PATIENCE_SECONDS:
            say(f"The launcher (pid {asked.pid}) does not stop; killing it.")
            asked.kill()
        sleep(0.1)


def end_remains(home: Home) -> str:
    count = processes.end_processes(processes.leftovers(home, home.last_run()))
    home.state.unlink(missing_ok=True)
    return f"Ended {count} processes that a killed run left behind." if count else "Nothing is running."


def ask(home: Home, seconds: float) -> psutil.Process | None:
    """The launcher, told to stop; None while it has not yet written down who it is."""
    run = home.last_run()
    launcher = run.launcher.process() if run else None
    if launcher is None:
        if seconds > GRACE_SECONDS + PATIENCE_SECONDS:
            raise Trouble(f"some process holds {home.path}, but {home.state} does not say which")
        return None
    say(f"Stopping the launcher (pid {launcher.pid}) ...")
    try:
        launcher.terminate()
    except psutil.AccessDenied:
        raise Trouble(
            f"the launcher (pid {launcher.pid}) belongs to {launcher.username()}: stop it as that user"
        ) from None
    return launcher


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
