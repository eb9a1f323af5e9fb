"""Webhooks of Chatwoot without what people wrote."""

import json

from dlt_pipelines.collector.texts import without_texts


def test_texts_are_left_out_wherever_they_are_and_all_else_stays() -> None:
    message = {"id": 1, "content": "Oi, meu CPF é…", "attachments": [{"data_url": "https://x.test/a.jpg"}]}
    body = {
        "event": "message_created", **message, "content_attributes": {"referral": {"source_id": "9"}},
        "conversation": {"id": 7, "messages": [{**message, "processed_message_content": "Oi", "account_id": 1}]},
    }  # fmt: skip
    assert json.loads(without_texts(json.dumps(body))) == {
        "event": "message_created", "id": 1, "content_attributes": {"referral": {"source_id": "9"}},
        "conversation": {"id": 7, "messages": [{"id": 1, "account_id": 1}]},
    }  # fmt: skip


def test_what_is_no_object_is_left_out_whole() -> None:
    assert [without_texts(text) for text in ("", "Oi", '["Oi"]', "{", "[" * 10_000)] == [""] * 5
