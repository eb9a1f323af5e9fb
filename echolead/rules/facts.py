"""The facts that conditions can name: the one catalogue, for rules, docs and the warehouse's models."""

import re
from dataclasses import dataclass
from typing import Literal
from urllib.parse import unquote

from echolead.events import EVENT_NAME_PATTERN
from echolead.rules.folding import folded

FactType = Literal["text", "number", "time", "list", "events"]

OPERATORS: dict[FactType, tuple[str, ...]] = {
    "text": (
        "eq", "ne", "in", "contains", "starts_with", "regex", "gt", "gte", "lt", "lte", "between", "is_set",
    ),
    "number": ("eq", "ne", "in", "gt", "gte", "lt", "lte", "between", "is_set"),
    "time": ("within_days", "is_set"),
    "list": ("eq", "ne", "in", "contains", "is_set"),
    "events": ("count", "within_days", "is_set"),
}  # fmt: skip
"""What can be asked of a fact of each type. Texts are compared folded, lists by their elements."""


@dataclass(frozen=True)
class Fact:
    """One fact of a lead: its name, its type, and what it says. `values` are all that there are, empty: any."""

    name: str
    type: FactType
    description: str
    values: tuple[str, ...] = ()


@dataclass(frozen=True)
class FactFamily:
    """Facts whose names end with something of the tenant's own: `field.<name of the field>`."""

    prefix: str
    type: FactType
    ending: str
    pattern: str
    description: str


STATUSES = ("open", "pending", "snoozed", "resolved")
"""Of a conversation, in Chatwoot's words."""


def _of_touch(which: str, words: str) -> list[Fact]:
    said = (
        ("channel", "channel"),
        ("source", "source"),
        ("medium", "medium"),
        ("campaign", "campaign"),
        ("landing_page", "landing page, without query string"),
    )
    return [Fact(f"{which}.{name}", "text", f"{words}: {what}") for name, what in said]


_OF_CONVERSATIONS = (
    Fact("conversation.status", "text", "Status of the conversation in which something was said last", STATUSES),
    Fact("conversation.inbox", "text", "Its inbox, by name"),
    Fact("conversation.inbox_kind", "text", "Channel of that inbox in Chatwoot's words, as in Whatsapp or WebWidget"),
    Fact("conversation.team", "text", "Its team, by name"),
    Fact("conversation.agent", "text", "The agent it is assigned to, by name"),
    Fact("conversation.priority", "text", "Its priority", ("urgent", "high", "medium", "low")),
    Fact("conversation.label", "list", "Its labels"),
    Fact("conversation.count", "number", "Conversations of the lead"),
    Fact("conversation.messages", "number", "Messages that the customer wrote in all of them"),
    Fact("conversation.first_response_minutes", "number", "Minutes of business hours until the first human answer"),
    Fact("conversation.waiting_minutes", "number", "Minutes of business hours that the customer waits for an answer"),
    Fact("conversation.opened_at", "time", "When it was opened"),
    Fact("conversation.last_message_at", "time", "When something was said last"),
    Fact("conversation.waiting_since", "time", "The customer's first message that is not answered"),
)
_OF_DEALS = (
    Fact("deal.status", "text", "won when a deal is won, else open when one is open", ("won", "open", "lost")),
    Fact("deal.stage", "text", "What its stage counts as", ("new", "working", "qualified", "won", "lost", "unmapped")),
    Fact("deal.stage_name", "text", "What the CRM calls the stage"),
    Fact("deal.pipeline", "text", "What the CRM calls its pipeline"),
    Fact("deal.lost_reason", "text", "Why it was lost"),
    Fact("deal.value", "number", "Its value in the tenant's currency"),
    Fact("deal.won_value", "number", "Value of all won deals of the lead, in the tenant's currency"),
    Fact("deal.count", "number", "Deals of the lead"),
    Fact("deal.created_at", "time", "When it was made"),
    Fact("deal.closed_at", "time", "When it was won or lost"),
)

SCORE = "lead.score"
"""The sum of all points. Rules with points cannot ask for it."""

