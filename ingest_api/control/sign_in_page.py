"""The sign-in page, in Portuguese or English as the browser asks: the company's sign-in, a form, no script."""

import base64
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from urllib.parse import urlencode

from echolead.operational.identities import RefusalReason

STYLE = """
:root{color-scheme:light dark;font:16px/1.5 system-ui,sans-serif}
body{display:grid;place-items:center;min-height:100vh;margin:0}
main{width:min(22rem,90vw)}
h1{font-size:1.5rem;margin:0 0 1rem}
label{display:block;margin:.75rem 0 .25rem}
input,button{box-sizing:border-box;width:100%;font:inherit;padding:.55rem .7rem}
input,button{border:1px solid #8888;border-radius:.5rem}
button,.company{margin-top:1.25rem;background:#0f766e;color:#fff;border-color:#0f766e;cursor:pointer}
.company{display:block;box-sizing:border-box;padding:.55rem .7rem;border-radius:.5rem;text-align:center;
text-decoration:none}
.company:focus-visible{outline:3px solid currentColor;outline-offset:2px}
.or{display:flex;align-items:center;gap:.75rem;margin:1.25rem 0 0}
.or::before,.or::after{content:"";flex:1;border-top:1px solid #8888}
details{margin-top:1.25rem}
summary{cursor:pointer}
[role=alert]{color:#b00020;background:#b0002014;padding:.55rem .7rem;border-radius:.5rem}
@media (prefers-color-scheme:dark){[role=alert]{color:#ffb4ab;background:#ffb4ab1f}}
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
    company: str
    or_password: str
    admins: str
    begin_again: str
    provider_down: str
    not_proven: str
    cancelled: str
    refused: Mapping[RefusalReason, str]


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
    "Sign in with your company account",
    "or",
    "Platform administrators: sign in with a password",
    "This sign-in has expired or began in another window or browser. Begin again here.",
    "The company's sign-in does not answer at the moment. Try again in a minute; if it stays so, tell your "
    "administrator.",
    "The company's sign-in did not confirm who you are. Try again; if it stays so, tell your administrator.",
    "The company's sign-in was cancelled, or your account may not use EchoLead there.",
    {
        "unknown": "{email} has no user in EchoLead. Ask an administrator of your company's EchoLead to add this "
        "address.",
        "unverified": "The company's sign-in did not confirm your e-mail address. Ask the administrators of your "
        "company accounts to verify it, or to send it.",
        "disabled": "The user {email} is disabled in EchoLead. Ask an administrator of your company's EchoLead to "
        "enable it.",
        "other_identity": "The user {email} belongs to another company account. Ask an administrator of your company's "
        "EchoLead to unlink it.",
    },
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
    "Entrar com a conta da empresa",
    "ou",
    "Administradores da plataforma: entrar com senha",
    "Esta entrada expirou ou começou em outra janela ou outro navegador. Comece de novo aqui.",
    "O login da empresa não responde agora. Tente de novo em um minuto; se continuar, avise seu administrador.",
    "O login da empresa não confirmou quem você é. Tente de novo; se continuar, avise seu administrador.",
    "O login da empresa foi cancelado, ou sua conta não pode usar o EchoLead por lá.",
    {
        "unknown": "{email} não tem usuário no EchoLead. Peça a um administrador do EchoLead da sua empresa que inclua "
        "este endereço.",
        "unverified": "O login da empresa não confirmou seu e-mail. Peça aos administradores das contas da empresa que "
        "verifiquem o endereço, ou que o enviem.",
        "disabled": "O usuário {email} está desativado no EchoLead. Peça a um administrador do EchoLead da sua empresa "
        "que o ative.",
        "other_identity": "O usuário {email} pertence a outra conta da empresa. Peça a um administrador do EchoLead da "
        "sua empresa que desfaça o vínculo.",
    },
)


def texts(accept_language: str) -> Texts:
    """Portuguese when it is the first language the browser names, else English."""
    return PORTUGUESE if accept_language.strip().lower().startswith("pt") else ENGLISH


@dataclass(frozen=True)
class Ways:
    """How people can sign in here: with a company account, and whether a password is an administrator's alone."""

    has_provider: bool = False
    passwords_of_admins_only: bool = False


def sign_in_html(words: Texts, ways: Ways, *, back: str, email: str = "", problem: str = "") -> str:
    """The page's HTML; everything that came from a request is escaped."""
    alert = f'<p role="alert">{escape(problem)}</p>' if problem else ""
    form = _password_form(words, back, email, is_first=not ways.has_provider)
    if ways.passwords_of_admins_only:
        is_open = " open" if email else ""
        form = f"<details{is_open}><summary>{words.admins}</summary>{form}</details>"
    elif ways.has_provider:
        form = f'<p class="or">{words.or_password}</p>{form}'
    if ways.has_provider:
        # A link: browsers would check a form's redirects to the provider against form-action.
        form = f'<a class="company" href="/login/oidc?{escape(urlencode({"next": back}))}">{words.company}</a>{form}'
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
{form}
</main>
</body>
</html>
"""


def _password_form(words: Texts, back: str, email: str, *, is_first: bool) -> str:
    focus = " autofocus" if is_first else ""
    return f"""<form method="post" action="/login">
<input type="hidden" name="next" value="{escape(back)}">
<label for="email">{words.email}</label>
<input id="email" name="email" type="email" autocomplete="username" required{focus} value="{escape(email)}">
<label for="password">{words.password}</label>
<input id="password" name="password" type="password" autocomplete="current-password" required>
<button type="submit">{words.sign_in}</button>
</form>"""


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
