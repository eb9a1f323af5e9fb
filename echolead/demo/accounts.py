"""The demo Chatwoot's accounts and their access tokens, made once per installation and kept in `accounts.json`."""

import json
import os
import secrets
from dataclasses import dataclass, field
from pathlib import Path

ACCOUNTS_FILE = "accounts.json"
NAMES = {1: "Demo", 2: "Outra demo"}


@dataclass(frozen=True)
class DemoAccount:
    """One Chatwoot account with one website inbox. `api_access_token` is its agent's, `website_token` is public."""

    account_id: int
    name: str
    api_access_token: str = field(repr=False)
    website_token: str
    inbox_id: int


def load_or_make_accounts(data_dir: Path) -> tuple[DemoAccount, ...]:
    """The accounts. If several processes find no tokens, one of them makes the file, which only the owner can read."""
    path = data_dir / ACCOUNTS_FILE
    if not path.exists():
        data_dir.mkdir(parents=True, exist_ok=True)
        _make(path)
    tokens: dict[str, str] = json.loads(path.read_text())
    return tuple(
        DemoAccount(number, name, tokens[str(number)], f"demo-website-token-{number}", number)
        for number, name in NAMES.items()
    )


def _make(path: Path) -> None:
    temporary = path.with_name(f"{path.name}.{os.getpid()}")
    with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        json.dump({number: secrets.token_urlsafe(24) for number in NAMES}, file)
        file.flush()
        os.fsync(file.fileno())
    try:
        path.hardlink_to(temporary)  # unlike a move, a link does not replace the file of another process
    except FileExistsError:
        pass
    finally:
        temporary.unlink()
