"""The demo Chatwoot's records, in one SQLite file: contacts, conversations, messages, labels and their rules.

The rules are Chatwoot's: an e-mail (whatever its case), an identifier and a phone number belong to one contact of an
account, a phone number is E.164, and identifying a visitor merges contacts as `ContactIdentifyAction` does.
"""

import hmac
import json
import re
import secrets
import sqlite3
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from echolead.demo.accounts import DemoAccount

PAGE_SIZE = 15
E164 = re.compile(r"\+[1-9]\d{1,14}")
EMAIL = re.compile(r"[^@\s]+@[^@\s]+")
LABEL = re.compile(r"[\w-]+")
ATTRIBUTE_KEY = re.compile(r"[\w.-]+")
DISPLAY_TYPES = ("text", "number", "currency", "percent", "link", "date", "list", "checkbox")
ATTRIBUTE_MODELS = ("conversation_attribute", "contact_attribute")
# Keys that Chatwoot keeps for its own fields and refuses to define a second time.
STANDARD_CONTACT_KEYS = {
    "name", "email", "phone_number", "identifier", "country_code", "city", "created_at", "last_activity_at", "referer",
    "blocked",
}  # fmt: skip
STANDARD_CONVERSATION_KEYS = {
    "status", "priority", "assignee_id", "inbox_id", "team_id", "display_id", "campaign_id", "labels",
    "browser_language", "country_code", "referer", "created_at", "last_activity_at",
}  # fmt: skip
UNIQUE_FIELDS = {"email": "Email", "phone_number": "Phone number", "identifier": "Identifier"}
CONTACT_FIELDS = ("name", "email", "phone_number", "identifier")
# A contact that gave no name gets one made of two words and a number, as Chatwoot's does.
ADJECTIVES = ("calm", "bright", "quiet", "brave", "gentle", "lively", "silver", "autumn", "distant", "spring")
NOUNS = ("river", "meadow", "breeze", "forest", "harbor", "cloud", "stone", "garden", "field", "star")

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
    created_at integer not null, last_activity_at integer not null);
create index if not exists conversations_contact on conversations (contact_id);
create table if not exists messages (
    id integer primary key autoincrement, conversation_id integer not null, content text not null,
    message_type integer not null, private integer not null default 0, created_at integer not null);
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
"""

Row = dict[str, Any]


class NoSuchRecord(Exception):
    """The record does not exist in this account."""


class Invalid(Exception):
    """A record broke a rule: `attributes` are the fields, the message is Chatwoot's sentence."""

    def __init__(self, message: str, *attributes: str) -> None:
        super().__init__(message)
        self.attributes = list(attributes)


