"""Contacts of the demo Chatwoot and their places in inboxes.

The rules are Chatwoot's: an e-mail (whatever its case), an identifier and a phone number belong to one contact of an
account, a phone number is E.164, and identifying a visitor merges contacts as `ContactIdentifyAction` does.
"""

import json
import re
import secrets
import sqlite3
import uuid
from collections.abc import Mapping
from typing import Any

from echolead.demo.chatwoot.people import People
from echolead.demo.chatwoot.records import Invalid, NoSuchRecord, Row, decoded

PAGE_SIZE = 15
E164 = re.compile(r"\+[1-9]\d{1,14}")
EMAIL = re.compile(r"[^@\s]+@[^@\s]+")
UNIQUE_FIELDS = {"email": "Email", "phone_number": "Phone number", "identifier": "Identifier"}
CONTACT_FIELDS = ("name", "email", "phone_number", "identifier")
# A contact that gave no name gets one made of two words and a number, as Chatwoot's does.
ADJECTIVES = ("calm", "bright", "quiet", "brave", "gentle", "lively", "silver", "autumn", "distant", "spring")
NOUNS = ("river", "meadow", "breeze", "forest", "harbor", "cloud", "stone", "garden", "field", "star")


class Contacts(People):
    """Contacts, and the visitors who are contacts of an inbox."""

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
        self.happened(account_id, "contact_created", contact_id)
        return self.contact(account_id, contact_id)

    def update_contact(self, account_id: int, contact_id: int, fields: Mapping[str, Any]) -> Row:
        """Set the fields that are given; custom and additional attributes are merged. Raises `Invalid`."""
        with self._transaction():
            self._update_contact(self.contact(account_id, contact_id), fields)
        self.happened(account_id, "contact_updated", contact_id)
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
        self.happened(account_id, "contact_updated", base_id)
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
        self.happened(account_id, "contact_updated", contact["id"])
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
        self._write("update conversations set updated_at = ? where contact_id = ?", self.instant(), base["id"])
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
            json.dumps(prepared.get("additional_attributes") or {}), int(bool(prepared.get("blocked"))), self.now(),
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

    def inbox(self, account_id: int, inbox_id: int) -> Row:
        """The account's website inbox. Raises `NoSuchRecord`."""
        account = self._row("select * from accounts where account_id = ? and inbox_id = ?", account_id, inbox_id)
        if account is None:
            raise NoSuchRecord
        return {
            "id": inbox_id, "avatar_url": "", "channel_id": inbox_id, "name": f"{account['name']} site",
            "channel_type": "Channel::WebWidget", "provider": None,
        }  # fmt: skip

    def inboxes(self, account_id: int) -> list[Row]:
        """The account's inboxes: it has one."""
        rows = self._rows("select inbox_id from accounts where account_id = ?", account_id)
        return [self.inbox(account_id, row["inbox_id"]) for row in rows]

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

    def _contact(self, row: sqlite3.Row | Row) -> Row:
        return {**decoded(row), "blocked": bool(row["blocked"])}

    def _page(self, query: str, values: list[Any], page: int) -> tuple[list[Row], int]:
        count = self._row(f"select count(*) as count from ({query})", *values)  # noqa: S608  # queries of this class
        rows = self._rows(f"{query} limit {PAGE_SIZE} offset {PAGE_SIZE * (max(page, 1) - 1)}", *values)
        return [self._contact(row) for row in rows], 0 if count is None else count["count"]


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
