"""Pulls of a Chatwoot account: everything once, bounded, and repaired after trouble."""

import itertools
import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from clickhouse_connect.driver.client import Client
from sqlalchemy import Engine, select
from typer.testing import CliRunner, Result

from dlt_pipelines.chatwoot import pull as pulling
from dlt_pipelines.chatwoot import walk
from dlt_pipelines.chatwoot.pull import PulledChats, pull
from echolead.cli import app
from echolead.demo.chatwoot import Fault
from echolead.operational.chat import set_chat_settings
from echolead.operational.database import system_session
from echolead.operational.models import ChatPull, Destination
from echolead.operational.provision import OperationalUrls
from echolead.settings import STACK_ENV, Settings
from tests.fixtures.demo_chatwoot import ACCOUNT, ServedChatwoot, served_chatwoot
from tests.fixtures.operational import SECRET_KEY, make_destination, make_tenant


@pytest.fixture
def chatwoot(tmp_path: Path) -> Iterator[ServedChatwoot]:
    """On a clock that is a minute later each time it is looked at."""
    minutes = itertools.count(1_772_000_000, 60)
    with served_chatwoot(tmp_path / "chatwoot.sqlite", lambda: next(minutes)) as served:
        yield served


@pytest.fixture
def destination(
    chatwoot: ServedChatwoot, empty_operational_urls: OperationalUrls, system_engine: Engine
) -> Destination:
    """Of the only tenant there is."""
    tenant = make_tenant(system_engine)
    return make_destination(
        system_engine,
        tenant.tenant_id,
        configuration=chatwoot.configuration(),
        secrets={"api_access_token": ACCOUNT.api_access_token},
    )


@pytest.fixture
def chat_settings(settings: Settings, operational_urls: OperationalUrls) -> Settings:
    return settings.model_copy(
        update={
            "postgres_deliveries_url": type(settings.postgres_loader_url)(operational_urls.deliveries),
            "destination_secret_keys": type(settings.postgres_loader_url)(SECRET_KEY),
            "allow_private_destinations": True,
        }
    )


def talk(chatwoot: ServedChatwoot, *texts: str) -> int:
    """A conversation of a new contact with these messages of the customer; its number."""
    contact = chatwoot.ask("POST", "contacts", {"name": "Ana", "inbox_id": ACCOUNT.inbox_id})["payload"]
    opened = {
        "inbox_id": ACCOUNT.inbox_id,
        "contact_id": contact["contact"]["id"],
        "source_id": contact["contact_inbox"]["source_id"],
    }
    conversation: int = chatwoot.ask("POST", "conversations", opened)["id"]
    for text in texts:
        say(chatwoot, conversation, text)
    return conversation


def say(chatwoot: ServedChatwoot, conversation: int, text: str) -> None:
    body = {"content": text, "message_type": "incoming"}
    chatwoot.ask("POST", f"conversations/{conversation}/messages", body)


def records(warehouse: Client, kind: str) -> list[dict[str, Any]]:
    """The payloads of a kind in raw, in the order in which pulls brought them."""
    rows = warehouse.query(
        "SELECT payload FROM raw.chat_records WHERE kind = {kind:String} ORDER BY load_seq, record_id",
        parameters={"kind": kind},
    ).result_rows
    return [json.loads(payload) for (payload,) in rows]


def one(done: list[PulledChats]) -> PulledChats:
    assert len(done) == 1
    return done[0]


def progress(engine: Engine) -> ChatPull:
    with system_session(engine) as session:
        found = session.scalars(select(ChatPull)).one()
        session.expunge(found)
        return found


def test_a_pull_brings_everything_once(
    chatwoot: ServedChatwoot, destination: Destination, chat_settings: Settings, warehouse: Client
) -> None:
    first = talk(chatwoot, "Oi", "Tudo bem?")
    talk(chatwoot, "Quero um orçamento")
    assert one(pull(chat_settings)).error == ""
    assert sorted(each["id"] for each in records(warehouse, "conversation")) == [1, 2]
    assert [each["conversation_id"] for each in records(warehouse, "message")] == [1, 1, 2]
    assert [each["name"] for each in records(warehouse, "agent")] == ["Ana", "Bia", "Caio"]
    assert [each["name"] for each in records(warehouse, "team")] == ["Vendas", "Suporte"]
    assert len(records(warehouse, "inbox")) == 1
    assert one(pull(chat_settings)).records == 0
    say(chatwoot, first, "Ainda está aí?")
    assert one(pull(chat_settings)).records == 2
    assert [each["id"] for each in records(warehouse, "message")][-1] == 4


