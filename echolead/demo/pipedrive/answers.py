"""Answers of the demo Pipedrive."""

from starlette.responses import JSONResponse, Response


def succeeded(data: object, status: int = 200, **more: object) -> Response:
    """An answer as Pipedrive wraps it."""
    return JSONResponse({"success": True, "data": data, **more}, status)


def failed(status: int, error: str, **more: object) -> Response:
    """An error as Pipedrive wraps it."""
    body = {"success": False, "error": error, "error_info": "Please check developers.pipedrive.com", "data": None}
    return JSONResponse({**body, "additional_data": None, **more}, status)
