"""Texts of the console in English and Brazilian Portuguese, by key; pages contain no other texts."""

import streamlit as st

from dashboards.texts import (
    acting,
    campaigns,
    common,
    conversations,
    dead_letters,
    destinations,
    health,
    hours,
    install,
    leads,
    overview,
    personal_data,
    quarantine,
    replay,
    rules,
    team,
)
from echolead.languages import BY_CODE, Language

LANGUAGES = {"en": "English", "pt-BR": "Português"}

# Each key has its English text, then the Portuguese one.
SUBJECTS = (
    common,
    overview,
    leads,
    campaigns,
    conversations,
    health,
    install,
    acting,
    rules,
    destinations,
    replay,
    dead_letters,
    quarantine,
    hours,
    personal_data,
    team,
)
TEXTS: dict[str, tuple[str, str]] = {key: texts for each in SUBJECTS for key, texts in each.TEXTS.items()}


def language() -> str:
    """The language chosen for the account or on the page, else the browser's, else English."""
    chosen = st.session_state.get("language")
    if chosen in LANGUAGES:
        return str(chosen)
    return "pt-BR" if (st.context.locale or "").lower().startswith("pt") else "en"


def forms() -> Language:
    """How the page's language writes numbers, money and dates."""
    return BY_CODE[language()]


def named(kind: str, name: str) -> str:
    """The text of a state or event by its name in the data; a tenant's own event keeps its name."""
    key = f"{kind}_{name}"
    return t(key) if key in TEXTS else name


def t(key: str, **values: object) -> str:
    """The text of `key` in the page's language, with `values` filled in. Raises `KeyError` for an unknown key."""
    return text_in(language(), key, **values)


def text_in(code: str, key: str, **values: object) -> str:
    """The text of `key` in the language `code`. Raises `KeyError` for an unknown key."""
    english, portuguese = TEXTS[key]
    return (portuguese if code == "pt-BR" else english).format(**values)
