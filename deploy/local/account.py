"""The account PostgreSQL runs as. It refuses root, so root lends it one without rights."""

import os
import pwd
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from deploy.local.console import Trouble

# <linux/capability.h>; passing through closed directories is enough, unless the binaries too are closed to others.
NO_CAPABILITY, CAP_DAC_READ_SEARCH, CAP_DAC_OVERRIDE = 0, 2, 1
WRAPPER = Path(__file__).with_name("child.py")


@dataclass(frozen=True)
class Account:
    """Who runs a program: ourselves, or the account named."""

    uid: int = -1
    gid: int = -1
    capability: int = NO_CAPABILITY

    def own(self, path: Path) -> None:
        if self.uid != -1:
            os.chown(path, self.uid, self.gid)

    def wrap(self, command: list[str], at_launcher_death: signal.Signals = signal.SIGTERM) -> list[str]:
        """The command through child.py, which binds it to this process and makes it this account's."""
        account = "-" if self.uid == -1 else f"{self.uid}:{self.gid}:{self.capability}"
        return [
            sys.executable,
            "-I",
            "-S",
            str(WRAPPER),
            str(os.getpid()),
            str(int(at_launcher_death)),
            account,
            *command,
        ]


OURSELVES = Account()


def for_server(data: Path, binaries: Path) -> Account:
    """Ourselves, unless we are root: then an account that can reach both directories, if need be with a capability."""
    if os.geteuid() != 0:
        return OURSELVES
    uid, gid = _unprivileged(data)
    for capability in (NO_CAPABILITY, CAP_DAC_READ_SEARCH, CAP_DAC_OVERRIDE):
        account = Account(uid, gid, capability)
        if _reaches(account, data.parent, binaries / "postgres"):
            return account
    raise Trouble(_unreachable(pwd.getpwuid(uid).pw_name, [data.parent, binaries]))


def _unprivileged(data: Path) -> tuple[int, int]:
    """The owner of an existing data directory, else `postgres`, else `nobody`."""
    if data.exists() and data.stat().st_uid != 0:
        return data.stat().st_uid, data.stat().st_gid
    for name in ("postgres", "nobody"):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return entry.pw_uid, entry.pw_gid
    raise Trouble(
        "PostgreSQL does not run as root, and there is no account `postgres` or `nobody`: start as an ordinary user"
    )


def _reaches(account: Account, directory: Path, program: Path) -> bool:
    """Tried, not computed: modes, access lists and missing capabilities all have their say."""
    attempt = ["/bin/sh", "-c", 'cd "$1" && "$2" -V', "sh", str(directory), str(program)]
    return subprocess.run(account.wrap(attempt), cwd="/", capture_output=True, check=False).returncode == 0


def _unreachable(name: str, directories: list[Path]) -> str:
    closed = [str(p) for d in directories for p in (d, *d.parents) if not p.stat().st_mode & 0o001]
    return (
        f"PostgreSQL does not run as root, and the account `{name}` it would run as cannot pass through"
        f" {', '.join(dict.fromkeys(closed)) or directories[0]}. Start as an ordinary user, or move the checkout"
        " (or --data and ITSM_VENV) to a place others may pass through."
    )
