"""The demo's own pages: files beside this one, under a policy that lets them load and send to nothing but the demo."""

from pathlib import Path

from starlette.responses import FileResponse

STATIC = Path(__file__).parent / "static"
INBOX, SIGN_IN, WRONG_TOKEN = "app.html", "sign-in.html", "wrong-token.html"
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'"
    ),
    "Cache-Control": "no-store",
    "Referrer-Policy": "same-origin",  # with no-referrer browsers hide the origin of a form, which is looked at
    "X-Content-Type-Options": "nosniff",
}


def page_response(name: str, status: int = 200) -> FileResponse:
    """One of the pages."""
    return FileResponse(STATIC / name, status_code=status, headers=HEADERS)
