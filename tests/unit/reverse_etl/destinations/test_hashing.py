"""Hashes of people: each platform its own form."""

import hashlib

import pytest

from echolead.normalize import normalize_email
from reverse_etl.destinations.hashing import google_email, google_phone, hashed, meta_name, meta_phone

ANA = hashlib.sha256(b"ana@example.com").hexdigest()


def test_a_phone_number_has_another_form_for_each_platform() -> None:
    assert hashed("+5511987654321", meta_phone).startswith("029c7290")
    assert hashed("+5511987654321", google_phone).startswith("38225ec3")


@pytest.mark.parametrize("phone", ["+0000000000", "", "+", "+55", "12345678901234567890"])
def test_a_phone_number_that_is_none_has_no_hash(phone: str) -> None:
    assert (hashed(phone, meta_phone), hashed(phone, google_phone)) == ("", "")


@pytest.mark.parametrize(
    ("phone", "digits"), [("005511987654321", "5511987654321"), ("+55 11 98765-4321", "5511987654321")]
)
def test_metas_digits_have_neither_leading_zeros_nor_signs(phone: str, digits: str) -> None:
    assert meta_phone(phone) == digits


@pytest.mark.parametrize("normalise", [normalize_email, google_email])
@pytest.mark.parametrize("email", ["ana@example.com", " Ana@Example.COM ", ANA, f" {ANA.upper()} "])
def test_an_address_has_one_hash_and_a_hash_is_not_hashed_again(email: str, normalise: object) -> None:
    assert hashed(email, normalise) == ANA  # type: ignore[arg-type]  # one of two functions
    assert ANA.startswith("8e43ca37")


def test_an_address_with_accents_is_kept_and_text_that_is_no_address_is_not() -> None:
    assert hashed("tést@example.com", normalize_email) == hashlib.sha256("tést@example.com".encode()).hexdigest()
    assert hashed("not an address", google_email) == ""


@pytest.mark.parametrize(
    ("email", "normal"),
    [
        ("Ana.Maria.Souza@gmail.com", "anamariasouza@gmail.com"),
        ("ana.souza@googlemail.com", "anasouza@googlemail.com"),
        ("ana.souza@example.com", "ana.souza@example.com"),
    ],
)
def test_google_ignores_the_dots_of_its_own_addresses(email: str, normal: str) -> None:
    assert google_email(email) == normal
    assert normalize_email(email) == email.lower()


@pytest.mark.parametrize(("name", "normal"), [("João", "joão"), ("D'Ávila-Neto", "dávilaneto"), ("Ana 2", "ana")])
def test_metas_names_are_letters_in_lower_case(name: str, normal: str) -> None:
    assert meta_name(name) == normal
