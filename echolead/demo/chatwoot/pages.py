"""The demo's own pages: files beside this one, under a policy that lets them load and send to nothing but the demo."""

from pathlib import Path

from starlette.responses import FileResponse, HTMLResponse

STATIC = Path(__file__).parent / "static"
INBOX = "app.html"
REFUSAL = '<p role="alert">Este token não é de nenhuma conta.</p>'
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'"
    ),
    "Cache-Control": "no-store",
    "Referrer-Policy": "same-origin",  # with no-referrer browsers hide the origin of a form, which is checked
    "X-Content-Type-Options": "nosniff",
}


def inbox_page() -> FileResponse:
    """The conversations of an account that is signed in."""
    return FileResponse(STATIC / INBOX, headers=HEADERS)


def sign_in_page(*, is_refused: bool = False) -> HTMLResponse:
    """The form for an access token; with `is_refused` it answers 401 and says that the last token was wrong."""
    text = (STATIC / "sign-in.html").read_text("utf-8").replace("{{alert}}", REFUSAL if is_refused else "")
    return HTMLResponse(text, 401 if is_refused else 200, headers=HEADERS)
