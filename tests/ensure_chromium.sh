#!/bin/sh
# The browser tests drive the system's Chromium. As root on Debian it is installed when missing; elsewhere a message
# says what to do.
set -eu
for name in "${CHROMIUM_PATH:-}" chromium chromium-browser google-chrome google-chrome-stable; do
    if [ -n "$name" ] && command -v "$name" >/dev/null 2>&1; then
        exit 0
    fi
done
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    echo "Installing Chromium from Debian's packages ..."
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium fonts-liberation >/dev/null
    exit 0
fi
echo "The browser tests need Chromium. Install it (Debian: sudo apt install chromium), or set CHROMIUM_PATH." >&2
exit 1
