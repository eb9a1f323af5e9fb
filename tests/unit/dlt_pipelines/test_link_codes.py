"""The code of a WhatsApp link in what people really send."""

import pytest

from dlt_pipelines.link_codes import code_of_message, link_code

READ = {
    "as the script writes it": "Olá, quero 1+1 [#1a2b3c4d]",
    "alone": "[#1a2b3c4d]",
    "in capitals": "Oi [#1A2B3C4D]",
    "text behind it": "[#1a2b3c4d] pode me ligar?",
    "without brackets": "Oi #1a2b3c4d",
    "one bracket deleted": "Oi #1a2b3c4d]",
    "without #": "Oi [1a2b3c4d]",
    "spaces of a keyboard": "Oi [ # 1a2b3c4d ]",
    "no space before it": "Oi[#1a2b3c4d]",
    "bold": "*[#1a2b3c4d]*",
    "italics without brackets": "_#1a2b3c4d_",
    "struck out and code": "~`#1a2b3c4d`~",
    "full width": "［＃１ａ２ｂ３ｃ４ｄ］",
    "zero width characters": "Oi [#1a2b\u200b3c4d\u2069]",
    "quoted": "> Oi [#1a2b3c4d]\nSim",
    "in parentheses": "(#1a2b3c4d)",
    "the first of two": "[#1a2b3c4d] [#99999999]",
    "a full stop behind it": "Oi #1a2b3c4d.",
}
NOT_READ = (
    "", "#promo", "#2024", "#20241231", "pedido #12345678", "[12345678]", "#deadbeef", "[facada12 ok]", "#1a2b3c4",
    "#1a2b3c4d5", "#1a2b3c4dx", "x#1a2b3c4d", "https://lp.test/p#1a2b3c4d", "https://lp.test/#1a2b3c4d",
    "1a2b3c4d", "CPF 123.456.789-09", "[#1a2b3c4]", "[#1a2b3c4g]", "#1a2b-3c4d", "550e8400-e29b-41d4-a716-446655440000",
)  # fmt: skip


@pytest.mark.parametrize("text", READ.values(), ids=READ)
def test_a_code_is_read_in(text: str) -> None:
    assert link_code(text) == "1a2b3c4d"


@pytest.mark.parametrize("text", NOT_READ)
def test_ordinary_text_is_no_code(text: str) -> None:
    assert link_code(text) == ""


def test_a_code_of_digits_alone_counts_as_the_script_writes_it() -> None:
    assert link_code("Oi [#12345678]") == "12345678"


def test_only_what_a_customer_wrote_is_searched() -> None:
    text = "Oi [#1a2b3c4d]"
    assert [code_of_message({"message_type": kind, "content": text}) for kind in (0, "incoming")] == ["1a2b3c4d"] * 2
    assert {code_of_message({"message_type": kind, "content": text}) for kind in (1, 2, 3, "outgoing", None)} == {""}
    assert {code_of_message(each) for each in (None, [], {"message_type": 0}, {"message_type": 0, "content": 7})} == {
        ""
    }
