"""Where visitors come from, and who is a person: what referrers, addresses and user agents are read as."""

import csv
import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from echolead.events import CLICK_ID_FIELDS, UTM_FIELDS
from tests.factories import arrival, moment, raw_event, raw_tenant, raw_tenant_host, uid
from tests.integration.dbt.conftest import Project

TENANT = "origem"
# Public lists beside the repository: what they know is compared with, not copied.
LISTS = Path(__file__).parents[4] / "shared" / "data"

REFERRERS = {
    "google": {
        "https://www.google.com/": ("google", "Organic Search"),
        "https://images.google.com/imgres": ("google", "Organic Search"),
        "https://images.google.com.br/": ("google", "Organic Search"),
        "https://www.google.hn/": ("google", "Organic Search"),
        "https://www.google.com.pr/search?q=x": ("google", "Organic Search"),
        "https://google.co.uz": ("google", "Organic Search"),
        "https://WWW.Google.com.BR./": ("google", "Organic Search"),
        "https://encrypted.google.com/": ("google", "Organic Search"),
        "https://cse.google.com.br/cse": ("google", "Organic Search"),
        "https://news.google.com/": ("google", "Organic Search"),
        "android-app://com.google.android.googlequicksearchbox/": ("google", "Organic Search"),
        "https://docs.google.com/document/d/1": ("docs.google.com", "Referral"),
        "https://calendar.google.com/": ("calendar.google.com", "Referral"),
        "https://meet.google.com/abc": ("meet.google.com", "Referral"),
        "https://drive.google.com/": ("drive.google.com", "Referral"),
        "https://maps.google.com.br/": ("maps.google.com.br", "Referral"),
        "https://sites.google.com/view/x": ("sites.google.com", "Referral"),
        "https://search.google.com/search-console": ("search.google.com", "Referral"),
        "https://lens.google/": ("google", "Organic Search"),
        "https://ipv4.google.com/sorry": ("google", "Organic Search"),
        "https://mail.google.com/": ("gmail", "Email"),
        "https://webmail.google.com/": ("webmail.google.com", "Referral"),
        "https://gemini.google.com/": ("gemini", "AI Assistants"),
        "https://accounts.google.com/": ("(direct)", "Direct"),
        "https://www.google.com.evil.example/": ("google.com.evil.example", "Referral"),
        "https://google.evil.example/": ("google.evil.example", "Referral"),
        "https://www.notgoogle.com/": ("notgoogle.com", "Referral"),
        "https://google.com@evil.example/": ("evil.example", "Referral"),
    },
    "other engines": {
        "https://search.yahoo.com/": ("yahoo", "Organic Search"),
        "https://mx.search.yahoo.com/": ("yahoo", "Organic Search"),
        "https://br.images.search.yahoo.com/": ("yahoo", "Organic Search"),
        "https://www.yahoo.co.jp/": ("yahoo", "Organic Search"),
        "https://search.yahoo.co.jp/": ("yahoo", "Organic Search"),
        "https://br.yahoo.com/": ("yahoo", "Organic Search"),
        "https://finance.yahoo.com/": ("finance.yahoo.com", "Referral"),
        "https://mail.yahoo.com/": ("yahoo_mail", "Email"),
        "https://br-mg5.mail.yahoo.com/": ("yahoo_mail", "Email"),
        "https://mail.yahoo.co.jp/": ("yahoo_mail", "Email"),
        "https://login.yahoo.com/": ("(direct)", "Direct"),
        "https://www.bing.com/": ("bing", "Organic Search"),
        "https://cn.bing.com/": ("bing", "Organic Search"),
        "https://rewards.bing.com/": ("rewards.bing.com", "Referral"),
        "https://yandex.uz/": ("yandex", "Organic Search"),
        "https://m.yandex.com.tr/": ("yandex", "Organic Search"),
        "https://disk.yandex.ru/": ("disk.yandex.ru", "Referral"),
        "https://mail.yandex.ru/": ("yandex_mail", "Email"),
        "https://mail.yandex.com/": ("yandex_mail", "Email"),
        "https://m.baidu.com/": ("baidu", "Organic Search"),
        "https://pan.baidu.com/": ("pan.baidu.com", "Referral"),
        "https://search.naver.com/": ("naver", "Organic Search"),
        "https://mail.naver.com/": ("naver_mail", "Email"),
        "https://e.mail.ru/": ("mailru", "Email"),
        "https://duckduckgo.com/": ("duckduckgo", "Organic Search"),
        "https://lite.duckduckgo.com/lite/": ("duckduckgo", "Organic Search"),
        "https://br.search.msn.com/": ("br.search.msn.com", "Referral"),
        "https://m.sm.cn/": ("shenma", "Organic Search"),
    },
    "labels": {
        "https://www.pinstripe.example/artigo": ("pinstripe.example", "Referral"),
        "https://stripe.example/": ("stripe.example", "Referral"),
        "https://mystripe.com/": ("mystripe.com", "Referral"),
        "https://checkout.stripe.com/c/pay": ("(direct)", "Direct"),
        "https://pay.stripe.com.evil.example/": ("pay.stripe.com.evil.example", "Referral"),
        "https://sandbox.pagseguro.uol.com.br/": ("(direct)", "Direct"),
        "https://notpagseguro.uol.com.br/": ("notpagseguro.uol.com.br", "Referral"),
        "https://noticias.uol.com.br/": ("noticias.uol.com.br", "Referral"),
        "https://paypal.com.br/": ("paypal.com.br", "Referral"),
        "https://netflix.com.example/": ("netflix.com.example", "Referral"),
        "https://max.com/": ("max.com", "Referral"),
        "https://m.facebook.com/": ("facebook", "Organic Social"),
        "https://apps.facebook.com/": ("facebook", "Organic Social"),
        "https://l.wl.co/": ("whatsapp", "Organic Social"),
        "https://nam02.safelinks.protection.outlook.com/": ("outlook", "Email"),
        "https://us20.campaign-archive.com/": ("mailchimp", "Email"),
        "https://www.tiktok.com/": ("tiktok", "Organic Social"),
        "android-app://com.zhiliaoapp.musically/": ("tiktok", "Organic Social"),
        "https://www.amazon.com.br/": ("amazon", "Organic Shopping"),
        "https://console.aws.amazon.com/": ("aws.amazon.com", "Referral"),
        "https://203.0.113.7/": ("203.0.113.7", "Referral"),
        "https://intranet/": ("intranet", "Referral"),
        "https://meuapp.firebaseapp.com/__/auth": ("(direct)", "Direct"),
        "https://firebaseapp.com.golpe.example/": ("firebaseapp.com.golpe.example", "Referral"),
        "https://loja.b2clogin.com/oauth2": ("(direct)", "Direct"),
        "https://www.mercadopago.com.ar/": ("(direct)", "Direct"),
        "https://outlook.cloud.microsoft/mail/": ("outlook", "Email"),
        "https://urldefense.com/v3/": ("urldefense", "Email"),
        "https://m.ok.ru/": ("ok", "Organic Social"),
        "android-app://com.instagram.barcelona/": ("threads", "Organic Social"),
        "android-app://com.anthropic.claude/": ("claude", "AI Assistants"),
        "android-app://com.google.android.apps.searchlite/": ("google", "Organic Search"),
        "android-app://com.yahoo.mobile.client.android.mail/": ("yahoo_mail", "Email"),
        "about:blank": ("(direct)", "Direct"),
        "https://www.lp.test/": ("(direct)", "Direct"),
    },
}
REFERRER_CASES = [case for group in REFERRERS.values() for case in group.items()]
# What the script makes of the same referrers is held against the same file (tracking/test/arrivals.spec.js).
WAY_STATIONS = {
    case["referrer"]: case["is_way_station"]
    for case in json.loads((Path(__file__).parents[2] / "fixtures" / "referrers.json").read_text())
}

