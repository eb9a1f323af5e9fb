"""Files of ad spend: headers, separators, numbers and dates as the platforms and spreadsheets write them."""

from datetime import date
from decimal import Decimal

import pytest

from dlt_pipelines.spend.csv_file import FileRow, UnreadableFile, read_file

DAY = date(2026, 3, 5)


def rows(text: str, encoding: str = "utf-8") -> list[FileRow]:
    return read_file(text.encode(encoding)).rows


def costs(text: str) -> list[Decimal]:
    return [row.spend.cost for row in rows(text)]


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("day,campaign,cost\n2026-03-05,Natal,1234.56\n", id="plain English"),
        pytest.param("Dia;Campanha;Custo\n05/03/2026;Natal;1.234,56\n", id="Portuguese with semicolons"),
        pytest.param(
            '\ufeffDate,Campaign name,Amount spent (BRL)\n2026-03-05,Natal,"1,234.56"\n', id="Meta in English, BOM"
        ),
        pytest.param(
            '"Início dos relatórios","Nome da campanha","Valor usado (BRL)"\n2026-03-05,Natal,"1234,56"\n',
            id="Meta in Portuguese",
        ),
        pytest.param(
            "Relatório de campanhas\n1 de março de 2026 - 31 de março de 2026\n"
            "Dia\tCampanha\tCódigo da moeda\tCusto\n5 de mar. de 2026\tNatal\tBRL\tR$ 1.234,56\n"
            "Total: conta\t--\tBRL\t1.234,56\n",
            id="Google Ads with a title, tabs and totals",
        ),
        pytest.param('Day,Campaign,Cost\n"Mar 5, 2026",Natal,"$1,234.56"\n', id="month first in words"),
        pytest.param(
            "data;campanha;investimento\n05/03/26;Natal;R$\u00a01.234,56\n\n", id="two digits of a year, hard blank"
        ),
    ],
)
def test_a_file_is_read_however_it_was_exported(text: str) -> None:
    ((row),) = rows(text)
    assert (row.spend.day, row.spend.campaign, row.spend.cost) == (DAY, "Natal", Decimal("1234.56"))


def test_a_file_of_windows_is_read() -> None:
    (row,) = rows("Dia;Campanha;Custo\n05/03/2026;Promoção;1,50\n", "cp1252")
    assert row.spend.campaign == "Promoção"


def test_all_rows_decide_how_numbers_and_dates_are_written() -> None:
    assert costs("day,campaign,cost\n2026-03-05,A,1.234\n2026-03-05,B,0.5\n") == [Decimal("1.234"), Decimal("0.5")]
    assert costs('day,campaign,cost\n2026-03-05,A,"1.234"\n2026-03-05,B,"7,5"\n') == [Decimal(1234), Decimal("7.5")]
    assert costs("day;campaign;cost\n2026-03-05;A;1.234\n") == [Decimal(1234)]
    assert costs('day,campaign,cost\n2026-03-05,A,"1,234"\n') == [Decimal(1234)]
    assert [row.spend.day for row in rows("day,campaign,cost\n03/05/2026,A,1\n03/25/2026,A,1\n")] == [
        DAY, date(2026, 3, 25)
    ]  # fmt: skip
    assert [row.spend.day for row in rows("day,campaign,cost\n05/03/2026,A,1\n")] == [DAY]


def test_ids_currency_account_and_counts_are_taken_where_the_file_has_them() -> None:
    text = (
        "Date,Campaign ID,Campaign,Currency,Account ID,Platform,Cost,Impr.,Clicks\n"
        '2026-03-05,111,Natal,usd,123-456-7890,LinkedIn Ads,10,"1,234",56\n'
    )
    (row,) = rows(text)
    assert (row.currency, row.account, row.platform) == ("USD", "1234567890", "linkedin_ads")
    assert (row.spend.campaign_id, row.spend.impressions, row.spend.clicks) == ("111", 1234, 56)
    (named,) = rows("Day,Campaign,Amount spent (EUR)\n2026-03-05,A,1\n")
    assert named.currency == "EUR"


def test_lines_of_one_campaign_day_and_currency_are_added_up() -> None:
    text = (
        "day,campaign,currency,cost\n2026-03-05,A,BRL,1\n2026-03-05,A,BRL,2\n2026-03-05,A,USD,4\n2026-03-06,A,BRL,8\n"
    )
    found = read_file(text.encode())
    assert [row.spend.cost for row in found.rows] == [Decimal(3), Decimal(4), Decimal(8)]
    assert found.lines == 4


def test_a_bad_line_is_named_with_what_to_do_and_nothing_is_read() -> None:
    text = "day,campaign,cost\n2026-03-05,A,1\n2026-02-30,B,1\n2026-03-05,,1\n2026-03-05,C,viel\n2026-03-05,D,1\n"
    with pytest.raises(UnreadableFile) as caught:
        rows(text)
    assert list(caught.value.problems) == [
        "Line 3: '2026-02-30' is not a date: use 2026-03-05 or 05/03/2026.",
        "Line 4: it names no campaign: give a name or an id.",
        "Line 5: 'viel' is not an amount: use 1234.56 or 1.234,56.",
    ]


def test_more_bad_lines_than_can_be_listed_are_counted() -> None:
    with pytest.raises(UnreadableFile) as caught:
        rows("day,campaign,cost\n" + "x,A,1\n" * 25)
    assert len(caught.value.problems) == 21
    assert caught.value.problems[-1] == "5 more lines cannot be read."


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param("campaign,cost\nA,1\n", "day (day, date, dia, data)", id="no day"),
        pytest.param("", "Give the file a header", id="empty"),
        pytest.param("day,campaign,cost\n2026-03-05,A,1e400\n", "is not an amount", id="endless number"),
        pytest.param("day,campaign,currency,cost\n2026-03-05,A,Real,1\n", "is not a currency", id="a currency's name"),
        pytest.param("day,campaign,cost,clicks\n2026-03-05,A,1,many\n", "is not a whole number", id="a word as count"),
    ],
)
def test_what_a_file_lacks_is_said(text: str, said: str) -> None:
    with pytest.raises(UnreadableFile, match=said.replace("(", r"\(").replace(")", r"\)")):
        rows(text)
