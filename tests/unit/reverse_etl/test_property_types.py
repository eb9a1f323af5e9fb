"""What a typed property gets, whatever people and machines wrote; and when what is read back is what was sent."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from reverse_etl.property_types import (
    PHONE,
    PropertyType,
    coerce,
    cut,
    joined,
    midnight_milliseconds,
    milliseconds,
    options_after,
    plain,
    same,
    utf16_length,
)

SAO_PAULO = "America/Sao_Paulo"
NUMBER = PropertyType("number", write=plain)
DAY = PropertyType("date", write=midnight_milliseconds)
MOMENT = PropertyType("datetime", write=milliseconds)
CHECKBOXES = PropertyType(
    "options", options={"Consórcio": "consorcio", "Seguro": "seguro", "Imóvel": "imovel"}, write=joined(";")
)
FAMILY = "👨‍👩‍👧"


@pytest.mark.parametrize(
    ("given", "written"),
    [
        (" 1.234,56 ", "1234.56"),
        ("1,234.56", "1234.56"),
        ("1.234", "1234"),
        ("1.234.567", "1234567"),
        ("1234,5", "1234.5"),
        ("0,5", "0.5"),
        ("R$ 99,90", "99.9"),
        ("-R$\u00a010", "-10"),
        ("EUR 7", "7"),
        ("1.42e-14", "0"),
        ("1e3", "1000"),
        (1e-14, "0"),
        (-1e-14, "0"),
        (1e15 - 1, "999999999999999"),
        (0.1 + 0.2, "0.3"),
        (Decimal("1234.50"), "1234.5"),
        (Decimal("1E+3"), "1000"),
        (0, "0"),
        (True, "1"),
    ],
)
def test_a_number_is_written_in_plain_decimals(given: Any, written: str) -> None:
    """A sum that should be zero came as 1.42e-14, an amount as people type it: numbers with an exponent, a comma or a
    blank are refused, and with them the whole contact."""
    assert coerce(NUMBER, given, SAO_PAULO).value == written


@pytest.mark.parametrize("given", ["doze", "1.2.3", "1,2,3", "12 reais", "1e400", "--1", 1e300, float("nan")])
def test_what_is_no_number_is_left_out_with_a_sentence(given: Any) -> None:
    result = coerce(NUMBER, given, SAO_PAULO)
    assert result.value is None
    assert str(given)[:20] in result.note


def test_numbers_for_json_show_no_exponent() -> None:
    number = PropertyType("number")
    written = [coerce(number, each, "UTC").value for each in ("0,0001", 0.00001, "1234,50", 10**14)]
    assert [repr(each) for each in written] == ["0.0001", "0", "1234.5", "100000000000000"]


@pytest.mark.parametrize(
    ("given", "written"),
    [
        # The evening in São Paulo is the next day in UTC.
        (datetime(2026, 3, 2, 1, 30, tzinfo=UTC), 1772323200000),
        ("2026-03-02T01:30:00Z", 1772323200000),
        ("2026-03-01", 1772323200000),
        ("01/03/2026", 1772323200000),
        (" 1/3/2026", 1772323200000),
    ],
)
def test_a_calendar_day_is_the_tenants_at_midnight_utc(given: Any, written: int) -> None:
    """Leads of the evening were counted in the next month, and a day with a time was refused."""
    assert coerce(DAY, given, SAO_PAULO).value == written


def test_a_moment_is_the_same_instant_in_every_zone() -> None:
    given = (datetime(2026, 3, 2, 1, 30, tzinfo=UTC), "2026-03-01T22:30:00-03:00", "2026-03-01T22:30:00", 1772415000)
    assert {coerce(MOMENT, each, SAO_PAULO).value for each in given} == {1772415000000}


@pytest.mark.parametrize("given", ["31/02/2026", "amanhã", "2026-13-01", "99999999999999999999"])
def test_what_is_no_day_is_left_out_with_a_sentence(given: str) -> None:
    result = coerce(DAY, given, SAO_PAULO)
    assert (result.value, given in result.note) == (None, True)


@pytest.mark.parametrize(
    ("given", "value"), [("Sim", True), ("não", False), ("granted", True), ("denied", False), (1, True), ("0", False)]
)
def test_words_for_yes_and_no_are_read_in_both_languages(given: Any, value: bool) -> None:
    assert coerce(PropertyType("boolean"), given, "UTC").value is value


def test_a_word_that_is_neither_is_left_out() -> None:
    assert coerce(PropertyType("boolean"), "talvez", "UTC").value is None


@pytest.mark.parametrize(
    ("text", "length", "kept"),
    [
        ("Quero saber mais sobre consórcio 👍🏽ção", 34, "Quero saber mais sobre consórcio"),
        ("Quero saber mais sobre consórcio 👍🏽ção", 37, "Quero saber mais sobre consórcio 👍🏽"),
        ("informac\u0327a\u0303o", 8, "informa"),  # c and a with accents of their own
        ("informac\u0327a\u0303o", 9, "informac\u0327"),
        (f"a{FAMILY}", 8, "a"),
        (f"a{FAMILY}", 9, f"a{FAMILY}"),
        ("🇧🇷🇵🇹", 7, "🇧🇷"),
        ("🇧🇷🇵🇹", 3, ""),
        ("uma frase inteira", 10, "uma frase"),
        ("olá", 3, "olá"),
        ("1️⃣2", 3, "1️⃣"),
    ],
)
def test_a_text_is_cut_between_characters_as_people_see_them(text: str, length: int, kept: str) -> None:
    assert cut(text, length) == kept
    assert utf16_length(kept) <= length


def test_a_cut_says_so() -> None:
    """A text that was too long stopped the sync of the lead; cut silently, nobody would look for the rest."""
    result = coerce(PropertyType("text", max_length=32), "x" * 31 + " \U0001f600ção", SAO_PAULO)
    assert result.value == "x" * 31
    assert result.note == "cut from 37 to 31 characters, as it holds 32"


def test_blanks_around_a_value_and_what_no_product_stores_are_taken_off() -> None:
    assert coerce(PropertyType("text"), " a\x00\ud800b \n", "UTC").value == "a�b"
    assert coerce(PropertyType("text"), "\ud83d\ude00", "UTC").value == "😀"


@pytest.mark.parametrize("kind", ["text", "number", "date", "datetime", "boolean", "option", "options"])
@pytest.mark.parametrize("empty", [None, "", "  ", (), []])
def test_an_empty_value_is_no_wish_to_empty_the_property(kind: Any, empty: Any) -> None:
    """An empty list once blanked the field that a rep had filled by hand."""
    result = coerce(PropertyType(kind, options={"a": "a"}), empty, SAO_PAULO)
    assert (result.value, result.note) == (None, "")


def test_an_option_is_found_by_its_label_in_any_case_or_by_the_products_own_value() -> None:
    """Pipedrive holds numbers, and ignores a label without a word."""
    canal = PropertyType("option", options={"Google": 1, "Insta": 2})
    assert [coerce(canal, each, "UTC").value for each in ("Google", "google ", 2, "2")] == [1, 1, 2, 2]
    unknown = coerce(canal, "Instagram", "UTC")
    assert (unknown.value, unknown.note) == (None, "'Instagram' was left out: there is no such option")


def test_of_several_options_the_unknown_one_is_left_out_and_the_rest_written() -> None:
    result = coerce(CHECKBOXES, ["Imóvel", "Barco", "imovel"], "UTC")
    assert (result.value, result.note) == ("imovel", "'Barco' left out: there is no such option")


def test_options_of_others_stay_and_ours_follow_the_lead() -> None:
    """A rep's tick vanished when ours was written; nobody trusted the integration after that."""
    added = options_after(CHECKBOXES, "consorcio;seguro", "imovel", [])
    assert added == "consorcio;seguro;imovel"
    assert options_after(CHECKBOXES, added, "imovel", ["imovel"]) is None
    assert options_after(CHECKBOXES, "seguro; imovel ;consorcio", None, ["imovel"]) == "seguro;consorcio"
    assert options_after(CHECKBOXES, None, None, []) is None
    assert options_after(PropertyType("options"), [3, 1], [2, 1], [[3]]) == [1, 2]
    with_comma = PropertyType("options", options={"Casa, terreno": "Casa, terreno"}, write=joined(";"))
    assert options_after(with_comma, "seguro", "Casa, terreno", []) == "seguro;Casa, terreno"


