"""Where the system's Chromium is."""

import os
import shutil

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def chromium_path() -> str:
    """Path of the browser the tests drive: CHROMIUM_PATH, else the first that is installed.

    Raises `RuntimeError`: a browser test that cannot run has failed.
    """
    for name in (os.environ.get("CHROMIUM_PATH", ""), *NAMES):
        found = shutil.which(name) if name else None
        if found:
            return found
    raise RuntimeError("No Chromium here. Install it (Debian: apt install chromium), or set CHROMIUM_PATH.")
