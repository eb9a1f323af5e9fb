"""Files that Brazilian Excel opens as they are meant, and that no cell or heading of calculates (cases P7, P8)."""

import csv
import io
from datetime import date, datetime
from decimal import Decimal

import pytest

from echolead.spreadsheets import CsvField, Dialect, written

ZONE = "America/Sao_Paulo"
FIELDS = (
    CsvField("name", "text", "Nome"),
    CsvField("amount", "money", "Valor"),
    CsvField("rate", "share", "Taxa"),
    CsvField("visits", "count", "Visitas"),
    CsvField("at", "moment", "Quando"),
    CsvField("day", "date", "Dia"),
    CsvField("factor", "number", "=soma"),
)
ROW = ("João Conceição; filial", Decimal("1234.5"), 0.225, 1234, datetime(2026, 3, 11, 2, 30), date(2026, 3, 10), 22.5)  # noqa: DTZ001


def file(dialect: Dialect, *rows: tuple[object, ...], fields: tuple[CsvField, ...] = FIELDS) -> str:
    return "".join(written(fields, rows, dialect, ZONE))


def test_excel_opens_it_with_accents_columns_amounts_and_dates_in_place() -> None:
    text = file("excel", ROW)
    assert text.encode().startswith(b"\xef\xbb\xbf")
    heading, line = text.removeprefix("\ufeff").splitlines()
    assert heading == "Nome;Valor;Taxa;Visitas;Quando;Dia;'=soma"
    assert line == '"João Conceição; filial";1234,50;0,2250;1234;10/03/2026 23:30:00;10/03/2026;22,5'


def test_programs_get_a_plain_file_with_the_offset_of_each_moment() -> None:
    heading, line = file("programs", ROW).splitlines()
    assert heading == "name,amount,rate,visits,at,day,factor"
    assert line == "João Conceição; filial,1234.50,0.2250,1234,2026-03-10T23:30:00.000-03:00,2026-03-10,22.5"


@pytest.mark.parametrize("dialect", ["excel", "programs"])
def test_no_cell_and_no_heading_calculates(dialect: Dialect) -> None:
    names = ["=1+1", "@promo", "\t=2+2", "+55 11 90000-0000", "-2+3", "x;=1+1"]
    fields = (CsvField("=soma", "text", "=soma"), CsvField("amount", "money", "amount"))
    text = file(dialect, *((name, Decimal("-12.50")) for name in names), fields=fields).removeprefix("\ufeff")
    rows = list(csv.reader(io.StringIO(text), delimiter=";" if dialect == "excel" else ","))
    assert [row[0][0] for row in rows] == ["'"] * 5 + ["'", "x"]
    assert {row[1] for row in rows[1:]} == {"-12,50" if dialect == "excel" else "-12.50"}
    assert "+55 11 90000-0000" in text


def test_a_telephone_number_stays_readable_in_excel_and_raw_for_programs() -> None:
    phone = (CsvField("phone", "text", "Telefone"),)
    assert file("excel", ("+5511999998888",), fields=phone).splitlines()[1] == "'+5511999998888"
    assert file("programs", ("+5511999998888",), fields=phone).splitlines()[1] == "+5511999998888"


def test_what_is_not_known_is_an_empty_cell() -> None:
    assert file("excel", (None, None, float("nan"), None, None, None, None)).splitlines()[1] == ";;;;;;"


def test_a_long_file_comes_in_parts() -> None:
    parts = list(written(FIELDS[:1], ((str(number),) for number in range(1_200)), "programs", ZONE))
    assert len(parts) == 3
    assert len("".join(parts).splitlines()) == 1_201
