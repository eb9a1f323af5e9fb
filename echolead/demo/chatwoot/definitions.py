"""Labels and custom attributes of the demo Chatwoot: what an account defines, and which labels are where."""

import re
from collections.abc import Mapping
from typing import Any

from echolead.demo.chatwoot.records import Invalid, Records, Row

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


class Definitions(Records):
    """Labels, attribute definitions, and the labels of contacts and conversations."""

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
            fields.get("attribute_description") or "", model, self.now(),
        )  # fmt: skip
        return next(d for d in self.attribute_definitions(account_id) if d["id"] == definition_id)


def _named(value: object, names: tuple[str, ...]) -> str:
    if isinstance(value, int) and 0 <= value < len(names):
        return names[value]
    if isinstance(value, str) and (value in names or value.isdigit()):
        return names[int(value)] if value.isdigit() else value
    raise Invalid(f"'{value}' is not one of {', '.join(names)}")
