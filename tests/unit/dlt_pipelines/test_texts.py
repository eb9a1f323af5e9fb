"""Webhooks of Chatwoot without what people wrote."""

import json

from dlt_pipelines.collector.texts import with_code, without_texts


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


def test_the_code_of_a_link_stays_without_the_text_around_it() -> None:
    body = {"event": "message_created", "id": 1, "message_type": "incoming", "content": "Oi, sou a Ana [#1A2B3C4D]"}
    assert json.loads(without_texts(json.dumps(body))) == {
        "event": "message_created", "id": 1, "message_type": "incoming", "link_code": "1a2b3c4d",
    }  # fmt: skip
    assert json.loads(with_code(json.dumps(body)) or "") == {**body, "link_code": "1a2b3c4d"}


def test_what_a_sender_calls_a_code_is_none() -> None:
    body = {"event": "message_created", "message_type": "incoming", "content": "Oi", "link_code": "1a2b3c4d"}
    assert "link_code" not in json.loads(without_texts(json.dumps(body)))
    assert "link_code" not in json.loads(with_code(json.dumps(body)) or "")


def test_a_kept_text_without_a_code_stays_as_it_came() -> None:
    bodies = ('{"id":  1, "message_type": 0, "content": "Oi"}', "Oi", "", None)
    assert [with_code(body) for body in bodies] == list(bodies)