class Store:
    """Everything the demo knows. One writer, one connection; a committed write survives kill -9."""

    def __init__(self, path: Path, accounts: tuple[DemoAccount, ...]) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._database = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._database.row_factory = sqlite3.Row
        self._database.execute("pragma journal_mode = wal")
        self._database.execute("pragma synchronous = normal")
        self._database.executescript(SCHEMA)
        for account in accounts:
            self._write(
                "insert into accounts values (?, ?, ?, ?, ?)"
                " on conflict (account_id) do update set api_access_token = excluded.api_access_token",
                account.account_id, account.name, account.api_access_token, account.website_token, account.inbox_id,
            )  # fmt: skip

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    # Accounts

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

    # Contacts

    def contact(self, account_id: int, contact_id: int) -> Row:
        """One contact. Raises `NoSuchRecord`."""
        found = self._row("select * from contacts where account_id = ? and id = ?", account_id, contact_id)
        if found is None:
            raise NoSuchRecord
        return self._contact(found)

    def contacts(self, account_id: int, page: int) -> tuple[list[Row], int]:
        """One page of the contacts with an e-mail, a phone number or an identifier, newest first, and how many."""
        return self._page(
            "select * from contacts where account_id = ? and coalesce(email, phone_number, identifier) is not null"
            " order by id desc",
            [account_id],
            page,
        )

    def search(self, account_id: int, words: str, page: int) -> tuple[list[Row], int]:
        """One page of the contacts that contain `words` in name, e-mail, phone number or identifier.

        A substring match in which `%` and `_` are wildcards, as Chatwoot's is.
        """
        pattern = f"%{words.strip()}%"
        return self._page(
            "select * from contacts where account_id = ? and (name like ? or email like ? or phone_number like ? or"
            " identifier like ?) order by id desc",
            [account_id, pattern, pattern, pattern, pattern],
            page,
        )

    def filter(self, account_id: int, conditions: list[Row], page: int) -> tuple[list[Row], int]:
        """One page of the contacts that meet the conditions, chained by each one's `query_operator`.

        Raises `Invalid` for an attribute or an operator that Chatwoot does not know.
        """
        clauses: list[str] = []
        values: list[Any] = [account_id]
        for place, condition in enumerate(conditions):
            clause, value = _condition(condition)
            is_last = place == len(conditions) - 1
            joint = "" if is_last else {"and": " and ", "or": " or "}.get(str(condition.get("query_operator")).lower())
            if joint is None:
                raise Invalid("Invalid query operator. Query operator must be either AND or OR.")
            clauses.append(clause + joint)
            values.append(value)
        chosen = "".join(clauses) or "1"
        query = f"select * from contacts where account_id = ? and ({chosen}) order by id desc"  # noqa: S608  # _condition's
        return self._page(query, values, page)

    def create_contact(self, account_id: int, fields: Mapping[str, Any], *, inbox_id: int | None) -> Row:
        """Create a contact, with a place in the inbox when one is given. Raises `Invalid`."""
        with self._transaction():
            contact_id = self._insert_contact(account_id, fields)
            if inbox_id is not None:
                self._join_inbox(account_id, contact_id, inbox_id)
        return self.contact(account_id, contact_id)

    def update_contact(self, account_id: int, contact_id: int, fields: Mapping[str, Any]) -> Row:
        """Set the fields that are given; custom and additional attributes are merged. Raises `Invalid`."""
        with self._transaction():
            self._update_contact(self.contact(account_id, contact_id), fields)
        return self.contact(account_id, contact_id)

    def delete_contact(self, account_id: int, contact_id: int) -> None:
        """Delete a contact with its conversations. Raises `NoSuchRecord`."""
        with self._transaction():
            self.contact(account_id, contact_id)
            self._write(
                "delete from messages where conversation_id in (select id from conversations where contact_id = ?)",
                contact_id,
            )
            for table in ("conversations", "contact_inboxes"):
                self._write(f"delete from {table} where contact_id = ?", contact_id)  # noqa: S608  # our own words
            self._write("delete from taggings where subject = 'contact' and subject_id = ?", contact_id)
            self._write("delete from contacts where id = ?", contact_id)

    def remove_custom_attributes(self, account_id: int, contact_id: int, keys: list[str]) -> Row:
        """Take custom attributes off a contact."""
        kept = {k: v for k, v in self.contact(account_id, contact_id)["custom_attributes"].items() if k not in keys}
        self._write("update contacts set custom_attributes = ? where id = ?", json.dumps(kept), contact_id)
        return self.contact(account_id, contact_id)

    def merge_contacts(self, account_id: int, base_id: int, mergee_id: int) -> Row:
        """Give everything of the mergee to the base contact, whose own fields win, and delete the mergee."""
        with self._transaction():
            self._merge(self.contact(account_id, base_id), self.contact(account_id, mergee_id))
        return self.contact(account_id, base_id)

    def identify(self, account_id: int, contact_id: int, fields: Mapping[str, Any], *, keep_name: bool = False) -> Row:
        """What `setUser` and the pre-chat form do: merge with the contact that holds these fields, then update.

        A contact with another identifier is never merged, its e-mail or phone number never taken over. With
        `keep_name` (the pre-chat form) a merged contact keeps the name it had. Raises `Invalid`.
        """
        with self._transaction():
            contact = self.contact(account_id, contact_id)
            wanted = {key: fields[key] for key in CONTACT_FIELDS if fields.get(key)}
            for key in ("identifier", "email", "phone_number"):
                contact = self._identify_by(contact, key, wanted, fields, keep_name=keep_name)
            if fields.get("custom_attributes"):
                wanted["custom_attributes"] = fields["custom_attributes"]
            self._update_contact(contact, wanted)
        return self.contact(account_id, contact["id"])

    def _identify_by(self, contact: Row, key: str, wanted: Row, fields: Mapping[str, Any], *, keep_name: bool) -> Row:
        holder = self._holder(contact["account_id"], key, fields.get(key))
        if holder is None:
            return contact
        is_other_person = bool(fields.get("identifier")) and holder["identifier"] != fields["identifier"]
        email_differs = key == "phone_number" and fields.get("email") and holder["email"] != fields["email"].lower()
        if is_other_person or email_differs:
            wanted.pop(key, None)
            return contact
        if keep_name:
            wanted.pop("name", None)
        if holder["id"] != contact["id"]:
            self._merge(holder, contact)
        return self.contact(contact["account_id"], holder["id"])

    def _holder(self, account_id: int, field: str, value: str | None) -> Row | None:
        if not value:
            return None
        exact = value.lower() if field == "email" else value
        row = self._row(f"select * from contacts where account_id = ? and {field} = ?", account_id, exact)  # noqa: S608
        return None if row is None else self._contact(row)

    def _merge(self, base: Row, mergee: Row) -> None:
        if base["id"] == mergee["id"]:
            return
        for table in ("conversations", "contact_inboxes"):
            self._write(f"update {table} set contact_id = ? where contact_id = ?", base["id"], mergee["id"])  # noqa: S608
        self._write("delete from taggings where subject = 'contact' and subject_id = ?", mergee["id"])
        self._write("delete from contacts where id = ?", mergee["id"])
        merged: Row = {key: base[key] or mergee[key] for key in CONTACT_FIELDS}
        merged["custom_attributes"] = {**mergee["custom_attributes"], **base["custom_attributes"]}
        merged["additional_attributes"] = {**mergee["additional_attributes"], **base["additional_attributes"]}
        self._update_contact(base, merged)

    def _insert_contact(self, account_id: int, fields: Mapping[str, Any]) -> int:
        prepared = _prepared(fields)
        self._validate(account_id, prepared, None)
        return self._write(
            "insert into contacts (account_id, name, email, phone_number, identifier, custom_attributes,"
            " additional_attributes, blocked, created_at) values (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            account_id, prepared.get("name") or "", prepared.get("email"), prepared.get("phone_number"),
            prepared.get("identifier"), json.dumps(prepared.get("custom_attributes") or {}),
            json.dumps(prepared.get("additional_attributes") or {}), int(bool(prepared.get("blocked"))), _now(),
        )  # fmt: skip

    def _update_contact(self, contact: Row, fields: Mapping[str, Any]) -> None:
        prepared = _prepared(fields)
        self._validate(contact["account_id"], prepared, contact["id"])
        after = {key: prepared.get(key, contact[key]) for key in (*CONTACT_FIELDS, "blocked")}
        for key in ("custom_attributes", "additional_attributes"):
            after[key] = json.dumps({**contact[key], **(prepared.get(key) or {})})
        self._write(
            "update contacts set name = ?, email = ?, phone_number = ?, identifier = ?, blocked = ?,"
            " custom_attributes = ?, additional_attributes = ? where id = ?",
            after["name"] or "", after["email"], after["phone_number"], after["identifier"],
            int(bool(after["blocked"])), after["custom_attributes"], after["additional_attributes"], contact["id"],
        )  # fmt: skip

    def _validate(self, account_id: int, fields: Row, contact_id: int | None) -> None:
        messages: list[str] = []
        attributes: list[str] = []
        if fields.get("email") and not EMAIL.fullmatch(fields["email"]):
            messages.append("Email Invalid email")
            attributes.append("email")
        for field, title in UNIQUE_FIELDS.items():
            holder = self._holder(account_id, field, fields.get(field))
            if holder is not None and holder["id"] != contact_id:
                messages.append(f"{title} has already been taken")
                attributes.append(field)
        if fields.get("phone_number") and not E164.fullmatch(fields["phone_number"]):
            messages.append("Phone number should be in e164 format")
            attributes.append("phone_number")
        if messages:
            raise Invalid(", ".join(messages), *dict.fromkeys(attributes))

    # Inboxes

    def inbox(self, account_id: int, inbox_id: int) -> Row:
        """The account's website inbox. Raises `NoSuchRecord`."""
        account = self._row("select * from accounts where account_id = ? and inbox_id = ?", account_id, inbox_id)
        if account is None:
            raise NoSuchRecord
        return {
            "id": inbox_id, "avatar_url": "", "channel_id": inbox_id, "name": f"{account['name']} site",
            "channel_type": "Channel::WebWidget", "provider": None,
        }  # fmt: skip

    def contact_inboxes(self, account_id: int, contact_id: int) -> list[Row]:
        """The inboxes a contact can be reached in, with the contact's id there."""
        rows = self._rows("select * from contact_inboxes where contact_id = ? order by id", contact_id)
        return [{"source_id": row["source_id"], "inbox": self.inbox(account_id, row["inbox_id"])} for row in rows]

    def join_inbox(self, account_id: int, contact_id: int, inbox_id: int, source_id: str | None) -> Row:
        """Give a contact a place in an inbox. Raises `NoSuchRecord`."""
        with self._transaction():
            self.contact(account_id, contact_id)
            source = self._join_inbox(account_id, contact_id, inbox_id, source_id)
        return {"source_id": source, "inbox": self.inbox(account_id, inbox_id)}

    def _join_inbox(self, account_id: int, contact_id: int, inbox_id: int, source_id: str | None = None) -> str:
        self.inbox(account_id, inbox_id)
        source = source_id or str(uuid.uuid4())
        self._write(
            "insert or ignore into contact_inboxes (contact_id, inbox_id, source_id) values (?, ?, ?)",
            contact_id, inbox_id, source,
        )  # fmt: skip
        return source

    def new_visitor(self, account_id: int, inbox_id: int) -> str:
        """A contact for a browser nobody knows yet, with a made-up name; returns its source id."""
        with self._transaction():
            words = f"{secrets.choice(ADJECTIVES)}-{secrets.choice(NOUNS)}-{secrets.randbelow(1000)}"
            contact_id = self._insert_contact(account_id, {"name": words})
            return self._join_inbox(account_id, contact_id, inbox_id)

    def visitor(self, account_id: int, source_id: str) -> Row | None:
        """The contact behind a browser's source id."""
        row = self._row(
            "select contacts.* from contacts join contact_inboxes on contact_inboxes.contact_id = contacts.id"
            " where contacts.account_id = ? and source_id = ?",
            account_id, source_id,
        )  # fmt: skip
        return None if row is None else self._contact(row)

    # Conversations

    def conversation(self, account_id: int, conversation_id: int) -> Row:
        """One conversation. Raises `NoSuchRecord`."""
        row = self._row("select * from conversations where account_id = ? and id = ?", account_id, conversation_id)
        if row is None:
            raise NoSuchRecord
        return _decoded(row)

    def conversations(self, account_id: int, *, contact_id: int | None = None, status: str = "all") -> list[Row]:
        """The account's conversations, the most recently active first, of one contact or status when given."""
        return [
            _decoded(row)
            for row in self._rows(
                "select * from conversations where account_id = ? and (? is null or contact_id = ?)"
                " and (? = 'all' or status = ?) order by last_activity_at desc, id desc",
                account_id, contact_id, contact_id, status, status,
            )
        ]  # fmt: skip

    def latest_conversation(self, account_id: int, source_id: str) -> Row | None:
        """The newest conversation of a browser."""
        row = self._row(
            "select * from conversations where account_id = ? and source_id = ? order by id desc limit 1",
            account_id, source_id,
        )  # fmt: skip
        return None if row is None else _decoded(row)

    def create_conversation(
        self, account_id: int, inbox_id: int, contact_id: int, source_id: str, fields: Mapping[str, Any]
    ) -> Row:
        """Open a conversation of a contact in an inbox. Raises `NoSuchRecord`."""
        with self._transaction():
            self.contact(account_id, contact_id)
            self._join_inbox(account_id, contact_id, inbox_id, source_id)
            conversation_id = self._write(
                "insert into conversations (account_id, inbox_id, contact_id, source_id, uuid, status,"
                " custom_attributes, additional_attributes, created_at, last_activity_at)"
                " values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                account_id, inbox_id, contact_id, source_id, str(uuid.uuid4()), fields.get("status") or "open",
                json.dumps(fields.get("custom_attributes") or {}),
                json.dumps(fields.get("additional_attributes") or {}), _now(), _now(),
            )  # fmt: skip
        return self.conversation(account_id, conversation_id)

    def set_conversation_attributes(self, account_id: int, conversation_id: int, attributes: Row) -> Row:
        """Replace a conversation's custom attributes, all of them, as Chatwoot does."""
        self.conversation(account_id, conversation_id)
        self._write(
            "update conversations set custom_attributes = ? where id = ?", json.dumps(attributes), conversation_id
        )
        return self.conversation(account_id, conversation_id)

    def messages(self, conversation_id: int) -> list[Row]:
        """A conversation's messages, oldest first."""
        return self._rows("select * from messages where conversation_id = ? order by id", conversation_id)

    def add_message(self, conversation: Row, content: str, *, is_incoming: bool, private: bool = False) -> Row:
        """Append a message: incoming from the contact, or outgoing from an agent."""
        with self._transaction():
            message_id = self._write(
                "insert into messages (conversation_id, content, message_type, private, created_at)"
                " values (?, ?, ?, ?, ?)",
                conversation["id"], content, 0 if is_incoming else 1, int(private), _now(),
            )  # fmt: skip
            self._write("update conversations set last_activity_at = ? where id = ?", _now(), conversation["id"])
            if is_incoming:
                self._write("update contacts set last_activity_at = ? where id = ?", _now(), conversation["contact_id"])
        found = self._row("select * from messages where id = ?", message_id)
        return dict(found or {})

    # Labels and attribute definitions

    def labels_of(self, subject: str, subject_id: int) -> list[str]:
        """The labels of a `contact` or a `conversation`, in order of name."""
        rows = self._rows(
            "select label from taggings where subject = ? and subject_id = ? order by label", subject, subject_id
        )
        return [row["label"] for row in rows]

    def set_labels(self, subject: str, subject_id: int, labels: list[str]) -> list[str]:
        """Replace the labels, all of them: what is not in the list is gone."""
        with self._transaction():
            self._write("delete from taggings where subject = ? and subject_id = ?", subject, subject_id)
            for label in labels:
                self._write("insert or ignore into taggings values (?, ?, ?)", subject, subject_id, label.strip())
        return self.labels_of(subject, subject_id)

    def labels(self, account_id: int) -> list[Row]:
        """The labels an account has defined."""
        return self._rows("select * from labels where account_id = ? order by title", account_id)

    def create_label(self, account_id: int, fields: Mapping[str, Any]) -> Row:
        """Define a label. Raises `Invalid` when the title is taken or holds more than letters, digits, - and _."""
        title = str(fields.get("title") or "").lower()
        if not LABEL.fullmatch(title):
            raise Invalid("Title is invalid", "title")
        if any(label["title"] == title for label in self.labels(account_id)):
            raise Invalid("Title has already been taken", "title")
        label_id = self._write(
            "insert into labels (account_id, title, description, color, show_on_sidebar) values (?, ?, ?, ?, ?)",
            account_id, title, fields.get("description"), fields.get("color") or "#1f93ff",
            int(bool(fields.get("show_on_sidebar", True))),
        )  # fmt: skip
        return next(label for label in self.labels(account_id) if label["id"] == label_id)

    def attribute_definitions(self, account_id: int, model: str | None = None) -> list[Row]:
        """The custom attributes an account has defined, of one model when given."""
        return self._rows(
            "select * from attribute_definitions where account_id = ? and (? is null or attribute_model = ?)"
            " order by id",
            account_id, model, model,
        )  # fmt: skip

    def create_attribute_definition(self, account_id: int, fields: Mapping[str, Any]) -> Row:
        """Define a custom attribute. Raises `Invalid` when the key is taken, odd, or one of Chatwoot's own."""
        key = str(fields.get("attribute_key") or "").strip()
        model = _named(fields.get("attribute_model", 0), ATTRIBUTE_MODELS)
        standard = STANDARD_CONTACT_KEYS if model == "contact_attribute" else STANDARD_CONVERSATION_KEYS
        if key in standard:
            raise Invalid("Attribute key is already in use by a standard attribute", "attribute_key")
        if not ATTRIBUTE_KEY.fullmatch(key):
            raise Invalid("Attribute key is invalid", "attribute_key")
        if any(d["attribute_key"] == key for d in self.attribute_definitions(account_id, model)):
            raise Invalid("Attribute key has already been taken", "attribute_key")
        if not fields.get("attribute_display_name"):
            raise Invalid("Attribute display name can't be blank", "attribute_display_name")
        definition_id = self._write(
            "insert into attribute_definitions (account_id, attribute_key, attribute_display_name,"
            " attribute_display_type, attribute_description, attribute_model, created_at) values (?, ?, ?, ?, ?, ?, ?)",
            account_id, key, fields["attribute_display_name"],
            _named(fields.get("attribute_display_type", 0), DISPLAY_TYPES),
            fields.get("attribute_description") or "", model, _now(),
        )  # fmt: skip
        return next(d for d in self.attribute_definitions(account_id) if d["id"] == definition_id)

    # SQL

    def _contact(self, row: sqlite3.Row | Row) -> Row:
        return {**_decoded(row), "blocked": bool(row["blocked"])}

    def _page(self, query: str, values: list[Any], page: int) -> tuple[list[Row], int]:
        count = self._row(f"select count(*) as count from ({query})", *values)  # noqa: S608  # queries of this class
        rows = self._rows(f"{query} limit {PAGE_SIZE} offset {PAGE_SIZE * (max(page, 1) - 1)}", *values)
        return [self._contact(row) for row in rows], 0 if count is None else count["count"]

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


