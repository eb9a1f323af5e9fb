"""The SQLite file of the demo Chatwoot: its tables, its accounts, and how the records of each subject reach it."""

import hmac
import json
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from echolead.demo.accounts import DemoAccount

SCHEMA = """
create table if not exists accounts (
    account_id integer primary key, name text not null, api_access_token text not null, website_token text not null,
    inbox_id integer not null);
create table if not exists contacts (
    id integer primary key autoincrement, account_id integer not null, name text not null default '',
    email text, phone_number text, identifier text, custom_attributes text not null default '{}',
    additional_attributes text not null default '{}', blocked integer not null default 0,
    created_at integer not null, last_activity_at integer);
create unique index if not exists contacts_email on contacts (account_id, email) where email is not null;
create unique index if not exists contacts_phone on contacts (account_id, phone_number) where phone_number is not null;
create unique index if not exists contacts_identifier on contacts (account_id, identifier)
    where identifier is not null;
create table if not exists contact_inboxes (
    id integer primary key autoincrement, contact_id integer not null, inbox_id integer not null,
    source_id text not null unique);
create index if not exists contact_inboxes_contact on contact_inboxes (contact_id);
create table if not exists conversations (
    id integer primary key autoincrement, account_id integer not null, inbox_id integer not null,
    contact_id integer not null, source_id text not null, uuid text not null, status text not null default 'open',
    custom_attributes text not null default '{}', additional_attributes text not null default '{}',
    created_at integer not null, last_activity_at integer not null, updated_at real not null default 0,
    assignee_id integer, team_id integer, priority text);
create index if not exists conversations_contact on conversations (contact_id);
create table if not exists messages (
    id integer primary key autoincrement, conversation_id integer not null, content text not null,
    message_type integer not null, private integer not null default 0, created_at integer not null,
    sender_type text not null default '', sender_id integer, content_attributes text not null default '{}',
    additional_attributes text not null default '{}');
create index if not exists messages_conversation on messages (conversation_id);
create table if not exists labels (
    id integer primary key autoincrement, account_id integer not null, title text not null, description text,
    color text not null default '#1f93ff', show_on_sidebar integer not null default 1, unique (account_id, title));
create table if not exists taggings (
    subject text not null, subject_id integer not null, label text not null, primary key (subject, subject_id, label));
create table if not exists attribute_definitions (
    id integer primary key autoincrement, account_id integer not null, attribute_key text not null,
    attribute_display_name text not null, attribute_display_type text not null, attribute_description text not null,
    attribute_model text not null, created_at integer not null, unique (account_id, attribute_model, attribute_key));
create table if not exists agents (
    id integer primary key autoincrement, account_id integer not null, name text not null, email text not null,
    role text not null default 'agent', availability_status text not null default 'available');
create table if not exists teams (
    id integer primary key autoincrement, account_id integer not null, name text not null, description text);
create table if not exists webhooks (
    id integer primary key autoincrement, account_id integer not null, url text not null, name text,
    secret text not null, subscriptions text not null);
create table if not exists happenings (
    id integer primary key autoincrement, account_id integer not null, event text not null, subject_id integer not null,
    changed text not null default '[]', is_sent integer not null default 0);
create index if not exists happenings_to_send on happenings (account_id, id) where is_sent = 0;
"""
# Columns that files of earlier versions lack.
LATER_COLUMNS = {
    "conversations": ("updated_at real not null default 0", "assignee_id integer", "team_id integer", "priority text"),
    "messages": (
        "sender_type text not null default ''",
        "sender_id integer",
        "content_attributes text not null default '{}'",
        "additional_attributes text not null default '{}'",
    ),
}
AGENTS = (("Ana", "administrator"), ("Bia", "agent"), ("Caio", "agent"))
TEAMS = ("Vendas", "Suporte")

Row = dict[str, Any]


class NoSuchRecord(Exception):
    """The record does not exist in this account."""


class Invalid(Exception):
    """A record broke a rule: `attributes` are the fields, the message is Chatwoot's sentence."""

    def __init__(self, message: str, *attributes: str) -> None:
        super().__init__(message)
        self.attributes = list(attributes)


class Records:
    """The open file and its accounts. One writer, one connection; a committed write survives kill -9."""

    def __init__(self, path: Path, accounts: tuple[DemoAccount, ...], clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        path.parent.mkdir(parents=True, exist_ok=True)
        self._database = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._database.row_factory = sqlite3.Row
        self._database.execute("pragma journal_mode = wal")
        self._database.execute("pragma synchronous = normal")
        self._database.executescript(SCHEMA)
        self._add_later_columns()
        for account in accounts:
            self._write(
                "insert into accounts values (?, ?, ?, ?, ?)"
                " on conflict (account_id) do update set api_access_token = excluded.api_access_token",
                account.account_id, account.name, account.api_access_token, account.website_token, account.inbox_id,
            )  # fmt: skip

        for account in accounts:
            if self._row("select 1 from agents where account_id = ?", account.account_id) is None:
                self._add_people(account.account_id)

    def now(self) -> int:
        """Seconds since 1970."""
        return int(self._clock())

    def instant(self) -> float:
        """The same with their fraction."""
        return self._clock()

    def _add_later_columns(self) -> None:
        for table, columns in LATER_COLUMNS.items():
            known = {row["name"] for row in self._rows(f"pragma table_info({table})")}
            for column in columns:
                if column.partition(" ")[0] not in known:
                    self._write(f"alter table {table} add column {column}")

    def _add_people(self, account_id: int) -> None:
        for name, role in AGENTS:
            email = f"{name.lower()}@conta{account_id}.test"
            self._write(
                "insert into agents (account_id, name, email, role) values (?, ?, ?, ?)", account_id, name, email, role
            )
        for name in TEAMS:
            self._write("insert into teams (account_id, name, description) values (?, ?, '')", account_id, name)

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def accounts(self) -> list[Row]:
        """Every account, with its tokens."""
        return self._rows("select * from accounts order by account_id")

    def account(self, account_id: int) -> Row | None:
        """One account, with its tokens."""
        return next((row for row in self.accounts() if row["account_id"] == account_id), None)

    def account_by_access_token(self, token: str) -> Row | None:
        """The account whose agent holds this token."""
        held = [(row, row["api_access_token"].encode()) for row in self.accounts()]
        return next((row for row, each in held if hmac.compare_digest(each, token.encode())), None)

    def account_by_website_token(self, token: str) -> Row | None:
        """The account whose widget has this token."""
        return self._row("select * from accounts where website_token = ?", token)

    def _row(self, query: str, *values: Any) -> Row | None:
        row = self._database.execute(query, values).fetchone()
        return None if row is None else dict(row)

    def _rows(self, query: str, *values: Any) -> list[Row]:
        return [dict(row) for row in self._database.execute(query, values)]

    def _write(self, statement: str, *values: Any) -> int:
        return int(self._database.execute(statement, values).lastrowid or 0)

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._database.execute("begin immediate")
        try:
            yield
        except BaseException:
            self._database.execute("rollback")
            raise
        self._database.execute("commit")


def decoded(row: sqlite3.Row | Row) -> Row:
    """A row with its attributes as objects."""
    decoded = dict(row)
    for key in ("custom_attributes", "additional_attributes", "content_attributes"):
        if key in decoded:
            decoded[key] = json.loads(decoded[key])
    return decoded
