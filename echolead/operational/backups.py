"""What a folder with a backup holds (`backup.json`), and whether the keys here open the secrets in it."""

import hashlib
from datetime import datetime
from pathlib import Path

import msgspec

from echolead.security import BadKey, Undecryptable, Vault
from echolead.settings import Settings

CONTENT = "backup.json"
LAKE = "lake"
"""The folder of the lake's files within a backup."""
FORMAT = 1
VAULTS = {
    "ECHOLEAD_COLLECTOR_SECRET_KEYS": Vault.of_collector,
    "ECHOLEAD_DESTINATION_SECRET_KEYS": Vault.of_destinations,
}
"""By the setting that has their keys."""


class NoBackup(RuntimeError):
    """The folder has no backup that can be restored; the message says why."""


class SavedFile(msgspec.Struct, frozen=True):
    """A file of a backup: its path below the folder it belongs to, its size and SHA-256."""

    path: str
    bytes: int
    sha256: str


class BackupContent(msgspec.Struct, frozen=True, kw_only=True):
    """What a backup holds: rows by table of the operational database at `revision`, and the lake's files.

    A lake in an object store is not in it (`has_lake` is false), and is read from its own address. `seals` has a text
    for each setting with keys, encrypted with these keys: no key is in a backup.
    """

    made_at: datetime
    revision: str
    rows: dict[str, int]
    dump: SavedFile
    lake_address: str
    has_lake: bool
    files: list[SavedFile]
    seals: dict[str, str]
    format: int = FORMAT

    def text(self) -> str:
        """The file's content."""
        return msgspec.json.encode(self).decode()


def read_content(folder: Path) -> BackupContent:
    """What the folder holds. Raises `NoBackup`."""
    try:
        content = msgspec.json.decode((folder / CONTENT).read_bytes(), type=BackupContent)
    except FileNotFoundError:
        raise NoBackup(f"{folder} has no {CONTENT}: no backup into this folder came to its end.") from None
    except (OSError, msgspec.DecodeError) as error:
        raise NoBackup(f"{folder / CONTENT} cannot be read: {error}") from error
    if content.format != FORMAT:
        raise NoBackup(f"{folder} has the format {content.format}, and this version reads {FORMAT}.")
    return content


def check_dump(folder: Path, content: BackupContent) -> Path:
    """The dump of a backup, read once. Raises `NoBackup` unless it is the file that was written."""
    path = folder / content.dump.path
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise NoBackup(f"{path} cannot be read: {error.strerror}.") from error
    if digest != content.dump.sha256:
        raise NoBackup(f"{path} is damaged: it is not the file that was written.")
    return path


def sealed(settings: Settings) -> dict[str, str]:
    """A text by setting with keys, encrypted with its newest key; none of a setting that is empty."""
    return {name: vault.encrypt({"setting": name}).decode() for name, vault in _vaults(settings).items()}


def unopened(settings: Settings, content: BackupContent) -> list[str]:
    """The settings whose keys here do not open the secrets in a backup."""
    vaults = _vaults(settings)
    return sorted(name for name, seal in content.seals.items() if not _opens(vaults.get(name), seal))


def _vaults(settings: Settings) -> dict[str, Vault]:
    found = {}
    for name, made in VAULTS.items():
        try:
            found[name] = made(settings)
        except BadKey:
            continue  # an installation without such secrets
    return found


def _opens(vault: Vault | None, seal: str) -> bool:
    try:
        return vault is not None and bool(vault.decrypt(seal.encode()))
    except Undecryptable:
        return False
