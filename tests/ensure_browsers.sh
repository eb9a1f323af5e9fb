#!/bin/sh
# The browser tests drive the system's Chromium and, where they are there, Firefox and WebKit. As root on Debian all are
# installed when missing; elsewhere a message says what to do.
set -eu

has() {
    command -v "$1" >/dev/null 2>&1
}

has_chromium() {
    for name in "${CHROMIUM_PATH:-}" chromium chromium-browser google-chrome google-chrome-stable; do
        if [ -n "$name" ] && has "$name"; then return 0; fi
    done
    return 1
}

has_others() {
    has firefox-esr && has WebKitWebDriver && has Xvfb
}

install() {
    [ "$(id -u)" = 0 ] && has apt-get || return 1
    echo "Installing $1 from Debian's packages ..."
    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null
}

if ! has_chromium && ! install chromium fonts-liberation; then
    echo "The browser tests need Chromium. Install it (Debian: sudo apt install chromium), or set CHROMIUM_PATH." >&2
    exit 1
fi
if ! has_others && ! install firefox-esr webkit2gtk-driver xvfb; then
    echo "Tests in Firefox and WebKit are skipped where these are not there (Debian: sudo apt install firefox-esr webkit2gtk-driver xvfb)."
fi