PAID = [
    pytest.param("google", "display", {}, "Display", id="display media of a search engine"),
    pytest.param("google", "Banner", {}, "Display", id="banners of a search engine"),
    pytest.param("google", "cpm", {}, "Display", id="views bought of a search engine"),
    pytest.param("facebook", "cpm", {}, "Paid Social", id="views bought of a social network"),
    pytest.param("facebook", "display", {}, "Display", id="display media of a social network"),
    pytest.param("youtube", "interstitial", {}, "Display", id="display media of a video site"),
    pytest.param("google", "display", {"gclid": "A"}, "Display", id="display media with a click id"),
    pytest.param("loja", "expandable", {"utm_campaign": "shop"}, "Display", id="display media of a shop"),
    pytest.param("google", "cpc", {}, "Paid Search", id="clicks bought of a search engine"),
    pytest.param("google.com.br", "cpc", {}, "Paid Search", id="a search engine by its host"),
    pytest.param("https://www.google.com/", "cpc", {}, "Paid Search", id="a search engine by its address"),
    pytest.param(" google\u00a0", "cpc\u200b\n", {}, "Paid Search", id="blanks around names"),
    pytest.param("portal", "cpm", {}, "Display", id="views bought of any site"),
    pytest.param("tiktok", "cpc", {}, "Paid Social", id="TikTok is a social network"),
    pytest.param("", "", {"ttclid": "A"}, "Paid Social", id="TikTok's click id"),
    pytest.param("", "", {"dclid": "A"}, "Display", id="a display click id"),
    pytest.param("", "", {"oppref": "A"}, "Paid Other", id="OpenAI's click id is an ad's"),
]