FACTS: dict[str, Fact] = {
    fact.name: fact
    for fact in (
        Fact("lead.email", "text", "E-mail address"),
        Fact("lead.email_domain", "text", "What follows the @ of the e-mail address"),
        Fact("lead.phone", "text", "Phone number in E.164, as in +5511987654321"),
        Fact("lead.phone_country", "text", "BR for a phone number with +55, otherwise missing"),
        Fact("lead.phone_area", "text", "Area code (DDD) of a Brazilian phone number"),
        Fact("lead.company", "text", "Company"),
        Fact("lead.external_id", "text", "The tenant's own id of the person"),
        Fact("lead.country", "text", "Country by the time zone of the latest browser, ISO 3166"),
        Fact(
            "lead.region",
            "text",
            "Last value of the field state, uf, estado or region; otherwise the state of the area code, as in SP",
        ),
        Fact("lead.city", "text", "Last value of the field city or cidade"),
        Fact("lead.channel", "text", "Channel of the touch that the lead is credited to"),
        Fact("lead.source", "text", "Source of that touch"),
        Fact("lead.medium", "text", "Medium of that touch"),
        Fact("lead.campaign", "text", "Campaign of that touch"),
        Fact("lead.term", "text", "utm_term of the first touch"),
        Fact("lead.content", "text", "utm_content of the first touch"),
        Fact("lead.landing_page", "text", "Landing page of the first touch, without query string"),
        Fact("lead.referrer", "text", "Referrer of the first touch"),
        Fact("lead.sessions", "number", "Sessions of all its visitors"),
        Fact("lead.form_submits", "number", "Forms sent with an e-mail, phone or external id"),
        Fact("lead.chats", "number", "Chats begun"),
        Fact("lead.created_at", "time", "When it was first identified"),
        Fact("lead.last_event_at", "time", "Its latest event"),
        Fact("lead.marketing_consent", "text", "Consent to marketing", ("granted", "denied")),
        Fact("lead.device", "text", "Kind of device of the latest event, as in desktop or mobile"),
        Fact("lead.robot", "text", "yes when an event looks like a robot's, otherwise missing", ("yes",)),
        Fact(SCORE, "number", "Sum of all points; only in rules that give none"),
        *_of_touch("first_touch", "First touch"),
        *_of_touch("last_touch", "Latest touch"),
        Fact("clock.business_hours", "text", "Whether the tenant is open now", ("open", "closed")),
        *_OF_CONVERSATIONS,
        *_OF_DEALS,
    )
}

FAMILIES = (
    FactFamily(
        "field.", "text", "name", r"[^\x00-\x1f\x7f]{1,100}", "Last value of this property in forms and server events"
    ),
    FactFamily("event.", "events", "event name", EVENT_NAME_PATTERN, "Events of this name"),
    FactFamily("page.", "events", "path", r"/[^\x00-\x1f\x7f?#]{0,199}", "Views of the page with this path"),
    FactFamily("goal.", "events", "name", r"[^\x00-\x1f\x7f]{1,100}", "Conversions of this name"),
)


class UnknownFact(Exception):
    """There is no such fact. The message says which there are."""


def find_fact(name: str) -> Fact:
    """The fact of this name, in the form in which the warehouse has it. Raises `UnknownFact`.

    What is the tenant's own in a name is folded. A page is named without escapes and without a slash at its end.
    """
    if name in FACTS:
        return FACTS[name]
    for family in FAMILIES:
        if name.startswith(family.prefix):
            return _of_family(family, name.removeprefix(family.prefix))
    beginning = name.partition(".")[0] + "."
    near = [each for each in FACTS if each.startswith(beginning)] or sorted({*FACTS})
    ours = [f"{family.prefix}<{family.ending}>" for family in FAMILIES]
    raise UnknownFact(f"{name[:80]!r} is no fact: there are {', '.join(near)}; and {', '.join(ours)}.")


def _of_family(family: FactFamily, ending: str) -> Fact:
    is_page = family.prefix == "page."
    own = folded(unquote(ending) if is_page else ending)
    if is_page:
        own = own.rstrip("/") or "/"
    if not re.fullmatch(family.pattern.strip("^$"), own):
        raise UnknownFact(f"{family.prefix}{ending[:80]} names no {family.ending}: {_HOW[family.prefix]}.")
    return Fact(f"{family.prefix}{own}", family.type, family.description)


_HOW = {
    "field.": "write the property's name, up to 100 characters",
    "event.": "write an event's name, as in event.form_submit",
    "page.": "write the path of a page, as in page./precos",
    "goal.": "write a conversion's name, up to 100 characters",
}
