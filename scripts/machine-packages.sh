#!/bin/sh
# Brings the browsers and servers that the tests drive: by apt where that is allowed, else it says what to install.
# Missing means red: no test skips itself because something is not there.
set -eu

missing=
need() { # need PACKAGE COMMAND…: any of the commands will do
    package=$1 && shift
    for name in "$@"; do
        # nginx stands in sbin, which an ordinary user's PATH lacks.
        command -v "$name" >/dev/null 2>&1 && return
        [ -x "/usr/sbin/$name" ] && return
    done
    missing="$missing $package"
}
need chromium chromium chromium-browser
need firefox-esr firefox-esr firefox
need nginx-light nginx
need aria2 aria2c
need openssl openssl
need caddy caddy
need tinyproxy tinyproxy
need systemd systemd-analyze
[ -n "$missing" ] || exit 0

if command -v apt-get >/dev/null 2>&1 && { [ "$(id -u)" = 0 ] || sudo -n true 2>/dev/null; }; then
    root=; [ "$(id -u)" = 0 ] || root="sudo -n"
    echo "Installing what the tests drive:$missing" >&2
    $root apt-get update -qq
    # shellcheck disable=SC2086 # a list of words is meant
    DEBIAN_FRONTEND=noninteractive $root apt-get install -y -qq --no-install-recommends $missing
else
    echo "The tests need programs that are not here. Install them, then run make again:" >&2
    echo "    apt-get install$missing" >&2
    exit 1
fi
