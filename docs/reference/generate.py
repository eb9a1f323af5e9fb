"""Write settings.md and command-line.md beside this file from the code: `python docs/reference/generate.py`.

A test compares both with what this makes, so a new setting or option is in the reference before it is merged.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import SecretStr
from typer.core import TyperGroup

from echolead.cli import COMMANDS, LazyCommand
from echolead.settings import Settings

HERE = Path(__file__).parent
ROOT = HERE.parents[1]

SETTINGS_HEAD = """# Settings

Every value EchoLead reads from its environment. `echolead up` writes the addresses and secrets of the stack it starts
to `<data dir>/stack.env` (mode 0600); a command given the same `--data-dir` reads them there, and the environment wins.
With `ECHOLEAD_CLICKHOUSE_URL`, `ECHOLEAD_POSTGRES_URL` and `ECHOLEAD_NATS_URL` set nothing is embedded.

Secret values are never logged. Made by `python docs/reference/generate.py` from `echolead/settings.py`.

| Variable | Default | Meaning |
|---|---|---|
"""
COMMANDS_HEAD = """# Command line

`echolead COMMAND --help` says the same at the terminal. Administrative commands find a stack by `--data-dir` (default:
`ECHOLEAD_DATA_DIR`, else `./var`) or by the [settings](settings.md) in the environment, and print JSON for programs
with `--json`. What cannot be done is told in one sentence on standard error, with exit code 2. Every change leaves a
row in the audit log with the account that made it.

A tenant with a host, a page's origin and a destination, from nothing:

```sh
echolead tenant create acme --host lp.acme.test --origin https://lp.acme.test --timezone America/Sao_Paulo
echolead destination add acme chatwoot --set base_url=https://chat.acme.test --set account_id=1 --set inbox_id=1 \\
    --secret api_access_token=-
echolead user create ana@acme.test --role acme=operator
echolead key create acme site-backend
echolead sql "select count() from enriched.events" --format JSONEachRow
```

`--secret name=-` reads the value from standard input, or asks for it at a terminal, so that it is in no shell history.

Changing keys without a gap:

- of secrets at rest: put a new key before the old one in `ECHOLEAD_DESTINATION_SECRET_KEYS` or
  `ECHOLEAD_COLLECTOR_SECRET_KEYS` (webhooks, chat widget), restart, run `echolead destination rotate-secrets`, take the
  old one away;
- of session tokens: put a new key before the old one in `ECHOLEAD_JWT_SECRET`, restart, take the old one away 8 hours
  later;
- of a tenant's server: `echolead key create` under another name (`site-backend-2027`), deploy the key, `echolead key
  revoke` the old one. `echolead key rotate` does both at once under the same name, when there is no time;
- of a webhook: `echolead webhook rotate`, enter the new secret in the product within 24 hours; until then both are
  accepted.

Made by `python docs/reference/generate.py` from the commands.
"""


def settings_page() -> str:
    """The table of settings."""
    rows = []
    for name, field in Settings.model_fields.items():
        meaning = " ".join((field.description or "").split())
        rows.append(f"| `ECHOLEAD_{name.upper()}` | {_default(field.default)} | {meaning} |")
    return SETTINGS_HEAD + "\n".join(rows) + "\n"


def commands_page() -> str:
    """A section for each command, with its arguments and options."""
    sections = [COMMANDS_HEAD]
    for name, (module, summary) in COMMANDS.items():
        for words, command in _leaves((name,), LazyCommand(name, module, summary).load()):
            sections.append(_section(words, command))
    return "\n".join(sections)


def _leaves(words: tuple[str, ...], command: Any) -> Iterator[tuple[tuple[str, ...], Any]]:
    if not isinstance(command, TyperGroup):
        yield words, command
        return
    for name, below in command.commands.items():
        yield from _leaves((*words, name), below)


def _section(words: tuple[str, ...], command: Any) -> str:
    arguments = [parameter for parameter in command.params if parameter.param_type_name == "argument"]
    options = [parameter for parameter in command.params if parameter.param_type_name == "option"]
    usage = " ".join(["echolead", *words, *(_placeholder(argument) for argument in arguments)])
    told = " ".join((command.help or "").split("\f")[0].split())
    lines = [f"## {' '.join(words)}", "", f"`{usage}`", "", told, ""]
    rows = [(f"`{_placeholder(argument)}`", argument) for argument in arguments]
    rows += [("`" + ", ".join([*option.opts, *option.secondary_opts]) + "`", option) for option in options]
    if rows:
        lines += ["| | |", "|---|---|"]
        lines += [f"| {spelling} | {_meaning(parameter)} |" for spelling, parameter in rows]
        lines.append("")
    return "\n".join(lines)


def _placeholder(argument: Any) -> str:
    name = argument.name.upper().rstrip("_")
    return name if argument.required else f"[{name}]"


def _meaning(parameter: Any) -> str:
    told = " ".join((parameter.help or "").split()).replace("|", "\\|")
    default = parameter.default
    shows = getattr(parameter, "show_default", False) and default not in (None, False, "") and not callable(default)
    return f"{told} Default: {_default(default)}." if shows else told


def _default(value: Any) -> str:
    if isinstance(value, SecretStr):
        value = value.get_secret_value()
    if isinstance(value, Path) and value.is_absolute():
        value = value.resolve().relative_to(ROOT)
    return "empty" if value == "" else f"`{str(value).lower() if isinstance(value, bool) else value}`"


PAGES = {"settings.md": settings_page, "command-line.md": commands_page}

if __name__ == "__main__":
    for page, make in PAGES.items():
        (HERE / page).write_text(make())
