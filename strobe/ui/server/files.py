"""Files that were made for a visitor, read from the disk while they are sent."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.responses import FileResponse, Response
from starlette.routing import Route

from strobe.ui.panel.movie import ROUTE
from strobe.ui.panel.movie_jobs import maker

if TYPE_CHECKING:
    from starlette.requests import Request


async def _movie(request: Request) -> Response:
    job = maker().made(request.path_params["key"])
    if job is None or not job.path.is_file():
        return Response("This file is gone: make the movie again.", 404, media_type="text/plain")
    # A picture is packed as it is, and never shown as a page of ours.
    headers = {"Content-Encoding": "identity", "X-Content-Type-Options": "nosniff", "Cache-Control": "no-store"}
    return FileResponse(job.path, headers=headers, media_type="application/octet-stream", filename=job.name)


def routes(base: str) -> list[Route]:
    """Below the path `base` of the app."""
    return [Route(f"{base}/{ROUTE}/{{key}}/{{name}}", _movie)]
