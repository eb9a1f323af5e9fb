"""The sign-in page, in Portuguese or English as the browser asks: one form, no script."""

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

STYLE = """
:root{color-scheme:light dark;font:16px/1.5 system-ui,sans-serif}
body{display:grid;place-items:center;min-height:100vh;margin:0}
main{width:min(22rem,90vw)}
h1{font-size:1.5rem;margin:0 0 1rem}
label{display:block;margin:.75rem 0 .25rem}
input,button{box-sizing:border-box;width:100%;font:inherit;padding:.55rem .7rem}
input,button{border:1px solid #8888;border-radius:.5rem}
button{margin-top:1.25rem;background:#0f766e;color:#fff;border-color:#0f766e;cursor:pointer}
[role=alert]{color:#b00020;background:#b0002014;padding:.55rem .7rem;border-radius:.5rem}
"""
STYLE_HASH = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()


@dataclass(frozen=True)
class Texts:
    """The page's words in one language."""

    language: str
    title: str
    email: str
    password: str
    sign_in: str
    wrong: str
    too_many: str
    foreign_form: str


ENGLISH = Texts(
    "en",
    "Sign in to EchoLead",
    "E-mail",
    "Password",
    "Sign in",
    "E-mail or password is not right.",
    "Too many attempts. Try again in {minutes} min.",
    "You are not signed in: the form did not come from this page, or the browser did not send its origin. "
    "Sign in here, with an up-to-date browser and without an extension that hides Origin.",
)
PORTUGUESE = Texts(
    "pt-BR",
    "Entrar no EchoLead",
    "E-mail",
    "Senha",
    "Entrar",
    "E-mail ou senha incorretos.",
    "Muitas tentativas. Tente de novo em {minutes} min.",
    "Ninguém entrou: o formulário não veio desta página, ou o navegador não disse de onde ele veio. "
    "Entre por aqui, com um navegador atualizado e sem extensão que esconda a Origin.",
)


def texts(accept_language: str) -> Texts:
    """Portuguese when it is the first language the browser names, else English."""
    return PORTUGUESE if accept_language.strip().lower().startswith("pt") else ENGLISH


def sign_in_html(words: Texts, *, back: str, email: str = "", problem: str = "") -> str:
    """The page's HTML; everything that came from a request is escaped."""
    alert = f'<p role="alert">{escape(problem)}</p>' if problem else ""
    return f"""<!doctype html>
<html lang="{words.language}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{words.title}</title>
<style>{STYLE}</style>
</head>
<body>
<main>
<h1>{words.title}</h1>
{alert}
<form method="post" action="/login">
<input type="hidden" name="next" value="{escape(back)}">
<label for="email">{words.email}</label>
<input id="email" name="email" type="email" autocomplete="username" required autofocus value="{escape(email)}">
<label for="password">{words.password}</label>
<input id="password" name="password" type="password" autocomplete="current-password" required>
<button type="submit">{words.sign_in}</button>
</form>
</main>
</body>
</html>
"""


def headers(origins: Sequence[str]) -> dict[str, str]:
    """Headers that forbid framing, scripts and caching, and restrict where the form is sent.

    Browsers check the redirect that follows the form as well, so the `origins` it may lead to must be named.
    """
    return {
        "Content-Security-Policy": (
            f"default-src 'none'; style-src 'sha256-{STYLE_HASH}'; form-action 'self' {' '.join(origins)}; "
            "base-uri 'none'; frame-ancestors 'none'"
        ),
        "Referrer-Policy": "same-origin",
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
        "Cache-Control": "no-store",
    }