@pytest.mark.parametrize(
    ("type_", "sent", "held"),
    [
        (NUMBER, "1234.5", "1234.50"),
        (NUMBER, "1.125", 1.125),
        (NUMBER, 0, "0.00"),
        (MOMENT, 1772415000000, "2026-03-02T01:30:00Z"),
        (MOMENT, 1772415000120, "2026-03-01T22:30:00-03:00"),
        (MOMENT, "2026-03-02T01:30:00.999Z", "2026-03-02T01:30:00.000+0000"),
        (DAY, 1772323200000, "2026-03-01"),
        (DAY, "1772323200000", "2026-03-01T00:00:00Z"),
        (CHECKBOXES, "imovel;seguro", "seguro;imovel"),
        (CHECKBOXES, ["imovel", "seguro"], "seguro; imovel"),
        (PropertyType("option", options={"Instagram": 2}), 2, "2"),
        (PropertyType("option", options={"Instagram": 2}), 2, "Instagram"),
        (PropertyType("boolean"), True, "true"),
        (PropertyType("text"), "Ana ", "Ana"),
        (PropertyType("text"), "", None),
        (PHONE, "+5511987654321", "(11) 98765-4321"),
        (PHONE, "+551187654321", "011 98765.4321"),
        (PHONE, "+351912345678", "+351 912 345 678"),
        (PHONE, "ramal 12", "ramal 12 "),
        (NUMBER, "unreadable", "unreadable "),
    ],
)
def test_what_is_read_back_is_compared_by_type(type_: PropertyType, sent: Any, held: Any) -> None:
    """1234.5 was sent again and again, because 1234.50 came back."""
    assert same(type_, sent, held)


@pytest.mark.parametrize(
    ("type_", "sent", "held"),
    [
        (NUMBER, "1234.5", "12345"),
        (NUMBER, "0", None),
        (NUMBER, "1", "um"),
        (MOMENT, 1772415000000, "2026-03-02T01:30:01Z"),
        (DAY, 1772323200000, "2026-03-02"),
        (CHECKBOXES, "imovel;seguro", "imovel"),
        (PropertyType("text"), "Ana", "ana"),
        (PropertyType("boolean"), False, True),
        (PHONE, "+5511987654321", "(21) 98765-4321"),
        (PHONE, "+5511987654321", "ramal 12"),
        (PropertyType("option", options={"Instagram": 2}), 2, 1),
    ],
)
def test_what_differs_is_seen(type_: PropertyType, sent: Any, held: Any) -> None:
    assert not same(type_, sent, held)
