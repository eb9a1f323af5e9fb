"""Where visitors come from: a site's campaigns over their seasons, and what an arrival from each of them looks like."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from math import pi, sin, sqrt
from random import Random
from typing import NamedTuple
from zlib import crc32

from echolead.demo.traffic.chance import Weighted, one_of, token
from echolead.demo.traffic.sites import ClientSite, LandingPage

Params = tuple[tuple[str, str], ...]
MakeIds = Callable[[Random], Params]
"""Click ids of one arrival."""

ALWAYS = (0.0, 1.0)


@dataclass(frozen=True, slots=True)
class Campaign:
    """One way visitors come: `params` and `click_ids` are in the address, one of `referrers` ('' for none) is sent.

    `appeal` multiplies the share that becomes leads. `weight` is its share of the visits in the middle of its `season`,
    the begin and end of which are fractions of the period.
    """

    weight: float
    landing: Sequence[LandingPage]
    params: Params = ()
    click_ids: MakeIds | None = None
    referrers: Weighted[str] = field(default_factory=lambda: Weighted([(1, "")]))
    season: tuple[float, float] = ALWAYS
    appeal: float = 1.0

    def weight_at(self, fraction: float) -> float:
        """Its weight at this fraction of the period: none out of season, and a rise and a fall within."""
        if self.season == ALWAYS:
            return self.weight
        begin, end = self.season
        if not begin <= fraction < end:
            return 0.0
        return self.weight * sqrt(sin(pi * (fraction - begin) / (end - begin)))


def ad_campaign_id(name: str) -> str:
    """The id that ad platforms give the campaign of this name."""
    return str(22_000_000_000 + crc32(name.encode()) % 1_000_000_000)


def google_ids(name: str) -> MakeIds:
    """Of a campaign in Google Ads: an iPhone that asks not to be followed has `gbraid` and no `gclid`."""
    of_campaign = (("gad_source", "1"), ("gad_campaignid", ad_campaign_id(name)))

    def ids(chance: Random) -> Params:
        if chance.random() < 0.12:
            return (*of_campaign, ("gbraid", f"0AAAAA{token(chance, 22)}"))
        return (*of_campaign, ("gclid", f"Cj0KCQjw{token(chance, 43)}_wcB"))

    return ids


def meta_ids(chance: Random) -> Params:
    """Of Meta, which adds it to every link out of its apps."""
    return (("fbclid", f"IwAR{token(chance, 57)}"),)


def tiktok_ids(chance: Random) -> Params:
    """Of TikTok Ads."""
    return (("ttclid", f"E.C.P.{token(chance, 60)}"),)


def newsletter_ids(chance: Random) -> Params:
    """Of the product that sends the newsletter."""
    return (("mc_cid", f"{chance.getrandbits(40):010x}"),)


def _only(referrer: str) -> Weighted[str]:
    return Weighted([(1, referrer)])


FROM_META = Weighted([(45, "https://l.facebook.com/"), (40, "https://l.instagram.com/"), (15, "")])
FROM_INSTAGRAM = Weighted([(80, "https://l.instagram.com/"), (20, "")])
FROM_TIKTOK = Weighted([(60, "https://www.tiktok.com/"), (40, "")])
FROM_GOOGLE = _only("https://www.google.com/")


def _utm(source: str, medium: str, campaign: str, **more: str) -> Params:
    said = {"utm_source": source, "utm_medium": medium, "utm_campaign": campaign}
    return (*said.items(), *((f"utm_{name}", value) for name, value in more.items()))


def campaigns_of(site: ClientSite) -> list[Campaign]:
    """All campaigns of a site, more than twenty with a name, and the ways without one."""
    return [*_google(site), *_meta(site), *_tiktok(site), *_newsletter(site), *_without_campaign(site)]


def _google(site: ClientSite) -> Iterator[Campaign]:
    home, offer, word, promotion = site.landing_pages
    words = [word.replace("-", "+") for word in site.words]

    def search(weight: float, name: str, page: LandingPage, term: str, **more: float | tuple[float, float]) -> Campaign:
        params = _utm("google", "cpc", name, term=term)
        return Campaign(weight, [page], params, google_ids(name), FROM_GOOGLE, **more)  # type: ignore[arg-type]

    yield search(9, "busca-marca", home, site.name.lower().replace(" ", "+").replace("ê", "e"), appeal=2.4)
    yield search(11, "busca-generica", offer, words[0], appeal=1.3)
    yield search(6, "busca-dor", word, words[1], appeal=1.1)
    yield search(5, "busca-lancamento", promotion, words[-1], season=(0.05, 0.35), appeal=1.2)
    yield search(8, "busca-semana-do-cliente", promotion, words[0], season=(0.6, 0.78), appeal=1.5)
    everywhere, again = "pmax-vendas", "remarketing-display"
    yield Campaign(7, [offer, home], _utm("google", "cpc", everywhere), google_ids(everywhere), FROM_GOOGLE)
    yield Campaign(6, [promotion], _utm("google", "display", again), google_ids(again), appeal=0.5)


def _meta(site: ClientSite) -> Iterator[Campaign]:
    home, offer, word, promotion = site.landing_pages

    def ad(weight: float, name: str, page: LandingPage, **more: float | tuple[float, float]) -> Campaign:
        params = _utm("facebook", "paid-social", name, content="video-15s")
        return Campaign(weight, [page], params, meta_ids, FROM_META, **more)  # type: ignore[arg-type]

    yield ad(12, "prospeccao-interesses", offer, appeal=0.9)
    yield ad(9, "prospeccao-semelhantes", offer)
    yield ad(6, "remarketing-visitantes", promotion, appeal=1.7)
    yield ad(9, "lancamento-turma", word, season=(0.12, 0.4), appeal=1.2)
    yield ad(10, "black-november", promotion, season=(0.7, 0.97), appeal=1.6)
    stories = _utm("instagram", "paid-social", "stories-depoimentos", content="stories")
    yield Campaign(7, [offer, home], stories, meta_ids, FROM_INSTAGRAM, appeal=0.8)


def _tiktok(site: ClientSite) -> Iterator[Campaign]:
    _, offer, word, promotion = site.landing_pages
    for weight, name, page, season in (
        (6.0, "videos-curtos", word, ALWAYS),
        (6.0, "criadores", offer, (0.3, 0.62)),
        (5.0, "desafio", promotion, (0.78, 0.95)),
    ):
        params = _utm("tiktok", "paid-social", name, content="criativo-3")
        yield Campaign(weight, [page], params, tiktok_ids, FROM_TIKTOK, season, appeal=0.6)


def _newsletter(site: ClientSite) -> Iterator[Campaign]:
    """Eight issues, each read within a few days."""
    for issue in range(1, 9):
        begin = issue * 0.115 - 0.08
        params = _utm("newsletter", "email", f"edicao-{issue:02d}")
        pages = [site.articles[issue % len(site.articles)], site.landing_pages[1]]
        yield Campaign(9, pages, params, newsletter_ids, season=(begin, begin + 0.04), appeal=1.8)


def _without_campaign(site: ClientSite) -> Iterator[Campaign]:
    home = site.landing_pages[0]
    yield Campaign(20, [*site.articles, home, home], referrers=FROM_GOOGLE)
    yield Campaign(3, site.articles, referrers=_only("https://www.bing.com/"))
    yield Campaign(17, [home, home, *site.inner_pages[:1]], appeal=1.2)
    yield Campaign(6, [home, *site.articles], referrers=FROM_INSTAGRAM, appeal=0.8)
    yield Campaign(2, site.articles, referrers=_only("https://www.youtube.com/"), appeal=0.7)
    yield Campaign(2, [home], referrers=_only("https://www.linkedin.com/"))
    yield Campaign(4, [home, *site.articles], referrers=Weighted([
        (5, "https://guia-da-cidade.example/indicados"), (3, "https://blog-parceiro.example/lista"),
    ]), appeal=1.4)  # fmt: skip
    yield Campaign(
        2, site.articles, (("utm_source", "chatgpt.com"),), referrers=_only("https://chatgpt.com/"), appeal=1.5
    )


class Arrival(NamedTuple):
    """How one visitor came: the page with its raw query, the referrer, and params and cookies as JSON."""

    page: LandingPage
    query: str
    referrer: str
    params: str
    cookies: str


def make_arrival(chance: Random, campaign: Campaign, at_ms: int, *, allows_marketing: bool) -> Arrival:
    """An arrival by a campaign. Click ids and ad cookies are left out where the visitor does not allow them."""
    page, referrer = one_of(chance, campaign.landing), campaign.referrers.draw(chance)
    if campaign.click_ids is None or not allows_marketing:
        query, params = _of_campaign(campaign.params)
        return Arrival(page, query, referrer, f"{{{params}}}", "{}")
    ids = campaign.click_ids(chance)
    query, params = _of_campaign(campaign.params)
    query += "".join([f"&{name}={value}" for name, value in ids])
    params += "".join([f',"{name}":"{value}"' for name, value in ids])
    cookies = f'{{"_fbc":"fb.1.{at_ms}.{ids[0][1]}"}}' if ids[0][0] == "fbclid" else "{}"
    return Arrival(page, query, referrer, f"{{{params}}}", cookies)


@cache
def _of_campaign(params: Params) -> tuple[str, str]:
    """Parameters as a query and as the inside of a JSON object; `+` in an address is a space."""
    query = "&".join([f"{name}={value}" for name, value in params])
    return query, ",".join([f'"{name}":"{value.replace("+", " ")}"' for name, value in params])