UNPAID = [
    pytest.param("", "", {"gclid": "{gclid}"}, "Direct", id="a click id that is a macro"),
    pytest.param("", "", {"gclid": "undefined", "fbclid": "null"}, "Direct", id="click ids that are words for none"),
    pytest.param("", "", {"gclid": "undefined", "fbclid": "IwAR0"}, "Organic Social", id="a word for none beside one"),
    pytest.param(" ", "", {"utm_campaign": "\u200b"}, "Direct", id="names of blanks alone"),
]

# What the script reads out of the same addresses is held against the same file (tracking/test/addresses.spec.js).
SCRIPT_ADDRESSES = json.loads((Path(__file__).parents[2] / "fixtures" / "addresses.json").read_text())
ADDRESSES = [
    *(pytest.param(each["address"], each["params"], id=each["case"]) for each in SCRIPT_ADDRESSES),
    pytest.param("https://lp.acme.test/?fbclid=a%E7+b%2F", {"fbclid": "a%E7+b/"}, id="a click id that is no text"),
    pytest.param("https://lp.acme.test/?a=%00&utm_source=x", {"utm_source": "x"}, id="a NUL beside it"),
    pytest.param("https://lp.acme.test/?q=%E7&utm_source=caf%C3%A9", {"utm_source": "café"}, id="Latin-1 beside it"),
    pytest.param("lp.acme.test?utm_source=jornal", {"utm_source": "jornal"}, id="an address without a scheme"),
]

