"""What a rule does when it holds, compiled to the form that the warehouse reads."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from echolead.rules.facts import Fact, UnknownFact, find_fact


class BadAction(Exception):
    """The action cannot be meant. The message says what to write instead; `keys` lead to the part it is about."""

    def __init__(self, message: str, *keys: str) -> None:
        self.keys = keys
        super().__init__(message)


def action_of(action: Mapping[str, Any], facts: Iterable[Fact]) -> dict[str, Any]:
    """The compiled action, with every key of its kind. `facts` are those that the rule's conditions name, in order.

    Raises `BadAction`.
    """
    (kind, said), *_ = action.items()
    return {"kind": kind, **_COMPILE[kind](said, facts)}


def _points(said: Any, facts: Iterable[Fact]) -> dict[str, Any]:
    wanted = said if isinstance(said, Mapping) else {"value": said}
    each, half_life = wanted.get("each", ""), wanted.get("half_life_days", 0)
    if "at_most" in wanted and not each:
        raise BadAction("at_most bounds the points of each: name the events with each.", "points", "at_most")
    if "since" in wanted and (each or not half_life):
        raise BadAction("since belongs to half_life_days without each.", "points", "since")
    return {
        "points": wanted["value"],
        "half_life_days": half_life,
        "at_most": wanted.get("at_most", 0),
        "each": _named(each, ("events",), "each") if each else "",
        "since": _since(wanted, facts) if half_life and not each else "",
    }


def _since(wanted: Mapping[str, Any], facts: Iterable[Fact]) -> str:
    """The fact whose latest time begins the half-lives."""
    if "since" in wanted:
        return _named(wanted["since"], ("events", "time"), "since")
    found = next((fact.name for fact in facts if fact.type in ("events", "time")), "")
    if not found:
        raise BadAction(
            "half_life_days needs a time to begin: name a fact with times in since, as in page./demo.",
            "points",
            "half_life_days",
        )
    return found


def _named(name: str, types: tuple[str, ...], key: str) -> str:
    try:
        fact = find_fact(name)
    except UnknownFact as error:
        raise BadAction(str(error), "points", key) from error
    if fact.type not in types:
        raise BadAction(f"{key} takes a fact of type {' or '.join(types)}: {name} is a {fact.type}.", "points", key)
    return fact.name


def _name(said: Any, _: Iterable[Fact]) -> dict[str, Any]:
    return {"name": said}


def _value(said: Any, _: Iterable[Fact]) -> dict[str, Any]:
    return {"value": said}


def _route(said: Any, _: Iterable[Fact]) -> dict[str, Any]:
    if "agent" in said and "agents" in said:
        raise BadAction("A route has agent or agents, not both: a lead has one owner.", "route", "agents")
    if not {"inbox", "team", "agent", "agents"} & said.keys():
        raise BadAction("A route names an inbox, a team, an agent or agents.", "route")
    weighted = said.get("agents", [{"agent": said["agent"]}] if "agent" in said else [])
    names = [each["agent"] for each in weighted]
    if len({*names}) < len(names):
        raise BadAction("An agent is here twice: give it the sum of its weights.", "route", "agents")
    return {
        "inbox": said.get("inbox", ""),
        "team": said.get("team", ""),
        "agents": [{"agent": each["agent"], "weight": each.get("weight", 1)} for each in weighted],
        "fallback_team": said.get("fallback_team", ""),
        "keep_owner": said.get("keep_owner", True),
    }


def _destinations(said: Any, _: Iterable[Fact]) -> dict[str, Any]:
    wanted = said if isinstance(said, Mapping) else {"destinations": said}
    return {
        "destinations": list(dict.fromkeys(wanted["destinations"])),
        "each_time": wanted.get("each_time", False),
    }


def _withheld(said: Any, _: Iterable[Fact]) -> dict[str, Any]:
    return {"destinations": list(dict.fromkeys(said))}


_COMPILE: dict[str, Callable[[Any, Iterable[Fact]], dict[str, Any]]] = {
    "points": _points,
    "segment": _name,
    "label": _name,
    "stage": _name,
    "priority": _value,
    "route": _route,
    "send_to": _destinations,
    "withhold_from": _withheld,
}
