"""The whole stack as a new user starts it: `echolead up` with its own folder and ports, driven by its commands."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import httpx

from echolead.demo.accounts import load_or_make_accounts
from echolead.embedded.alone import running
from echolead.embedded.part import Part, port_is_open, tail
from echolead.ports import Port
from echolead.settings import STACK_ENV, Settings
from tests.fixtures.parts import free_port

Value = TypeVar("Value")
ACCOUNTS = {"acme": 1, "beta": 2}


def eventually(what: str, probe: Callable[[], Value | None], seconds: float = 120) -> Value:
    """The first answer of `probe` that is not None (an `AssertionError` inside counts as "not yet")."""
    deadline = time.monotonic() + seconds
    last: BaseException | None = None
    while time.monotonic() < deadline:
        try:
            found = probe()
        except (AssertionError, httpx.HTTPError) as error:
            last, found = error, None
        if found is not None:
            return found
        time.sleep(0.3)
    raise AssertionError(f"{what}: not within {seconds:.0f} s") from last


def free_base(count: int = 12) -> int:
    """A base with `count` free ports in a row, below those the kernel gives to outgoing connections."""
    bases = list(range(12_000, 30_000, 20))
    random.shuffle(bases)
    for base in bases:
        if not any(port_is_open("127.0.0.1", base + offset, 0.05) for offset in range(count)):
            return base
    raise RuntimeError("no run of free ports on this machine")


@dataclass
class Stack:
    """A running stack with the demo and two tenants more.

    `acme` and `beta` have each its own host, page, Chatwoot account and user.
    """

    data_dir: Path
    base: int
    process: "subprocess.Popen[bytes]"
    chatwoot_url: str
    pages: dict[str, int]
    passwords: dict[str, str]

    def start(self) -> None:
        """Run `echolead up` again, after the process has ended."""
        self.process = _up(self.data_dir, self.base)

    def run(self, *words: str) -> "subprocess.CompletedProcess[str]":
        """Run `echolead WORDS` against this stack to its end, whatever its status."""
        where = ["--data-dir", str(self.data_dir)]
        ports = ["--port-base", str(self.base)] if words[0] == "up" else []
        return subprocess.run(
            [sys.executable, "-m", "echolead", *words, *where, *ports],
            capture_output=True, text=True, timeout=300, check=False, env=environment(),
        )  # fmt: skip

    def status(self) -> dict[str, Any]:
        """The output of `echolead status --json`."""
        found: dict[str, Any] = json.loads(self.run("status", "--json").stdout)
        return found

    def part(self, name: str) -> dict[str, Any]:
        """One part of the status."""
        return next(part for part in self.status()["parts"] if part["name"] == name)

    def url(self, port: Port, path: str = "/") -> str:
        """A page of one of the parts."""
        return f"http://127.0.0.1:{port.of(self.base)}{path}"

    def command(self, *words: str, json_output: bool = True, given: str | None = None, may_fail: bool = False) -> Any:
        """Run `echolead WORDS` against this stack; its JSON answer."""
        extra = ["--json"] if json_output else []
        done = subprocess.run(
            [sys.executable, "-m", "echolead", *words, "--data-dir", str(self.data_dir), *extra],
            capture_output=True, text=True, timeout=120, check=False, input=given,
        )  # fmt: skip
        assert may_fail or done.returncode == 0, f"echolead {' '.join(words)}: {done.stderr}{done.stdout}"
        return json.loads(done.stdout) if json_output else done.stdout

    def sql(self, query: str) -> list[dict[str, Any]]:
        """Rows of a query against the warehouse, as its read-only user."""
        answer = httpx.post(
            self.settings.clickhouse_readonly_url.get_secret_value(),
            content=query,
            params={"default_format": "JSONEachRow", "output_format_json_quote_64bit_integers": "0"},
            timeout=60,
        )
        assert answer.status_code == 200, answer.text
        return [json.loads(line) for line in answer.text.splitlines()]

    @property
    def settings(self) -> Settings:
        """The settings of this stack's parts."""
        return Settings(_env_file=self.data_dir / STACK_ENV)  # type: ignore[call-arg]

    def agent(self, tenant: str) -> dict[str, str]:
        """The headers of an agent of the tenant's Chatwoot account."""
        accounts = load_or_make_accounts(self.data_dir.parent / "chatwoot")
        tokens = {each.account_id: each.api_access_token for each in accounts}
        return {"api_access_token": tokens[ACCOUNTS[tenant]]}

    def contacts(self, tenant: str) -> list[dict[str, Any]]:
        """The records of the tenant's Chatwoot account, through Chatwoot's own API."""
        account = ACCOUNTS[tenant]
        found: list[dict[str, Any]] = []
        page = 1
        while True:
            answer = httpx.get(
                f"{self.chatwoot_url}/api/v1/accounts/{account}/contacts",
                params={"page": page}, headers=self.agent(tenant), timeout=10,
            )  # fmt: skip
            answer.raise_for_status()
            found += answer.json()["payload"]
            if len(answer.json()["payload"]) == 0:
                return found
            page += 1

    def labels(self, tenant: str, contact_id: int) -> list[str]:
        """The labels of one contact."""
        account = ACCOUNTS[tenant]
        answer = httpx.get(
            f"{self.chatwoot_url}/api/v1/accounts/{account}/contacts/{contact_id}/labels",
            headers=self.agent(tenant), timeout=10,
        )  # fmt: skip
        answer.raise_for_status()
        return list(answer.json()["payload"])

    def page_url(self, tenant: str, path: str = "/") -> str:
        """A page of the tenant's landing site, as its visitors see it."""
        return f"http://lp.{tenant}.test:{self.pages[tenant]}{path}"


