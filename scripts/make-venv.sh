#!/bin/sh
# Makes .venv with the interpreter named by $1, or says what is missing and how to get it.
set -eu
python=$1

if ! command -v "$python" >/dev/null 2>&1; then
    echo "No '$python' here. Install Python 3.11 or newer (Debian: apt-get install python3 python3-venv)." >&2
    exit 1
fi
if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
    echo "$("$python" --version) is too old; 3.11 or newer is needed. Name another one: make PYTHON=python3.12 …" >&2
    exit 1
fi
# Debian ships venv apart from Python, and says so only in the middle of a failing command.
if ! "$python" -c 'import ensurepip, venv' >/dev/null 2>&1; then
    version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    if command -v apt-get >/dev/null 2>&1 && { [ "$(id -u)" = 0 ] || sudo -n true 2>/dev/null; }; then
        root=; [ "$(id -u)" = 0 ] || root="sudo -n"
        echo "This Python has no venv; installing python$version-venv by apt." >&2
        $root apt-get update -qq
        DEBIAN_FRONTEND=noninteractive $root apt-get install -y -qq --no-install-recommends "python$version-venv"
    else
        echo "This Python has no venv. Install it: apt-get install python$version-venv (as root), then run make again." >&2
        exit 1
    fi
fi
# One without pip is what an interrupted attempt leaves behind.
.venv/bin/python -m pip --version >/dev/null 2>&1 || "$python" -m venv --clear .venv
