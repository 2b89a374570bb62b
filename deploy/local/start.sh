# Sourced by bin/up, bin/down and bin/test with $root set: finds a Python and hands over to deploy/local/venv.py.

# Usage: start COMMAND ARGUMENTS...
start() {
    find_python
    # -P and PYTHONPATH: the caller's directory may hold a `deploy` of its own, and relative --data paths are the caller's.
    PYTHONPATH=$root
    export PYTHONPATH
    exec "$python" -P -m deploy.local.venv "$@"
}

find_python() {
    if [ -n "${PYTHON:-}" ]; then
        python=$PYTHON
        is_recent "$python" sys && return
        refuse "PYTHON=$PYTHON is not a Python 3.11 or newer."
    fi
    # One that can make virtual environments is better than one that comes first.
    for module in ensurepip sys; do
        for python in python3.11 python3.12 python3.13 python3.14 python3 python; do
            is_recent "$python" $module && return
        done
    done
    refuse "no Python 3.11 or newer found. Install one (Debian: apt install python3 python3-venv), or name it: PYTHON=/path/to/python3.11 $0"
}

is_recent() {
    "$1" -c "import sys, $2; sys.exit(sys.version_info < (3, 11))" >/dev/null 2>&1
}

refuse() {
    echo "$0: $1" >&2
    exit 1
}
