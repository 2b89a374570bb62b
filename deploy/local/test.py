"""bin/test: pytest on every core, against servers of its own."""

import os
import signal
import subprocess
import sys

from deploy.local import processes, servers
from deploy.local.account import OURSELVES
from deploy.local.console import Trouble, say
from deploy.local.options import PROJECT, TestOptions, test_options
from deploy.local.processes import Stopped, StopRequest, Supervisor
from deploy.local.state import AlreadyHeld, Home

# For pytest to report and to tear down, once it was told to stop.
FAREWELL_SECONDS = 10.0


def main(arguments: list[str]) -> int:
    options = test_options(arguments)
    home = Home(options.data)
    try:
        home.prepare()
        stop = StopRequest()
        with home.held():
            return test(options, home, stop)
    except AlreadyHeld:
        say(f"bin/test: another bin/test is running on {home.path}: wait for it, or set ITSM_TEST_DATA to another.")
    except Trouble as trouble:
        say(f"bin/test: {trouble}")
    return 1


def test(options: TestOptions, home: Home, stop: StopRequest) -> int:
    processes.end_processes(processes.leftovers(home, home.last_run()))
    supervisor = Supervisor(home, stop)
    try:
        environment = servers.start_servers(supervisor, mode="test", is_disposable=True)
        return run_pytest(options, environment, supervisor)
    except Stopped:
        return 130
    finally:
        supervisor.end_everything(*servers.ENDING_ORDER)


def run_pytest(options: TestOptions, environment: dict[str, str], supervisor: Supervisor) -> int:
    """Its exit code. It stays in the terminal's foreground: --pdb works, and Ctrl-C is pytest's as much as ours."""
    # What pyproject.toml names is measured, in pytest's workers too; each leaves a file, which `tell_coverage` puts together.
    runner = ["-m", "coverage", "run"] if options.is_measured else []
    command = [sys.executable, *runner, "-m", "pytest", *distribution(options.pytest), *options.pytest]
    if options.is_complete:
        environment = {**environment, "ITSM_TEST_ALL": "1"}
    with subprocess.Popen(OURSELVES.wrap(command), env=environment, cwd=PROJECT) as pytest:
        try:
            while pytest.poll() is None:
                supervisor.watch()
                supervisor.stop.sleep()
        except BaseException:
            dismiss(pytest, supervisor.stop.signal)
            raise
    if options.is_measured:
        tell_coverage()
    return pytest.returncode if pytest.returncode >= 0 else 128 - pytest.returncode


def tell_coverage() -> None:
    """What ran, file by file; the run's own answer stays pytest's."""
    for step in ("combine", "report"):
        subprocess.run([sys.executable, "-m", "coverage", step], cwd=PROJECT, check=False)


def distribution(arguments: tuple[str, ...]) -> list[str]:
    """Every core, unless the caller has said how many, or wants to look inside."""
    if any(
        a in {"--pdb", "--trace", "no:xdist", "-pno:xdist"} or a.startswith(("-n", "--numprocesses")) for a in arguments
    ):
        return []
    return ["-n", str(os.cpu_count() or 1), "--dist", "loadgroup"]


def dismiss(pytest: "subprocess.Popen[bytes]", reason: signal.Signals | None) -> None:
    # At Ctrl-C the terminal has told it already; a second word would cut its report short.
    if reason != signal.SIGINT:
        pytest.send_signal(signal.SIGINT)
    try:
        pytest.wait(FAREWELL_SECONDS)
    except subprocess.TimeoutExpired:
        pytest.kill()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
