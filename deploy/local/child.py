"""Stands between fork and program: ties its life to the launcher's, changes the account, and becomes the program.

Usage: child.py LAUNCHER_PID SIGNAL_AT_ITS_DEATH ACCOUNT PROGRAM ARGUMENTS...   (ACCOUNT: "-", or UID:GID:CAPABILITY)
"""

import ctypes
import os
import sys

# <linux/prctl.h>, <linux/securebits.h>, <linux/capability.h>
PR_SET_PDEATHSIG, PR_SET_SECUREBITS, PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE = 1, 28, 47, 2
SECBIT_NO_SETUID_FIXUP = 1 << 2
CAPABILITY_VERSION_3 = 0x20080522


def become(launcher: int, death_signal: int, account: str, command: list[str]) -> None:
    if account != "-":
        uid, gid, capability = map(int, account.split(":"))
        change_account(uid, gid, capability)
    # Only now: a change of account clears it.
    if sys.platform == "linux":
        prctl(PR_SET_PDEATHSIG, death_signal)
    if os.getppid() != launcher:
        sys.exit("the launcher is gone")
    os.execv(command[0], command)  # noqa: S606


def change_account(uid: int, gid: int, capability: int) -> None:
    """Zero stands for no capability: the first real one, CAP_CHOWN, is never asked for."""
    os.setgroups([])
    os.setgid(gid)
    if capability:
        # Keeps root's capabilities until exec and makes access(), by which PostgreSQL finds itself, count the kept one.
        prctl(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP)
    os.setuid(uid)
    if capability:
        make_inheritable(capability)
        prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, capability)


def prctl(option: int, *values: int) -> None:
    arguments = [ctypes.c_ulong(value) for value in (*values, 0, 0, 0, 0)[:4]]
    if ctypes.CDLL(None, use_errno=True).prctl(option, *arguments) != 0:
        raise OSError(ctypes.get_errno(), f"prctl {option}: {os.strerror(ctypes.get_errno())}")


def make_inheritable(capability: int) -> None:
    """Only what is inheritable can be made ambient, and only what is ambient survives the exec of an ordinary file."""
    libc = ctypes.CDLL(None, use_errno=True)
    header = (ctypes.c_uint32 * 2)(CAPABILITY_VERSION_3, 0)
    # effective, permitted, inheritable for capabilities 0 to 31, then the same for 32 to 63
    sets = (ctypes.c_uint32 * 6)()
    sets[0] = sets[1] = sets[2] = 1 << capability
    if libc.capset(header, sets) != 0:
        raise OSError(ctypes.get_errno(), f"capset: {os.strerror(ctypes.get_errno())}")


if __name__ == "__main__":
    become(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4:])
