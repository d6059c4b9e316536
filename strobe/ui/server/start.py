"""What the server is made of beside Streamlit's own, and what it does as it starts."""

from __future__ import annotations

import resource
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

from starlette.middleware import Middleware

from strobe.ui.server.gate import Gate

MOST_DESCRIPTORS: Final = 65_536


def parts() -> dict[str, Any]:
    """The arguments of `streamlit.starlette.App` beside the script."""
    return {"middleware": [Middleware(Gate)], "lifespan": _lifespan}


@asynccontextmanager
async def _lifespan(app: object) -> AsyncIterator[None]:
    del app
    raise_descriptors()
    yield


def raise_descriptors() -> None:
    """As many open files as this account may have: a visitor holds four (his connection, and the three of an event
    loop that Streamlit makes for his script), so the usual 1,024 end at about 250 visitors."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = MOST_DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, MOST_DESCRIPTORS)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