def test_an_agent_whom_the_account_has_no_more_is_told_once(
    chatwoot: ServedChatwoot, destination: Destination, chat_settings: Settings, warehouse: Client, tmp_path: Path
) -> None:
    """Who had left stayed online, as they were seen last, and was given conversations."""
    assert one(pull(chat_settings)).error == ""
    with closing(sqlite3.connect(tmp_path / "chatwoot.sqlite")) as store, store:
        store.execute("delete from agents where name = 'Caio'")
    assert one(pull(chat_settings)).records == 3  # and two teams without them
    assert one(pull(chat_settings)).records == 0
    caio = records(warehouse, "agent")[-1]
    assert (caio["name"], caio["availability_status"]) == ("Caio", "gone")


def test_the_command_pulls_and_says_how_much_and_fails_with_the_reason(
    chatwoot: ServedChatwoot,
    destination: Destination,
    chat_settings: Settings,
    operational_urls: OperationalUrls,
    warehouse: Client,
) -> None:
    """`echolead chat sync` pulls in a process of its own, with the stack's settings."""
    talk(chatwoot, "Oi", "Tudo bem?")
    given = {
        "POSTGRES_SYSTEM_URL": operational_urls.system,
        "POSTGRES_LOADER_URL": operational_urls.loader,
        "POSTGRES_DELIVERIES_URL": operational_urls.deliveries,
        "CLICKHOUSE_URL": chat_settings.clickhouse_url.get_secret_value(),
        "SECRET_KEYS": SECRET_KEY,
        "ALLOW_PRIVATE_DESTINATIONS": "true",
    }
    lines = [f"ECHOLEAD_{name}={value}\n" for name, value in given.items()]
    (chat_settings.data_dir / STACK_ENV).write_text("".join(lines))

    def sync(*options: str) -> Result:
        words = ["chat", "sync", destination.tenant_id, "--data-dir", str(chat_settings.data_dir), *options]
        return CliRunner().invoke(app, words)

    first = sync("--json")
    assert first.exit_code == 0, first.output
    [done] = json.loads(first.stdout)
    assert (done["destination"], done["is_behind"], done["error"]) == (destination.name, False, "")
    stored = warehouse.query("SELECT count() FROM raw.chat_records").result_rows
    assert [(done["records"],)] == stored
    assert len(records(warehouse, "message")) == 2

    chatwoot.faults.replace([Fault("status", where="conversations", status=401)])
    refused = sync()
    assert refused.exit_code == 1
    assert "401" in refused.stdout


def test_texts_are_left_out_until_the_tenant_keeps_them(
    chatwoot: ServedChatwoot,
    destination: Destination,
    chat_settings: Settings,
    warehouse: Client,
    system_engine: Engine,
) -> None:
    conversation = talk(chatwoot, "Meu CPF é 529.982.247-25")
    pull(chat_settings)
    stored = warehouse.query("SELECT arrayStringConcat(groupArray(payload)) FROM raw.chat_records").result_rows[0][0]
    assert "529.982.247-25" not in stored
    with system_session(system_engine) as session:
        set_chat_settings(session, destination.tenant_id, keeps_texts=True, actor="test")
    say(chatwoot, conversation, "Pode ligar")
    pull(chat_settings)
    assert [each.get("content") for each in records(warehouse, "message")] == [None, "Pode ligar"]


