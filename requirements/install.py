"""`make up` and `make test`: installs the packages of a locked list, and counts them while it does.

pip alone is either silent for minutes or prints a thousand lines. Ends with pip's exit code; what pip says on stderr is
passed through.
"""

import re
import subprocess
import sys
from pathlib import Path

LOCKED = re.compile(r"^[A-Za-z0-9][\w.\-\[\]]*==", re.MULTILINE)
AT_HAND = ("Collecting ", "Processing ", "Requirement already satisfied: ")
ON_A_TERMINAL = sys.stdout.isatty()


def main(file: Path) -> int:
    """The list is whole, so nothing is resolved again: `--no-deps`."""
    command = [sys.executable, "-m", "pip", "install", "--no-deps", "--require-hashes", "--progress-bar", "off",
               "--requirement", str(file)]  # fmt: skip
    packages, found = len(LOCKED.findall(file.read_text())), 0
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as pip:
        for line in pip.stdout or ():
            if line.startswith("Ignoring "):  # for another system or another Python
                packages -= 1
            elif line.startswith(AT_HAND):
                found += 1
                say(f"  {found} of {packages} packages fetched", is_last=found == packages)
            elif line.startswith("Installing collected packages"):
                say("  Unpacking them, a minute or two ...", is_last=True)
    return pip.returncode


def say(text: str, is_last: bool) -> None:
    """On a terminal a line that is written over; elsewhere, as in a log, only the last one."""
    if ON_A_TERMINAL:
        sys.stdout.write(f"\r{text}" + "\n" * is_last)
    elif is_last:
        sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
