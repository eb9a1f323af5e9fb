"""What a visitor does on one visit: pages, attention, clicks, forms and chats, as events of the contract in JSON.

The JSON is written by hand: of an event only a few values are its own, and encoding each whole takes twice the time.
"""

from random import Random

from echolead.demo.traffic.campaigns import Arrival
from echolead.demo.traffic.chance import around, one_of, uuid_v7
from echolead.demo.traffic.people import NOBODY, Person, StatedDetails
from echolead.demo.traffic.sites import ClientSite, LandingPage
from echolead.demo.traffic.visitors import DemoVisitor, consent_json, rfc3339
from echolead.events import NormalizedUser

PING_MS = 15_000
MAX_PINGS = 12
BOUNCES = 0.4
COUNTS = ("1", "2-5", "6-15", "16+")
SENT_WITHOUT_CONSENT = frozenset({"consent", "form_submit", "identify"})
"""As in the script: what the visitor asked for, and their decision."""


Step = tuple[int, bytes, NormalizedUser | None]
"""One event: when it happened (ms, the true time), its JSON, and what the collector reads out of its user."""


class DemoVisit:
    """One visit as it goes on: `at_ms` is its present, `steps` are its events so far.

    What happens until `decided_at_ms` is held back until then, as the visitor has not answered the banner.
    """

    __slots__ = (
        "_id_end", "_landing_url", "_page", "_random", "_same", "_session_id", "_url", "arrival", "at_ms",
        "decided_at_ms", "site", "steps", "visitor",
    )  # fmt: skip

    def __init__(self, chance: Random, site: ClientSite, visitor: DemoVisitor, arrival: Arrival, at_ms: int) -> None:
        self._random = chance
        self.site, self.visitor, self.arrival, self.at_ms = site, visitor, arrival, at_ms
        self.steps: list[Step] = []
        self.decided_at_ms = at_ms
        self._session_id = uuid_v7(chance, at_ms + visitor.skew_ms)
        self._id_end = uuid_v7(chance, 0)[14:-3]
        self._url = self._landing_url = self._address(arrival.page.path, arrival.query)
        # What all events of a visit have in common, made once.
        self._same = f',"touch":{self._arrive()},"context":{visitor.device.context},'.encode()
        self._page = b""
        visitor.visits += 1

    def _address(self, path: str, query: str) -> str:
        return f"{self.site.origin}{path}?{query}" if query else f"{self.site.origin}{path}"

    def _arrive(self) -> str:
        """The arrivals as JSON, this one remembered as the script does."""
        visitor, arrival = self.visitor, self.arrival
        last = (
            f'{{"at":"{rfc3339(self.at_ms + visitor.skew_ms)}","landing_url":"{self._landing_url}",'
            f'"referrer":"{arrival.referrer}","params":{arrival.params},"cookies":{arrival.cookies}}}'
        )
        visitor.first = visitor.first or last
        if arrival.query or arrival.referrer:
            visitor.last_non_direct = last
        non_direct = f',"last_non_direct":{visitor.last_non_direct}' if visitor.last_non_direct else ""
        return f'{{"last":{last},"first":{visitor.first}{non_direct}}}'

    def happens(self, name: str, properties: bytes = b"{}", said: StatedDetails | None = None) -> None:
        """An event now, unless the visitor forbids it."""
        visitor = self.visitor
        if not visitor.choice.allows_analytics and name not in SENT_WITHOUT_CONSENT:
            return
        now = self.at_ms + visitor.skew_ms
        time = f"{now:012x}"
        # Ids of version 7 with a counter: the random part of a visit is drawn once.
        event_id = f"{time[:8]}-{time[8:]}-{self._id_end}{len(self.steps):03x}"
        head = (
            f'{{"event_id":"{event_id}","name":"{name}","tracking_id":"{visitor.tracking_id}",'
            f'"session_id":"{self._session_id}","occurred_at":"{rfc3339(now)}","page":'
        )
        user = b"" if said is None else b'"user":%b,' % said.json
        tail = b'"properties":%b%b}' % (properties, visitor.consent)
        json = b"".join((head.encode(), self._page, self._same, user, tail))
        self.steps.append((self.at_ms, json, None if said is None else said.user))

    def land(self) -> None:
        """The first page, and the banner where the site has one and the visitor has not answered it."""
        visitor = self.visitor
        self._show(self.arrival.page.title, self.arrival.referrer, self.arrival.query)
        if not visitor.choice.purposes or visitor.consent:
            self.happens("page_view")
            return
        self.decided_at_ms = self.at_ms + 1_500 + int(self._random.random() * 10_000)
        visitor.consent = consent_json(visitor.choice, rfc3339(self.decided_at_ms + visitor.skew_ms))
        self.happens("page_view")
        self.at_ms = self.decided_at_ms
        self.happens("consent")

    def go_to(self, page: LandingPage) -> None:
        """Another page of the site, a moment later."""
        self.at_ms += 300 + int(self._random.random() * 900)
        before, self._url = self._url, self._address(page.path, "")
        self._show(page.title, before, "")
        self.happens("page_view")

    def _show(self, title: str, referrer: str, query: str) -> None:
        self._page = f'{{"url":"{self._url}","title":"{title}","referrer":"{referrer}","query":"{query}"}}'.encode()

    def stay(self, mean_ms: float) -> None:
        """Time on the page, of which every quarter of a minute of attention is an event."""
        seconds = around(self._random, mean_ms)
        for ping in range(1, min(int(seconds / PING_MS), MAX_PINGS) + 1):
            self.at_ms += PING_MS + int(self._random.random() * 4_000)
            self.happens("page_ping", b'{"engaged_seconds":%d}' % (15 * ping))
        self.at_ms += 900 + int(seconds % PING_MS)

    def look_around(self, interest: float) -> None:
        """The first page and some more: the more interest (from 0 on), the more of them."""
        chance = self._random
        self.land()
        if chance.random() < BOUNCES / (1 + interest):
            self.at_ms += 900 + int(chance.random() * 6_000)
            return
        self.stay(45_000 + 8_000 * interest)
        while chance.random() < 0.42 + 0.12 * interest and len(self.steps) < 40:
            self.go_to(one_of(chance, self.site.inner_pages))
            self.stay(36_000)
        self._hesitate()

    def _hesitate(self) -> None:
        """What many begin and do not finish: a click on WhatsApp, a form, a chat without a word."""
        draw = self._random.random()
        if draw < 0.05:
            self.happens("click", self._whatsapp())
        elif draw < 0.12:
            self.happens("form_start", f"{{{self._form()}}}".encode())
        elif draw < 0.16:
            self.happens("chat_open")
        self.at_ms += 2_000

    def _whatsapp(self) -> bytes:
        """Properties of a click on WhatsApp, with the code by which the message is known again."""
        code = self._session_id[-8:]
        url = f"https://wa.me/5511900000000?text=Vim%20pelo%20site%20[%23{code}]"
        return f'{{"kind":"whatsapp","url":"{url}","whatsapp_code":"{code}"}}'.encode()

    def _form(self) -> str:
        return f'"form_id":"{self.site.offer}"'

    def send_form(self, person: Person, *, email: bool = True, phone: bool = True) -> None:
        """The site's form, with what it asks, and the page that says thank you."""
        chance = self._random
        self.happens("form_start", f"{{{self._form()}}}".encode())
        self.at_ms += 12_000 + int(around(chance, 25_000))
        fields = f'{{"empresa":"{person.company}","profissionais":"{one_of(chance, COUNTS)}"}}'
        said = person.says(chance, email=email, phone=phone)
        self.happens("form_submit", f'{{{self._form()},"fields":{fields}}}'.encode(), said)
        self.go_to(self.site.thank_you)
        self.stay(9_000)

    def chat(self, conversation: int, person: Person | None, *, email: bool, phone: bool) -> int:
        """A chat and when (ms) it begins; whoever gives neither an address nor a number stays without a name."""
        self.happens("chat_open")
        self.at_ms += 6_000 + int(around(self._random, 20_000))
        said = person.says(self._random, email=email, phone=phone) if person else NOBODY
        began_at_ms = self.at_ms
        self.happens("chat_start", b'{"conversation_id":"%d"}' % conversation, said)
        self.stay(45_000)
        return began_at_ms

    def sign_in(self, person: Person) -> None:
        """The tenant's own page knows who it is, and tells the script."""
        self.happens("identify", said=person.known_to_a_server())
        self.at_ms += 1_200

    def buy(self, name: str, price: float) -> None:
        """A purchase on the page, its amount as a shop in Brazil writes it."""
        amount = f"R$ {price:,.2f}".translate(BRAZILIAN)
        self.happens("conversion", f'{{"name":"{name}","value":"{amount}","currency":"BRL"}}'.encode())
        self.at_ms += 1_500