def test_a_pull_that_ends_before_its_records_are_in_raw_is_done_again(
    chatwoot: ServedChatwoot,
    destination: Destination,
    chat_settings: Settings,
    warehouse: Client,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for number in range(30):
        talk(chatwoot, f"Conversa {number}")

    def ended(*_: object) -> None:
        raise ConnectionResetError

    with monkeypatch.context() as patched:
        patched.setattr(pulling.Puller, "_append", ended)
        with pytest.raises(ConnectionResetError):
            pull(chat_settings)
    pull(chat_settings)
    assert len(records(warehouse, "conversation")) == 30


def test_what_one_pull_may_not_read_the_next_ones_do(
    chatwoot: ServedChatwoot,
    destination: Destination,
    chat_settings: Settings,
    warehouse: Client,
    system_engine: Engine,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(walk, "PAGES", 2)
    for number in range(80):
        talk(chatwoot, f"Conversa {number}")
    assert one(pull(chat_settings)).is_behind
    assert progress(system_engine).gap_page == 3
    pulls = 1
    while one(pull(chat_settings)).is_behind:
        pulls += 1
        talk(chatwoot, "Mais uma")
        assert pulls < 10
    pull(chat_settings)
    known = {each["id"] for each in records(warehouse, "conversation")}
    assert known == {each["id"] for each in chatwoot.state()["conversations"]}
    messages = [each["id"] for each in records(warehouse, "message")]
    assert len(messages) == len(set(messages)) == len(known)


def test_a_pull_ends_with_its_calls_and_the_next_one_goes_on(
    chatwoot: ServedChatwoot,
    destination: Destination,
    chat_settings: Settings,
    warehouse: Client,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pulling, "MOST_CALLS", 34)
    for number in range(40):
        talk(chatwoot, f"Conversa {number}")
    assert one(pull(chat_settings)).is_behind
    assert len(records(warehouse, "conversation")) == 25
    for _ in range(3):
        pull(chat_settings)
    assert len(records(warehouse, "conversation")) == 40


@pytest.mark.parametrize(
    "fault",
    [
        Fault("status", r"GET .*/conversations", status=500, times=2),
        Fault("status", r"GET .*/messages", status=429, retry_after="1", times=2),
        Fault("cut_before", r"GET .*/conversations$", times=1),
        Fault("status", r"GET .*/teams", status=503, times=1),
    ],
    ids=["500", "429", "a lost connection", "503"],
)
def test_trouble_that_passes_is_passed_over(
    fault: Fault, chatwoot: ServedChatwoot, destination: Destination, chat_settings: Settings, warehouse: Client
) -> None:
    talk(chatwoot, "Oi")
    chatwoot.faults.replace([fault])
    assert one(pull(chat_settings)).error == ""
    assert len(records(warehouse, "message")) == 1


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (Fault("status", "GET", status=401), "refuses the token"),
        (Fault("status", r"GET .*/conversations$", status=500), "answer 500"),
        (Fault("garbled_after", r"GET .*/agents"), "no JSON"),
        (Fault("status", r"GET .*/agents", status=429, retry_after="600"), "asks to wait"),
    ],
    ids=["a refused token", "an account that is down", "no JSON", "a long wait"],
)
def test_an_account_in_trouble_says_why_and_keeps_no_other_waiting(
    fault: Fault,
    said: str,
    chatwoot: ServedChatwoot,
    destination: Destination,
    chat_settings: Settings,
    warehouse: Client,
    system_engine: Engine,
) -> None:
    talk(chatwoot, "Oi")
    other = make_tenant(system_engine)
    make_destination(system_engine, other.tenant_id, configuration={"base_url": "http://127.0.0.1:9", "account_id": 1})
    chatwoot.faults.replace([fault])
    done = {each.tenant_id: each for each in pull(chat_settings)}
    assert said in done[destination.tenant_id].error
    assert "no answer" in done[other.tenant_id].error
    chatwoot.faults.replace([])
    assert one(pull(chat_settings, destination.tenant_id)).error == ""
    assert len(records(warehouse, "message")) == 1


def test_the_token_is_in_no_message_and_no_row(
    chatwoot: ServedChatwoot, destination: Destination, chat_settings: Settings, system_engine: Engine
) -> None:
    chatwoot.faults.replace([Fault("status", "GET", status=401)])
    pull(chat_settings)
    error = progress(system_engine).error or ""
    assert error != ""
    assert ACCOUNT.api_access_token not in error


def test_a_destination_that_is_switched_off_is_not_pulled(
    destination: Destination, chat_settings: Settings, system_engine: Engine
) -> None:
    with system_session(system_engine) as session:
        session.get_one(Destination, destination.destination_id).is_enabled = False
    assert pull(chat_settings) == []
