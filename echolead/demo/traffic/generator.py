"""The traffic itself: visits begin, return, become leads and customers, and their requests come in."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from heapq import heappop, heappush
from itertools import count
from random import Random

from echolead.demo.traffic.campaigns import Campaign, campaigns_of, make_arrival
from echolead.demo.traffic.chance import around, one_of
from echolead.demo.traffic.chats import Chats
from echolead.demo.traffic.costs import AdClicks
from echolead.demo.traffic.devices import BOTS, make_address
from echolead.demo.traffic.people import Person, make_person
from echolead.demo.traffic.requests import EPOCH, Sender, requests_of, single_request
from echolead.demo.traffic.rhythm import DAY_MS, HOUR_MS, Rhythm, Tick
from echolead.demo.traffic.sites import ClientSite
from echolead.demo.traffic.visitors import DemoVisitor, make_visitor
from echolead.demo.traffic.visits import DemoVisit, pixel_view, reported_sale
from echolead.events import ReceivedRequest

LEADS = 0.021
"""Of the visitors of a campaign with the appeal 1."""
CHATS = 0.3
"""Of those who become leads, how many begin a chat; the others send a form."""
OTHER_DEVICES = 0.165
"""Of the leads, how many come back with another browser; a few do so after the end of the period."""
BOT_VISITS = 0.05
RETURNS, LEADS_RETURN = 0.22, 0.5
SALES = 0.2


@dataclass(slots=True)
class Ground:
    """A site by its number, with its campaigns and what is counted on it."""

    number: int
    site: ClientSite
    campaigns: Sequence[Campaign]
    direct: Campaign
    leads: int = 0
    conversations: int = 0


class Traffic:
    """What is under way: requests that have not come in yet, and visitors who will return.

    `made` counts the events that are received within the period.
    """

    def __init__(
        self, seed: int, sites: Sequence[ClientSite], days: int, until_ms: int, clicks: AdClicks, chats: Chats
    ) -> None:
        self._chance = Random(f"echolead traffic {seed}")  # noqa: S311  # it has to be predictable
        self._grounds = [
            Ground(number, site, campaigns_of(site), Campaign(1, site.landing_pages[:1]))
            for number, site in enumerate(sites)
        ]
        self.rhythm = Rhythm([(ground.site, ground.campaigns) for ground in self._grounds], days, until_ms)
        self._until_ms, self._clicks, self._chats = until_ms, clicks, chats
        self._day, self._mix = 0, self.rhythm.mix(0)
        self._order = count()
        self._requests: list[tuple[int, int, ReceivedRequest]] = []
        self._returns: list[tuple[int, int, Ground, DemoVisitor]] = []
        self.made = 0

    def fill(self, tick: Tick) -> None:
        """Begin the visits of a piece of the period: of those who return, then of as many others as it needs."""
        if tick.day != self._day:
            self._day, self._mix = tick.day, self.rhythm.mix(tick.day)
        while self._returns and self._returns[0][0] < tick.end:
            at_ms, _, ground, visitor = heappop(self._returns)
            self._return(ground, visitor, at_ms)
        chance = self._chance
        while self.made < tick.events:
            number = self._mix.sites.draw(chance)
            ground, campaign = self._grounds[number], self._mix.campaigns[number].draw(chance)
            at_ms = tick.begin + int(chance.random() * (tick.end - tick.begin))
            if chance.random() < BOT_VISITS:
                self._bot(ground, at_ms, campaign)
            else:
                self._come(ground, at_ms, campaign)

    def received(self, before_ms: int) -> Iterator[ReceivedRequest]:
        """The requests that come in before a time, in order."""
        while self._requests and self._requests[0][0] < before_ms:
            yield heappop(self._requests)[2]

    def _come(self, ground: Ground, at_ms: int, campaign: Campaign) -> None:
        """Somebody comes for the first time, and a few of them become leads."""
        chance = self._chance
        visitor = make_visitor(chance, at_ms, is_asked=ground.site.asks_consent)
        visit = self._visit(ground, visitor, campaign, at_ms)
        if chance.random() < LEADS * campaign.appeal:
            visit.look_around(3)
            self._become_lead(ground, visit)
        else:
            visit.look_around(0)
        self._end(ground, visit)

    def _return(self, ground: Ground, visitor: DemoVisitor, at_ms: int) -> None:
        """Somebody comes again: a visitor, a lead, or a lead with another browser, who says again who they are."""
        chance = self._chance
        is_direct = chance.random() < 0.55
        campaign = ground.direct if is_direct else self._mix.campaigns[ground.number].draw(chance)
        visit = self._visit(ground, visitor, campaign, at_ms)
        visit.look_around(1)
        person = visitor.person
        if person is None:
            if chance.random() < 1.5 * LEADS * campaign.appeal:
                self._become_lead(ground, visit)
        elif visitor.visits == 1:
            self._say_again(visit, person)
        elif chance.random() < 0.3:
            visit.sign_in(person)
            if chance.random() < 0.3:
                visit.buy(*ground.site.goods[0])
        self._end(ground, visit)

    def _visit(self, ground: Ground, visitor: DemoVisitor, campaign: Campaign, at_ms: int) -> DemoVisit:
        self._clicks.count(ground.site.tenant_id, campaign, at_ms)
        arrival = make_arrival(self._chance, campaign, at_ms, allows_marketing=visitor.choice.allows_marketing)
        return DemoVisit(self._chance, ground.site, visitor, arrival, at_ms)

    def _become_lead(self, ground: Ground, visit: DemoVisit) -> None:
        chance, visitor = self._chance, visit.visitor
        ground.leads += 1
        person = make_person(chance, ground.leads)
        gives_email, gives_phone = _what_is_given(chance)
        if chance.random() < CHATS and visitor.choice.allows_analytics:
            is_named = chance.random() < 0.7
            ground.conversations += 1
            said = person if is_named else None
            at_ms = visit.chat(ground.conversations, said, email=gives_email, phone=gives_phone)
            self._chats.begin(
                ground.site.tenant_id, ground.conversations, at_ms, said, email=gives_email, phone=gives_phone
            )
            if not is_named:
                return
        else:
            visit.send_form(person, email=gives_email, phone=gives_phone)
        visitor.person = person
        if chance.random() < OTHER_DEVICES:
            self._take_other_device(ground, visit)
        if chance.random() < SALES:
            self._sell(ground, visit, person)

    def _take_other_device(self, ground: Ground, visit: DemoVisit) -> None:
        """The same person comes with another browser within days; one in five with a third."""
        chance = self._chance
        for _ in range(2 if chance.random() < 0.2 else 1):
            at_ms = _some_days_later(chance, visit.at_ms, 1.5)
            other = make_visitor(chance, at_ms, is_asked=ground.site.asks_consent)
            other.person = visit.visitor.person
            self._come_back(ground, other, at_ms)

    def _say_again(self, visit: DemoVisit, person: Person) -> None:
        """A lead on another device: by the form or the page's own sign-in, by what joins the two."""
        if self._chance.random() < 0.35:
            visit.sign_in(person)
        else:
            visit.send_form(person)

    def _sell(self, ground: Ground, visit: DemoVisit, person: Person) -> None:
        chance, site = self._chance, ground.site
        at_ms = _some_days_later(chance, visit.at_ms, 4)
        step = reported_sale(chance, site, visit.visitor, person, at_ms)
        self._send(*single_request(chance, Sender(site.tenant_id, site.host, "server"), step))

    def _bot(self, ground: Ground, at_ms: int, campaign: Campaign) -> None:
        """Something reads a page or two: by the script, or by the pixel where it runs none or meets a banner."""
        chance, site = self._chance, ground.site
        bot = BOTS.draw(chance)
        if bot.runs_script and not site.asks_consent:
            visitor = make_visitor(chance, at_ms, is_asked=False)
            visitor.device = replace(visitor.device, user_agent=bot.user_agent, client_hints={})
            visit = self._visit(ground, visitor, campaign, at_ms)
            visit.land()
            self._leave(site, visit)
            return
        sender = Sender(site.tenant_id, site.host, "pixel", make_address(chance), bot.user_agent)
        for _ in range(1 + int(around(chance, 0.6))):
            page = one_of(chance, campaign.landing)
            self._send(*single_request(chance, sender, pixel_view(chance, site, page, at_ms)))
            at_ms += 700 + int(around(chance, 4_000))

    def _end(self, ground: Ground, visit: DemoVisit) -> None:
        """The visit is over, and the visitor may return within weeks."""
        chance, visitor = self._chance, visit.visitor
        self._leave(ground.site, visit)
        if visitor.visits < 8 and chance.random() < (LEADS_RETURN if visitor.person else RETURNS):
            self._come_back(ground, visitor, _some_days_later(chance, visit.at_ms, 7))

    def _leave(self, site: ClientSite, visit: DemoVisit) -> None:
        """The requests of a visit leave."""
        visitor, device = visit.visitor, visit.visitor.device
        sender = Sender(
            tenant_id=site.tenant_id,
            host=site.host,
            source="script",
            ip=visitor.address,
            user_agent=device.user_agent,
            client_hints=device.client_hints,
            skew_ms=visitor.skew_ms,
        )
        for received_at_ms, request in requests_of(self._chance, sender, visit.steps, visit.decided_at_ms):
            self._send(received_at_ms, request)

    def _come_back(self, ground: Ground, visitor: DemoVisitor, at_ms: int) -> None:
        if at_ms < self._until_ms:
            heappush(self._returns, (at_ms, next(self._order), ground, visitor))

    def _send(self, received_at_ms: int, request: ReceivedRequest) -> None:
        if received_at_ms < self._until_ms:
            self.made += len(request.events)
            heappush(self._requests, (received_at_ms, next(self._order), request))


