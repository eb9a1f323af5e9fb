"""Every text of the console exists in both languages, and every requested text exists."""

import re
from collections.abc import Iterable
from pathlib import Path
from string import Formatter

import pytest

from dashboards.texts import TEXTS
from echolead.leads.record import RECORD_KINDS
from echolead.operational.deals import FUNNEL_STAGES
from echolead.operational.models import CONSENT_DEFAULTS, IP_POLICIES
from echolead.operational.warehouse_requests import OF_SETTINGS
from echolead.permissions import ROLES
from echolead.rules.schema import PRIORITIES

ROOT = Path(__file__).parents[3]
DASHBOARDS, METRICS = ROOT / "dashboards", ROOT / "echolead" / "metrics"
ASKED = re.compile(r"""\bt\(\s*"(\w+)\"""")


@pytest.mark.parametrize("key", TEXTS)
def test_both_languages_say_the_same_with_the_same_values(key: str) -> None:
    english, portuguese = TEXTS[key]
    assert english
    assert portuguese
    names = [{name for _, name, _, _ in Formatter().parse(text) if name} for text in (english, portuguese)]
    assert names[0] == names[1]


def test_every_text_a_page_asks_for_exists() -> None:
    asked = {key for file in DASHBOARDS.rglob("*.py") for key in ASKED.findall(file.read_text())}
    assert len(asked) > 30
    assert asked <= TEXTS.keys()


def test_every_ad_platform_has_its_name() -> None:
    seed = (DASHBOARDS.parent / "dbt_project" / "seeds" / "ad_platforms.csv").read_text().splitlines()[1:]
    assert {f"platform_{line.split(',')[1]}" for line in seed} <= TEXTS.keys()


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("priority", PRIORITIES),
        ("record", RECORD_KINDS),
        ("kept", IP_POLICIES),
        ("consent", CONSENT_DEFAULTS),
        ("deal", FUNNEL_STAGES),
        ("role", ROLES),
        ("requester", [OF_SETTINGS.replace(" ", "_")]),
        ("device", ["mobile", "tablet", "desktop", "tv", "console"]),  # enriched.events
        ("sender", ["script", "server", "pixel"]),
        ("delivers", ["lead", "conversation", "withdrawal"]),  # ops.stuck_deliveries
    ],
)
def test_no_value_of_these_is_shown_as_it_is_stored(kind: str, values: Iterable[str]) -> None:
    assert {f"{kind}_{value}" for value in values} <= TEXTS.keys()


def test_every_text_is_asked_for() -> None:
    files = [file for file in DASHBOARDS.rglob("*.py") if file.parent.name != "texts"]
    pages = "".join(file.read_text() for file in (*files, *METRICS.glob("*.py")))
    # Names in the data (`named("state", …)`) and rules have a text each, so they are asked for by their kind.
    asked = (r"""\bnamed\("(\w+)\"""", r"""\bt\(f"(\w+)_\{""", r"""\bwords="(\w+)\"""", r"""key = f"(\w+)_\{""")
    kinds = {kind for each in asked for kind in re.findall(each, pages)}
    quoted = set(re.findall(r"""["'](\w+)["']""", pages))
    quoted |= {f"{name}_caption" for name in quoted}
    assert {key for key in TEXTS.keys() - quoted if key.partition("_")[0] not in kinds} == set()