def environment() -> dict[str, str]:
    """The environment without EchoLead's settings but one: the Chatwoot of `acme` and `beta` is on this machine."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith("ECHOLEAD_")}
    return {**ours, "ECHOLEAD_ALLOW_PRIVATE_DESTINATIONS": "true"}


def _up(data_dir: Path, base: int) -> "subprocess.Popen[bytes]":
    log = data_dir.parent / "up.log"
    with log.open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "echolead", "up", "--data-dir", str(data_dir), "--port-base", str(base)],
            stdout=output, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, env=environment(),
            start_new_session=True,
        )  # fmt: skip

    def ready() -> bool | None:
        assert process.poll() is None, f"echolead up ended: {tail(log, 40)}"
        answer = httpx.get(f"http://127.0.0.1:{Port.CONSOLE.of(base)}/_stcore/health", timeout=2)
        web = httpx.get(f"http://127.0.0.1:{Port.DAGSTER.of(base)}/healthz", timeout=2)
        return True if answer.status_code == web.status_code == 200 else None

    try:
        eventually("the stack is up", ready, 600)
    except AssertionError:
        _stop(process)
        raise
    return process


def _stop(process: "subprocess.Popen[bytes]") -> None:
    """Press Ctrl-C, unless it has ended. Raises `TimeoutExpired` if it does not end."""
    if process.poll() is not None:
        return
    process.send_signal(signal.SIGINT)
    try:
        process.wait(90)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(10)
        raise


def part(name: str, port: int, command: list[str], path: str) -> Part:
    def missing() -> str | None:
        try:
            status = httpx.get(f"http://127.0.0.1:{port}{path}", timeout=2).status_code
        except httpx.HTTPError as error:
            return str(error)
        return None if status == 200 else f"answers {status}"

    return Part(name, [sys.executable, *command, "--port", str(port)], missing)


def _create_tenant(stack: Stack, tenant: str) -> None:
    origin = f"http://lp.{tenant}.test:{stack.pages[tenant]}"
    stack.command("tenant", "create", tenant, "--host", f"lp.{tenant}.test", "--origin", origin,
                  "--timezone", "America/Sao_Paulo")  # fmt: skip
    account = ACCOUNTS[tenant]
    stack.command(
        "destination", "add", tenant, "chatwoot", "--set", f"base_url={stack.chatwoot_url}",
        "--set", f"account_id={account}", "--set", f"inbox_id={account}",
        "--secret", f"api_access_token={stack.agent(tenant)['api_access_token']}",
    )  # fmt: skip
    stack.command("user", "create", f"user@{tenant}.test", "--password-stdin", "--role", f"{tenant}=viewer",
                  given=stack.passwords[tenant] + "\n")  # fmt: skip


def restart(stack: Stack) -> float:
    """Ctrl-C and `echolead up` again; seconds from the command to the pages of console and Dagster."""
    _stop(stack.process)
    start = time.monotonic()
    stack.start()
    return time.monotonic() - start


@contextmanager
def running_stack(folder: Path) -> Iterator[Stack]:
    """`echolead up` in `folder`, a demo Chatwoot and a landing site for each tenant; all of it stopped at the end."""
    base, chatwoot_port = free_base(), free_port()
    data_dir = folder / "data"
    data_dir.mkdir(mode=0o755)
    pages = {tenant: free_port() for tenant in ACCOUNTS}
    chatwoot_url = f"http://127.0.0.1:{chatwoot_port}"
    with ExitStack() as cleanup:
        chatwoot = ["-m", "echolead.demo.chatwoot", "--data-dir", str(folder / "chatwoot")]
        cleanup.enter_context(running(part("chatwoot", chatwoot_port, chatwoot, "/healthz"), folder / "logs"))
        for tenant, port in pages.items():
            site = ["-m", "echolead.demo.pages", "--collector-port", str(Port.COLLECTOR.of(base))]
            site += ["--chatwoot-url", chatwoot_url, "--website-token", f"demo-website-token-{ACCOUNTS[tenant]}"]
            cleanup.enter_context(running(part(f"pages-{tenant}", port, site, "/"), folder / "logs"))
        process = _up(data_dir, base)
        stack = Stack(data_dir, base, process, chatwoot_url, pages, {t: f"long-enough-{t}-password" for t in ACCOUNTS})
        try:
            for tenant in ACCOUNTS:
                _create_tenant(stack, tenant)
            yield stack
        finally:
            _stop(stack.process)
            shutil.copytree(data_dir / "logs", folder / "logs" / "stack", dirs_exist_ok=True)