def generate(
    seed: int,
    sites: Sequence[ClientSite],
    days: int,
    events: int,
    until: datetime,
    clicks: AdClicks | None = None,
    chats: Chats | None = None,
) -> Iterator[ReceivedRequest]:
    """The requests of `days` days up to `until` in order of receipt, with exactly so many events in all.

    `clicks` counts those on ads, which someone has to pay for; `chats` keeps the conversations that begin.

    Held are the requests of visits under way, what comes late, and visitors who will return: it goes with the traffic
    of a few weeks, not with the whole.
    """
    until_ms = (until - EPOCH) // timedelta(milliseconds=1)
    traffic = Traffic(
        seed,
        sites,
        days,
        until_ms,
        AdClicks() if clicks is None else clicks,
        Chats(seed) if chats is None else chats,
    )
    left = events
    for tick in traffic.rhythm.ticks(events):
        traffic.fill(tick)
        for request in traffic.received(tick.end):
            left -= len(request.events)
            if left < 0:
                del request.events[left:]
            if request.events:
                yield request
            if left <= 0:
                return


def _some_days_later(chance: Random, at_ms: int, mean_days: float) -> int:
    """A time at least an hour later, mostly at the time of day at which one had time before."""
    days = int(around(chance, mean_days) + 0.5)
    if days == 0:
        return at_ms + HOUR_MS + int(chance.random() * 4 * HOUR_MS)
    return at_ms + days * DAY_MS + int((chance.random() - 0.5) * 6 * HOUR_MS)


def _what_is_given(chance: Random) -> tuple[bool, bool]:
    """Whether somebody gives an e-mail address, a phone number, or both."""
    draw = chance.random()
    return draw < 0.86, draw > 0.16