ANDROID = "Mozilla/5.0 (Linux; Android 4.4.2; {} Build/KOT49H) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/80.0.3987.99 Mobile Safari/537.36"  # noqa: E501
DESKTOP = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 {}Safari/537.36"
)
AGENTS = {
    ANDROID.format("ForwardRuby"): ("", "mobile", "Chrome", "Android"),
    ANDROID.format("CUBOT NOTE S"): ("", "mobile", "Chrome", "Android"),
    ANDROID.format("motorola edge 30"): ("", "mobile", "Chrome", "Android"),
    ANDROID.format("Scrapyard 3"): ("", "mobile", "Chrome", "Android"),
    DESKTOP.format(""): ("", "desktop", "Chrome", "Windows"),
    DESKTOP.format("Edg/126.0.0.0 "): ("", "desktop", "Edge", "Windows"),
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148 [FBAN/FBIOS;FBDV/iPhone12,1]": ("", "mobile", "Facebook", "iOS"),  # noqa: E501
    "Mozilla/5.0 (compatible; MSIE 9.0; Windows NT 6.1; Trident/5.0; Tablet PC 2.0)": ("", "desktop", "Internet Explorer", "Windows"),  # noqa: E501
    "Mozilla/5.0 (Linux; Android 11; SAMSUNG SM-T500) AppleWebKit/537.36 (KHTML, like Gecko) SamsungBrowser/23.0 Chrome/115.0.0.0 Safari/537.36": ("", "tablet", "Samsung Internet", "Android"),  # noqa: E501
    "Mozilla/5.0 (X11; Linux x86_64; Storebot-Google/1.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/79.0.3945.88 Safari/537.36": ("crawler", "desktop", "Chrome", "Linux"),  # noqa: E501
    "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)": ("crawler", "", "", ""),
    "AdsBot-Google (+http://www.google.com/adsbot.html)": ("crawler", "", "", ""),
    "Mozilla/5.0 (compatible; Baiduspider-render/2.0; +http://www.baidu.com/search/spider.html)": ("crawler", "", "", ""),  # noqa: E501
    "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; GPTBot/1.2; +https://openai.com/gptbot)": ("ai_crawler", "", "", ""),  # noqa: E501
    "WhatsApp/2.23.20.0 A": ("link_preview", "", "WhatsApp", ""),
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148 WhatsApp/2.24.10": ("", "mobile", "WhatsApp", "iOS"),  # noqa: E501
    "GoogleMessages/1.0": ("link_preview", "", "", ""),
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36 Google (+https://developers.google.com/+/web/snippet/)": ("crawler", "desktop", "Chrome", "Linux"),  # noqa: E501
    "Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 (KHTML, like Gecko) jsdom/22.1.0": ("headless", "desktop", "", "Windows"),  # noqa: E501
    DESKTOP.format("").replace("Chrome/", "HeadlessEdg/"): ("headless", "desktop", "Safari", "Windows"),
    "facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)": ("link_preview", "", "", ""),
    "DatadogSynthetics": ("monitor", "", "", ""),
    "Ruby": ("http_client", "", "", ""),
    "rest-client/2.1.0 (linux x86_64) ruby/3.2.2p53": ("http_client", "desktop", "", "Linux"),
    "python-requests/2.31.0": ("http_client", "", "", ""),
    "Mozilla/5.0 (Windows NT; Windows NT 10.0; pt-BR) WindowsPowerShell/5.1.19041": ("http_client", "desktop", "", "Windows"),  # noqa: E501
    DESKTOP.format("").replace("Chrome/", "HeadlessChrome/"): ("headless", "desktop", "Chrome", "Windows"),
}  # fmt: skip


def listed(name: str) -> Any:
    """The content of a public list, or a skipped test."""
    path = LISTS / name
    if not path.exists():
        pytest.skip(f"the list {name} is not beside this repository ({LISTS})")
    text = path.read_text()
    return list(csv.DictReader(text.splitlines())) if path.suffix == ".csv" else yaml.safe_load(text)


def arrived_from(referrer: str) -> dict[str, Any]:
    return raw_event(
        tenant_id=TENANT, event=referrer, visitor=referrer, arrived=arrival(moment(), "https://lp.test/", referrer)
    )


def opened_by(agent: str) -> dict[str, Any]:
    return raw_event(tenant_id=TENANT, event=agent, visitor=agent, user_agent=agent)


def arrived_with(name: str, params: dict[str, str]) -> dict[str, Any]:
    return raw_event(tenant_id=TENANT, event=name, arrived=arrival(moment(), "https://lp.test/", **params))


def reported_on(address: str) -> dict[str, Any]:
    """An event without a touch: its page's address says where it came from."""
    return raw_event(tenant_id=TENANT, event=address, sent_by="server", url=address)


def paid_params(source: str, medium: str, others: dict[str, str]) -> dict[str, str]:
    said = {"utm_source": source, "utm_medium": medium, **others}
    return {name: value for name, value in said.items() if value}


@pytest.fixture(scope="module")
def seen(project: Project) -> dict[str, dict[str, Any]]:
    """The rows of enriched.events that all of these become in one turn, by event_id."""
    rows = [arrived_from(referrer) for referrer in {*dict(REFERRER_CASES), *WAY_STATIONS}]
    rows += [arrived_with(str(case.id), paid_params(*case.values[:3])) for case in PAID]  # type: ignore[arg-type]
    rows += [reported_on(str(case.values[0])) for case in ADDRESSES]
    rows += [arrived_with(str(case.id), paid_params(*case.values[:3])) for case in UNPAID]  # type: ignore[arg-type]
    rows += [opened_by(agent) for agent in AGENTS]
    there = [name for name in PUBLIC_LISTS if (LISTS / name).exists()]
    rows += [arrived_from(f"https://{host}/") for name in there for host in hosts_of(name)]
    if (LISTS / DEVICES).exists():
        rows += [opened_by(agent) for agent in agents_of_the_list()[0].values()]
    project.forget()
    project.write("tenants", [raw_tenant(TENANT)])
    project.write("tenant_hosts", [raw_tenant_host(TENANT, "lp.test")])
    project.write("events", rows)
    project.turn()
    found = project.query("select * from enriched.events")
    project.forget()
    return {row["event_id"]: row for row in found}


@pytest.mark.parametrize(("referrer", "expected"), REFERRER_CASES, ids=[referrer for referrer, _ in REFERRER_CASES])
def test_a_referrer_is_known_by_the_labels_of_its_host(
    seen: dict[str, dict[str, Any]], referrer: str, expected: tuple[str, str]
) -> None:
    row = seen[uid(referrer)]
    assert (row["source"], row["channel"]) == expected


@pytest.mark.parametrize(("referrer", "is_way_station"), WAY_STATIONS.items())
def test_a_way_station_is_one_for_the_script_too(
    seen: dict[str, dict[str, Any]], referrer: str, is_way_station: bool
) -> None:
    """Back from a magazine on stripe.example, the form said Direct, because a word of its host is a payment's."""
    assert seen[uid(referrer)]["source_rule"] == ("excluded_referrer" if is_way_station else "referrer")


@pytest.mark.parametrize(("source", "medium", "others", "channel"), PAID)
def test_what_was_bought_decides_the_channel_of_an_ad(
    seen: dict[str, dict[str, Any]], request: pytest.FixtureRequest, source: str, medium: str, others: Any, channel: str
) -> None:
    row = seen[uid(request.node.callspec.id)]
    assert (row["channel"], row["is_paid"]) == (channel, True)


@pytest.mark.parametrize(("source", "medium", "others", "channel"), UNPAID)
def test_what_names_no_click_and_no_source_is_none(
    seen: dict[str, dict[str, Any]], request: pytest.FixtureRequest, source: str, medium: str, others: Any, channel: str
) -> None:
    row = seen[uid(request.node.callspec.id)]
    assert (row["channel"], row["is_paid"]) == (channel, False)
    assert [row[name] for name in others] == list(others.values()), "what was sent stays"


def test_openais_click_id_names_its_source(seen: dict[str, dict[str, Any]]) -> None:
    row = seen[uid("OpenAI's click id is an ad's")]
    assert (row["source"], row["medium"], row["oppref"]) == ("chatgpt", "cpc", "A")


@pytest.mark.parametrize(("address", "params"), ADDRESSES)
def test_an_address_is_read_as_the_script_reads_it(
    seen: dict[str, dict[str, Any]], address: str, params: dict[str, str]
) -> None:
    row = seen[uid(address)]
    assert {name: row[name] for name in (*UTM_FIELDS, *CLICK_ID_FIELDS) if row[name]} == params


@pytest.mark.parametrize(("agent", "expected"), AGENTS.items(), ids=[agent[-60:] for agent in AGENTS])
def test_a_user_agent_is_read_by_whole_words(
    seen: dict[str, dict[str, Any]], agent: str, expected: tuple[str, ...]
) -> None:
    row = seen[uid(agent)]
    assert (row["bot_reason"], row["device_type"], row["browser"], row["os"]) == expected


# What a list says of a host, and the channels that agree; others read as something else on purpose.
PUBLIC_LISTS = {
    "matomo_SearchEngines.yml": {"": {"Organic Search"}},
    "matomo_Socials.yml": {"": {"Organic Social"}},
    "matomo_AIAssistants.yml": {"": {"AI Assistants"}},
    "ga4_source_categories.csv": {
        "SOURCE_CATEGORY_SEARCH": {"Organic Search"},
        "SOURCE_CATEGORY_SOCIAL": {"Organic Social"},
        "SOURCE_CATEGORY_SHOPPING": {"Organic Shopping"},
        "SOURCE_CATEGORY_VIDEO": {"Organic Video"},
    },
}
DEVICES = "uap_core_regexes.yaml"
READ_OTHERWISE = {
    "chat.openai.com": "AI Assistants",
    "chatgpt.com": "AI Assistants",
    "perplexity.ai": "AI Assistants",
    "facebook.com": "Organic Social",
    "you.com": "Organic Search",
    "bilibili.com": "Organic Video",
    "vimeo.com": "Organic Video",
    "youtu.be": "Organic Video",
    "youtube.com": "Organic Video",
    "email.seznam.cz": "Email",
    "mail.rambler.ru": "Email",
    "mail.yandex.ru": "Email",
    "checkout.shopify.com": "Direct",
    "checkout.stripe.com": "Direct",
    "stripe.com": "Direct",
    "login.live.com": "Direct",
}


def hosts_of(name: str) -> dict[str, str]:
    """What a public list says of each host that is one: a `{}` in it stands for a country."""
    content = listed(name)
    if isinstance(content, list):
        said = {row["source"]: row["source_category"] for row in content}
    else:
        parts = [part for entry in content.values() for part in entry]
        said = {host: "" for part in parts for host in (part["urls"] if isinstance(part, dict) else [part])}
    return {host.replace("{}", "fr"): kind for host, kind in said.items() if "." in host and "/" not in host}


@pytest.mark.parametrize("name", PUBLIC_LISTS)
def test_a_host_of_a_public_list_is_what_the_list_says_or_an_ordinary_site(
    seen: dict[str, dict[str, Any]], name: str
) -> None:
    hosts = hosts_of(name)
    channels = {host: seen[uid(f"https://{host}/")]["channel"] for host in hosts}
    accepted = {host: {*PUBLIC_LISTS[name][kind], "Referral"} for host, kind in hosts.items()}
    other = {host.removeprefix("www."): channel for host, channel in channels.items() if channel not in accepted[host]}
    assert other.items() <= READ_OTHERWISE.items()
    assert sum(channel != "Referral" for channel in channels.values()) > len(channels) / 10


def names_of_spiders(expression: str) -> set[str]:
    """The plain names among the alternatives of a regular expression that say what they are."""
    names = {name.strip("^()") for name in expression.split("|")}
    return {name for name in names if re.fullmatch(r"[\w -]+", name) and re.search(r"(?i)(bot|spider|crawler)$", name)}


def agents_of_the_list() -> tuple[dict[str, str], set[str], set[str]]:
    """User agents of the names in a public list, by the name; which names are devices, and which spiders."""
    content = listed(DEVICES)
    is_spider = {rule["regex"]: rule.get("brand_replacement") == "Spider" for rule in content["device_parsers"]}
    expressions = [regex for regex, spider in is_spider.items() if not spider]
    devices = {word.strip() for regex in expressions for word in re.findall(r"[A-Za-z][A-Za-z0-9 _-]{2,}", regex)}
    spiders = set[str]().union(*(names_of_spiders(regex) for regex, spider in is_spider.items() if spider))
    agents = {name: ANDROID.format(name) for name in devices}
    agents |= {name: f"Mozilla/5.0 (compatible; {name}/1.0)" for name in spiders - devices}
    return agents, devices, spiders


def test_devices_of_a_public_list_are_persons_and_its_spiders_are_bots(seen: dict[str, dict[str, Any]]) -> None:
    agents, devices, spiders = agents_of_the_list()
    bots = {name for name, agent in agents.items() if seen[uid(agent)]["is_bot"]}
    assert len(devices) > 1000
    assert len(spiders) > 10
    assert bots == spiders
