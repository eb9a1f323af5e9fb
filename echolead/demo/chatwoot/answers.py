"""Records of the store as Chatwoot's API writes them."""

from typing import Any

from echolead.demo.chatwoot.records import Row
from echolead.demo.chatwoot.store import Store


def contact(store: Store, row: Row) -> dict[str, Any]:
    """A contact as `contacts/{id}` shows it: never with its labels."""
    answer = {
        "additional_attributes": row["additional_attributes"],
        "availability_status": "offline",
        "email": row["email"],
        "id": row["id"],
        "name": row["name"],
        "phone_number": row["phone_number"],
        "blocked": row["blocked"],
        "identifier": row["identifier"],
        "thumbnail": "",
        "custom_attributes": row["custom_attributes"],
        "created_at": row["created_at"],
        "contact_inboxes": store.contact_inboxes(row["account_id"], row["id"]),
    }
    if row["last_activity_at"] is not None:
        answer["last_activity_at"] = row["last_activity_at"]
    return answer


def contact_page(store: Store, rows: list[Row], count: int, page: int) -> dict[str, Any]:
    """A page of contacts."""
    return {"meta": {"count": count, "current_page": str(page)}, "payload": [contact(store, row) for row in rows]}


def conversation(store: Store, row: Row) -> dict[str, Any]:
    """A conversation with its last message and its sender."""
    sender = store.contact(row["account_id"], row["contact_id"])
    shown = {k: v for k, v in contact(store, sender).items() if v is not None and k != "contact_inboxes"}
    meta: dict[str, Any] = {"sender": shown, "channel": "Channel::WebWidget", "hmac_verified": False}
    assignee = store.agent(row["account_id"], row["assignee_id"])
    if assignee is not None:
        meta["assignee"] = agent(assignee)
    found_team = store.team(row["account_id"], row["team_id"])
    if found_team is not None:
        meta["team"] = team(found_team)
    answer = {
        "id": row["id"],
        "account_id": row["account_id"],
        "uuid": row["uuid"],
        "inbox_id": row["inbox_id"],
        "status": row["status"],
        "can_reply": True,
        "muted": False,
        "labels": store.labels_of("conversation", row["id"]),
        "custom_attributes": row["custom_attributes"],
        "additional_attributes": row["additional_attributes"],
        "messages": [message(row, found, store=store) for found in store.messages(row["id"])[-1:]],
        "created_at": row["created_at"],
        "updated_at": row["updated_at"] or float(row["last_activity_at"]),
        "timestamp": row["last_activity_at"],
        "last_activity_at": row["last_activity_at"],
        "unread_count": 0,
        "meta": meta,
    }
    return answer if row["priority"] is None else {**answer, "priority": row["priority"]}


def agent(row: Row) -> dict[str, Any]:
    """An agent of the account."""
    return {
        "id": row["id"],
        "account_id": row["account_id"],
        "availability_status": row["availability_status"],
        "auto_offline": True,
        "confirmed": True,
        "email": row["email"],
        "available_name": row["name"],
        "name": row["name"],
        "role": row["role"],
        "thumbnail": "",
    }


def team(row: Row) -> dict[str, Any]:
    """A team of the account."""
    return {
        "id": row["id"],
        "name": row["name"],
        "description": row["description"] or "",
        "allow_auto_assign": True,
        "account_id": row["account_id"],
        "is_member": True,
    }


def webhook(row: Row) -> dict[str, Any]:
    """A webhook of the account, with its secret."""
    return {key: row[key] for key in ("id", "url", "name", "subscriptions", "account_id", "secret")}


def message(of: Row, row: Row, contact: Row | None = None, *, store: Store | None = None) -> dict[str, Any]:
    """A message of the conversation `of`; `message_type` 0 is incoming, 1 outgoing, 2 activity, 3 template.

    The widget gives the page the whole `contact` as the sender of an incoming message.
    """
    known = {} if contact is None else {key: contact[key] for key in ("name", "email", "phone_number", "identifier")}
    answer = {
        "id": row["id"],
        "content": row["content"],
        "account_id": of["account_id"],
        "inbox_id": of["inbox_id"],
        "conversation_id": of["id"],
        "message_type": row["message_type"],
        "content_type": "text",
        "content_attributes": row["content_attributes"],
        "additional_attributes": row["additional_attributes"],
        "private": bool(row["private"]),
        "status": "sent",
        "created_at": row["created_at"],
    }
    sender = _sender(of, row, store)
    return answer if sender is None else {**answer, "sender": sender | known}


def _sender(of: Row, row: Row, store: Store | None) -> dict[str, Any] | None:
    """Who wrote it; none of what Chatwoot itself writes."""
    if row["sender_type"] == "user":
        name = None if store is None else (store.agent(of["account_id"], row["sender_id"]) or {}).get("name")
        return {"id": row["sender_id"], "type": "user"} | ({"name": name} if name else {})
    if row["sender_type"] == "contact" or row["message_type"] == 0:
        return {"id": row["sender_id"] or of["contact_id"], "type": "contact"}
    if row["sender_type"]:
        return {"id": row["sender_id"], "type": row["sender_type"]}
    return None


def label(row: Row) -> dict[str, Any]:
    """A label of the account."""
    return {
        "id": row["id"],
        "title": row["title"],
        "description": row["description"],
        "color": row["color"],
        "show_on_sidebar": bool(row["show_on_sidebar"]),
    }


def attribute_definition(row: Row) -> dict[str, Any]:
    """A custom attribute's definition."""
    kept = {key: value for key, value in row.items() if key not in ("account_id", "created_at")}
    return {**kept, "created_at": str(row["created_at"]), "updated_at": str(row["created_at"])}
