"""Small disks for tests: an ext4 file system in a file, on a loop device."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


class NoLoopDevice(Exception):
    """This machine does not allow mounting a file."""


@contextmanager
def mounted(image: Path, folder: Path) -> Iterator[Path]:
    """The file system in `image`, on a loop device that is gone afterwards. Raises `NoLoopDevice`."""
    folder.mkdir()
    found = subprocess.run(["losetup", "--find", "--show", str(image)], capture_output=True, text=True, check=False)
    if found.returncode != 0:
        raise NoLoopDevice(found.stderr.strip())
    device = found.stdout.strip()
    try:
        done = subprocess.run(["mount", "-t", "ext4", device, str(folder)], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise NoLoopDevice(done.stderr.strip())
        try:
            yield folder
        finally:
            subprocess.run(["umount", str(folder)], check=True)
    finally:
        subprocess.run(["losetup", "--detach", device], check=True)


def make_disk(folder: Path, size_bytes: int, what: str) -> Path:
    """An empty file system in a file in `folder`; skips where it could not be mounted: `what` is then not tested."""
    missing = [tool for tool in ("losetup", "mount", "umount", "mkfs.ext4") if shutil.which(tool) is None]
    if os.geteuid() != 0 or missing:
        pytest.skip(f"{what} NOT TESTED: it needs root and {', '.join(missing) or 'nothing else'}.")
    image = folder / "disk.img"
    with image.open("wb") as file:
        file.truncate(size_bytes)
    subprocess.run(["mkfs.ext4", "-q", "-F", str(image)], check=True)
    try:
        with mounted(image, folder / "probe"):
            pass
    except NoLoopDevice as error:
        pytest.skip(f"{what} NOT TESTED: this machine mounts no loop device: {error}.")
    return image
