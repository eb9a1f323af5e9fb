"""E-mail addresses and phone numbers as people type them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from echolead.normalize import normalize_email, normalize_phone

MOBILE = "+5511987654321"


@pytest.mark.parametrize(
    ("typed", "normalized"),
    [
        pytest.param(" Ana.Silva@Example.COM.br ", "ana.silva@example.com.br", id="case and spaces"),
        pytest.param("josé@açaí.com.br", "josé@açaí.com.br", id="accents"),
        pytest.param("ana+lp@example.com", "ana+lp@example.com", id="a tag is kept"),
        pytest.param("ana@example.com\u200b", "ana@example.com", id="a zero-width space after it"),
        pytest.param("\ufeffana@example.com", "ana@example.com", id="a byte order mark before it"),
        pytest.param("ana\u200d@exam\u00adple.com", "ana@example.com", id="invisible characters within it"),
        pytest.param("\u202aana@example.com\u202c", "ana@example.com", id="direction marks around it"),
        pytest.param("ana@example.com\u3164\u00a0", "ana@example.com", id="blanks that are letters"),
        pytest.param("ana@example.com.", "ana@example.com", id="the dot of a sentence"),
        pytest.param("ana@example.com.\u200b ", "ana@example.com", id="a dot, then what nobody sees"),
        pytest.param("ana@example.com;", "ana@example.com", id="the semicolon of a list"),
        pytest.param("<ana@example.com>", "ana@example.com", id="brackets around it"),
        pytest.param("mailto:ana@example.com", "ana@example.com", id="a link"),
        pytest.param("ana＠ｅxample.com", "ana@example.com", id="full-width letters"),
        pytest.param("jose\u0301@example.com", "josé@example.com", id="an accent of its own"),
        pytest.param("“ana@example.com”", "ana@example.com", id="quotation marks of a text"),
        pytest.param("`ana@example.com`", "ana@example.com", id="quotation marks of a program"),
        pytest.param("• *ana@example.com*", "ana@example.com", id="a list's mark, and bold"),
        pytest.param("ana@example.com?!", "ana@example.com", id="the end of a question"),
        pytest.param("_ana-@example.com/", "_ana-@example.com", id="a slash behind it, and what a name may have"),
        pytest.param("Ana Souza <ana@example.com>", "ana@example.com", id="a name before it"),
        pytest.param('"Souza, Ana" <ana@example.com>,', "ana@example.com", id="a name with a comma before it"),
        pytest.param("ana@example.com (pessoal)", "ana@example.com", id="a remark after it"),
        pytest.param("E-mail: ana@example.com", "ana@example.com", id="what it is before it"),
        pytest.param("MAILTO: ana@example.com?subject=Oi", "ana@example.com", id="a link with a subject"),
        pytest.param("ana%40example.com", "ana@example.com", id="encoded as in an address"),
        pytest.param("ana@example.com%20%0A", "ana@example.com", id="blanks encoded as in an address"),
        pytest.param("ana%b@example.com", "ana%b@example.com", id="a percent sign of its own"),
        pytest.param("josé@xn--aa-4iaz.com.br", "josé@açaí.com.br", id="accents as Chrome sends them"),
        pytest.param("ana@xn--a.com", "ana@xn--a.com", id="no encoding of anything"),
        pytest.param("ana@example。com", "ana@example.com", id="the dot of a Chinese keyboard"),
        pytest.param("ana@[127.0.0.1]", "", id="an address of a machine"),
        pytest.param("Ana <ana@b.com>, Bia <bia@b.com>", "", id="two addresses with names"),
        pytest.param(".@example.com", "", id="nothing before the at sign"),
        pytest.param("ana@.", "", id="nothing after the at sign"),
        pytest.param("ana@example", "", id="no dot"),
        pytest.param("ana@exam ple.com", "", id="a space"),
        pytest.param("ana@example..com", "", id="two dots"),
        pytest.param("ana@b.com, bia@b.com", "", id="two addresses"),
        pytest.param("a" * 250 + "@b.com", "", id="too long"),
        pytest.param("", "", id="nothing"),
    ],
)
def test_an_email_is_trimmed_and_lower_cased_or_empty(typed: str, normalized: str) -> None:
    assert normalize_email(typed) == normalized


@pytest.mark.parametrize(
    "typed",
    [
        "(11) 98765-4321", "11987654321", "011 98765 4321", "0 15 11 98765-4321", "+55 11 98765-4321", "5511987654321",
        "0055 11 98765-4321", "55 (11) 9 8765-4321", "11 8765-4321", "+55 11 8765-4321", "11 98765-4321 ramal 12",
        "11/98765-4321", "11.98765.4321", "11 98765–4321", "(0xx11) 98765-4321",
        "\u202a+55 11 98765\u20114321\u202c", "11 98765\u200b-4321",
        "１１ ９８７６５-４３２１", "11 98765-4321 (zap)", "zap: 11 98765-4321", "Ana, 21 anos, 11 98765-4321",
        "11 98765-4321 depois das 18:00",
        "tel:+5511987654321", "https://wa.me/5511987654321", "5511987654321@s.whatsapp.net",
        "+55 55 11 98765-4321", "5555 11 98765-4321", "+55+5511987654321", "[11] 98765-4321", "11 98765-4321 (2)",
        "11987654321.0", "5511987654321,00", "5.511987654321E+12", "1,1987654321e10",
    ],
)  # fmt: skip
def test_a_brazilian_mobile_has_one_number_and_both_variants_in_any_notation(typed: str) -> None:
    phone = normalize_phone(typed, "BR")
    assert (phone.number, phone.variants) == (MOBILE, (MOBILE, "+551187654321"))


@pytest.mark.parametrize(
    "typed",
    [
        "11 98765-4321 / 11 3456-7890", "11 98765-4321/3456-7890", "11 98765-4321, 11 3456-7890",
        "11 98765-4321;1134567890",
        "11 98765-4321 ou 11 3456-7890", "11 98765-4321 e 3456-7890", "11987654321 1134567890",
        "(11)98765-4321(11)3456-7890",
        "+55 11 98765-4321 +55 11 3456-7890", "55 11 98765-4321 - 55 11 3456-7890", "11 98765-4321\n11 3456-7890",
        "WhatsApp 11 98765-4321 (Ana, depois das 18 horas), ou então o fixo da empresa: 11 3456-7890",
        "3456-7890 ou 11 98765-4321",
    ],
)  # fmt: skip
def test_of_several_numbers_in_one_field_the_first_that_can_be_called_counts(typed: str) -> None:
    assert normalize_phone(typed, "BR").number == MOBILE


@pytest.mark.parametrize(
    ("typed", "region", "number"),
    [
        pytest.param("(11) 3456-7890", "BR", "+551134567890", id="a fixed line"),
        pytest.param("0800 123 4567", "BR", "+558001234567", id="a free number"),
        pytest.param("+351 912 345 678", "BR", "+351912345678", id="abroad"),
        pytest.param("912 345 678", "PT", "+351912345678", id="another region"),
        pytest.param("00351 912 345 678", "BR", "+351912345678", id="00 for +"),
        pytest.param("00 98765-4321", "BR", "", id="an area code that there is not"),
        pytest.param("(55) 3232-1234", "BR", "+555532321234", id="an area code like the country's"),
        pytest.param("11 3456-7890 (22)", "BR", "+551134567890", id="an extension in brackets"),
        pytest.param("4004-1234", "BR", "+5540041234", id="one number for the whole country"),
        pytest.param("5.51198765432E+12", "BR", "", id="a number that a program has rounded"),
        pytest.param("+351 351 912 345 678", "BR", "+351912345678", id="abroad, with the country code twice"),
        pytest.param("98765-4321", "BR", "", id="no area code"),
        pytest.param("123", "BR", "", id="too short"),
        pytest.param("+55 11 98765 43210 00", "BR", "", id="too long"),
        pytest.param("11 98765-4321 0", "BR", "", id="a digit too many"),
        pytest.param("11 3456-7890/91", "BR", "+551134567890", id="the last digits of a second number"),
        pytest.param("030 12345 / 030 6543", "DE", "+493012345", id="two short numbers abroad"),
        pytest.param("030/12345678", "DE", "+493012345678", id="a slash after the area code"),
        pytest.param("call me", "BR", "", id="no number"),
        pytest.param("9" * 5000, "BR", "", id="5,000 digits"),
        pytest.param("", "BR", "", id="nothing"),
    ],
)
def test_other_numbers_have_no_variants(typed: str, region: str, number: str) -> None:
    assert normalize_phone(typed, region) == (number, ())


@pytest.mark.parametrize("typed", ["+52 1 55 1234 5678", "+52 55 1234 5678", "5215512345678@c.us"])
def test_a_mexican_number_has_both_variants_with_and_without_the_one(typed: str) -> None:
    phone = normalize_phone(typed, "MX")
    assert phone == ("+525512345678", ("+525512345678", "+5215512345678"))


def test_the_form_without_the_nine_is_not_built_where_it_is_a_fixed_line() -> None:
    phone = normalize_phone("11 93456-7890", "BR")
    assert "+551134567890" not in phone.variants


@given(st.text(max_size=80))
def test_any_text_gives_a_number_or_nothing(text: str) -> None:
    number = normalize_phone(text, "BR").number
    assert number == "" or (number[0] == "+" and number[1:].isdigit())


@given(st.text(max_size=300))
def test_normalising_an_email_twice_changes_nothing(text: str) -> None:
    assert normalize_email(normalize_email(text)) == normalize_email(text)