BRAZILIAN = str.maketrans(",.", ".,")


def reported_sale(chance: Random, site: ClientSite, visitor: DemoVisitor, person: Person, at_ms: int) -> Step:
    """A sale as the tenant's own server reports it, with the visitor's id that the form handed on."""
    name, price = one_of(chance, site.goods)
    said = person.known_to_a_server()
    json = (
        f'{{"event_id":"{uuid_v7(chance, at_ms)}","name":"conversion","tracking_id":"{visitor.tracking_id}",'
        f'"session_id":"{uuid_v7(chance, at_ms)}","occurred_at":"{rfc3339(at_ms)}","page":{{"url":"{site.origin}/"}},'
        f'"user":{said.json.decode()},"properties":{{"name":"{name}","value":{price},"currency":"BRL",'
        f'"company":"{person.company}"}}}}'
    )
    return at_ms, json.encode(), said.user


def pixel_view(chance: Random, site: ClientSite, page: LandingPage, at_ms: int) -> Step:
    """A page as something without scripts loads it: each time a visitor of its own."""
    json = (
        f'{{"event_id":"{uuid_v7(chance, at_ms)}","name":"page_view","tracking_id":"{uuid_v7(chance, at_ms)}",'
        f'"session_id":"{uuid_v7(chance, at_ms)}","occurred_at":"{rfc3339(at_ms)}",'
        f'"page":{{"url":"{site.origin}{page.path}"}}}}'
    )
    return at_ms, json.encode(), None
