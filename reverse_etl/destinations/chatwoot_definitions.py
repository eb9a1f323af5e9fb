"""What a Chatwoot account has defined for contacts and conversations, and what leads need there: attributes and labels.

Defining takes an administrator's token. With an agent's, contacts and conversations get their attributes all the same,
and Chatwoot shows them once they are defined.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from reverse_etl.calls import Calls
from reverse_etl.destination import Finding
from reverse_etl.errors import Misconfigured, Rejected

CONVERSATION_ATTRIBUTE, CONTACT_ATTRIBUTE = 0, 1  # attribute_model
TEXT, LINK = 0, 4  # attribute_display_type
DISPLAY_TYPES = {TEXT: "text", LINK: "link"}
LINK_KEY = "echolead_url"
# Defined before the first delivery, so that agents see them in the contact's panel in words; others as they appear.
TITLES = {
    "channel": "Canal",
    "source": "Origem",
    "medium": "Mídia",
    "campaign": "Campanha",
    "term": "Termo",
    "content": "Conteúdo",
    "gclid": "Google click id",
    "fbclid": "Meta click id",
    "first_source": "Primeira origem",
    "first_medium": "Primeira mídia",
    "first_campaign": "Primeira campanha",
    "first_landing_page": "Primeira página",
    "first_seen_at": "Primeira visita",
    "sessions_count": "Visitas",
    "marketing_consent": "Consentimento de marketing",
    LINK_KEY: "Lead no EchoLead",
}
# Of what rules say, defined when a lead first has it.
TITLES_OF_RULES = {
    "score": "Pontuação",
    "score_reasons": "Motivos da pontuação",
    "segments": "Segmentos",
    "stage": "Etapa",
    "priority": "Prioridade",
    "team": "Equipe",
    "owner": "Responsável",
    "cover": "Atendimento por",
}
CONVERSATION_TITLES = {
    "channel": "Canal",
    "source": "Origem",
    "medium": "Mídia",
    "campaign": "Campanha",
    "term": "Termo",
    "content": "Conteúdo",
    "landing_page": "Página de entrada",
    "gclid": "Google click id",
    "fbclid": "Meta click id",
    LINK_KEY: "Lead no EchoLead",
}
NEEDED = {CONTACT_ATTRIBUTE: TITLES, CONVERSATION_ATTRIBUTE: CONVERSATION_TITLES}
SUBJECTS = {CONTACT_ATTRIBUTE: "attribute", CONVERSATION_ATTRIBUTE: "conversation attribute"}
# Needed whatever the rules: the labels of channels, sources and campaigns come with the leads.
LABELS = ("sem-consentimento-marketing",)
NEEDS_ADMINISTRATOR = "defining it takes an administrator's token"


class DefinedInAccount:
    """The attributes and labels of one account, as far as they are known."""

    def __init__(self) -> None:
        self._attributes: dict[int, dict[str, str]] = {model: {} for model in NEEDED}
        self._labels: set[str] = set()
        self._may_define = True
        self.needed_labels = LABELS

    async def read(self, calls: Calls) -> None:
        """Ask the account. Raises `DeliveryFailed`."""
        labels = await calls.ask("list labels", "GET", "labels")
        self._labels = {str(label["title"]) for label in labels["payload"]}
        for model in NEEDED:
            params = {"attribute_model": str(model)}
            known = await calls.ask("list attributes", "GET", "custom_attribute_definitions", params=params)
            self._attributes[model] = {str(e["attribute_key"]): str(e["attribute_display_type"]) for e in known}

    async def define(
        self,
        calls: Calls,
        attributes: Iterable[str],
        labels: Iterable[str],
        *,
        conversation_attributes: Iterable[str] = (),
    ) -> None:
        """Define what the account does not have yet, as far as the token may; `attributes` are those of contacts.

        A refusal is no failure: it is defined meanwhile, or a key that Chatwoot keeps for itself, and the record takes
        the value either way. Raises `DeliveryFailed`.
        """
        for model, keys in ((CONTACT_ATTRIBUTE, attributes), (CONVERSATION_ATTRIBUTE, conversation_attributes)):
            for key in keys:
                if self._may_define and key not in self._attributes[model]:
                    await self._define_attribute(calls, model, key)
                    self._attributes[model][key] = ""
        for title in labels:
            if self._may_define and title not in self._labels:
                await self._define_label(calls, title)
                self._labels.add(title)

    def findings(self) -> list[Finding]:
        """How each attribute and label that leads need stands; call `read` before."""
        attributes = [
            _attribute_finding(f"{SUBJECTS[model]} {key}", key, self._attributes[model].get(key))
            for model, titles in NEEDED.items()
            for key in titles
        ]
        labels = [
            Finding(f"label {title}", "ok" if title in self._labels else "missing", _missing(title in self._labels))
            for title in self.needed_labels
        ]
        return attributes + labels

    async def make(self, calls: Calls) -> list[Finding]:
        """Define what `findings` calls missing; each as `made`, or as `wrong` with why not. Raises `DeliveryFailed`."""
        made = []
        for model, titles in NEEDED.items():
            for key in titles:
                if key not in self._attributes[model]:
                    refusal = await self._define_attribute(calls, model, key)
                    made.append(_made(f"{SUBJECTS[model]} {key}", refusal))
        for title in self.needed_labels:
            if title not in self._labels:
                made.append(_made(f"label {title}", await self._define_label(calls, title)))
        return made

    async def _define_attribute(self, calls: Calls, model: int, key: str) -> str:
        titles = {**TITLES_OF_RULES, **NEEDED[model]}
        definition = {
            "attribute_display_name": titles.get(key) or key.replace("_", " ").capitalize(),
            "attribute_display_type": _display_type(key),
            "attribute_description": "EchoLead",
            "attribute_key": key,
            "attribute_model": model,
        }
        return await self._define_one(calls, "define attribute", "custom_attribute_definitions", definition)

    async def _define_label(self, calls: Calls, title: str) -> str:
        return await self._define_one(calls, "define label", "labels", {"title": title, "show_on_sidebar": True})

    async def _define_one(self, calls: Calls, operation: str, path: str, body: Mapping[str, Any]) -> str:
        """Why it could not be defined; '' when it is. After a token without the right nothing more is asked for."""
        if not self._may_define:
            return NEEDS_ADMINISTRATOR
        try:
            await calls.ask(operation, "POST", path, body=body)
        except Misconfigured:  # an agent's token: reading works, defining does not
            self._may_define = False
            calls.connection.breaker.succeeded()
            return NEEDS_ADMINISTRATOR
        except Rejected as refused:
            return str(refused)
        return ""


def inbox_finding(inbox_id: int, inboxes: Iterable[Mapping[str, Any]]) -> Finding:
    """Whether the configured inbox is one that the token sees. `inboxes`: the account's, as Chatwoot lists them."""
    found = {inbox["id"]: inbox for inbox in inboxes}
    if inbox_id in found:
        return Finding(f"inbox {inbox_id}", "ok", str(found[inbox_id].get("name") or ""))
    there = ", ".join(f"{key} {inbox.get('name')}" for key, inbox in found.items()) or "none"
    return Finding(f"inbox {inbox_id}", "wrong", f"the token sees no such inbox; there are: {there}")


def _display_type(key: str) -> int:
    return LINK if key == LINK_KEY else TEXT


def _attribute_finding(subject: str, key: str, display_type: str | None) -> Finding:
    if display_type is None:
        return Finding(subject, "missing", _missing(False))
    ours = DISPLAY_TYPES[_display_type(key)]
    if display_type not in (ours, ""):
        return Finding(subject, "note", f"it is {display_type} there, and its values are {ours}")
    return Finding(subject, "ok", display_type)


def _missing(is_there: bool) -> str:
    return "" if is_there else "setup makes it, with an administrator's token"


def _made(subject: str, refusal: str) -> Finding:
    return Finding(subject, "wrong", refusal) if refusal else Finding(subject, "made")