def _prepared(fields: Mapping[str, Any]) -> Row:
    """The fields as Chatwoot keeps them: e-mail in lower case, blank unique fields as nothing."""
    prepared = dict(fields)
    for field in UNIQUE_FIELDS:
        if field in prepared:
            prepared[field] = str(prepared[field]).strip() if prepared[field] else None
    if prepared.get("email"):
        prepared["email"] = prepared["email"].lower()
    return prepared


def _condition(condition: Row) -> tuple[str, str]:
    field = str(condition.get("attribute_key"))
    if field not in CONTACT_FIELDS:
        raise Invalid(f"Invalid attribute key - [{field}]. The key should be one of {', '.join(CONTACT_FIELDS)}.")
    value = str((condition.get("values") or [""])[0]).lower()
    if field == "phone_number":
        value = "+" + value.replace("+", "")  # Chatwoot puts the plus sign there itself
    match condition.get("filter_operator"):
        case "equal_to":
            return f"lower({field}) = ?", value
        case "not_equal_to":
            return f"lower({field}) != ?", value
        case "contains":
            return f"{field} like ?", f"%{value}%"
        case "does_not_contain":
            return f"{field} not like ?", f"%{value}%"
    raise Invalid("Invalid operator. The allowed operators are equal_to, not_equal_to, contains, does_not_contain.")


def _named(value: object, names: tuple[str, ...]) -> str:
    if isinstance(value, int) and 0 <= value < len(names):
        return names[value]
    if isinstance(value, str) and (value in names or value.isdigit()):
        return names[int(value)] if value.isdigit() else value
    raise Invalid(f"'{value}' is not one of {', '.join(names)}")


def _decoded(row: sqlite3.Row | Row) -> Row:
    decoded = dict(row)
    for key in ("custom_attributes", "additional_attributes"):
        decoded[key] = json.loads(decoded[key])
    return decoded


def _now() -> int:
    return int(time.time())
