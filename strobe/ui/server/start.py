"""What the server is made of beside Streamlit's own, and what it does as it starts."""

from __future__ import annotations

import resource
import threading
import webbrowser
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

import streamlit as st
from starlette.middleware import Middleware

from strobe.settings import read_only
from strobe.ui.server.failing import told
from strobe.ui.server.files import routes
from strobe.ui.server.gate import Gate
from strobe.ui.shell import writing

MOST_DESCRIPTORS: Final = 65_536


def parts() -> dict[str, Any]:
    """The arguments of `streamlit.starlette.App` beside the script."""
    return {
        "middleware": [Middleware(Gate)],
        "lifespan": _lifespan,
        "routes": routes(_base()),
        "on_script_error": told,
    }


@asynccontextmanager
async def _lifespan(app: object) -> AsyncIterator[None]:
    del app
    raise_descriptors()
    address = _address()
    if not read_only():
        print(f"\n  Open this address to write, and keep it to yourself:\n\n  {address}\n", flush=True)
    if not st.get_option("server.headless"):
        # The port is bound by now, so a browser that is quicker than the server only waits.
        threading.Thread(target=webbrowser.open, args=(address,), daemon=True).start()
    yield


def _address() -> str:
    """Where a browser of this machine finds the app, with the token where writing is on."""
    scheme = "https" if st.get_option("server.sslCertFile") else "http"
    bound, port = st.get_option("server.address"), st.get_option("server.port")
    host = st.get_option("browser.serverAddress") if bound in (None, "0.0.0.0", "::") else bound
    token = "" if read_only() else f"?{writing.PARAMETER}={writing.TOKEN}"
    return f"{scheme}://{host}:{port}{_base()}/{token}"


def _base() -> str:
    """The path of the app on its server: "", or "/..." ."""
    base = (st.get_option("server.baseUrlPath") or "").strip("/")
    return f"/{base}" if base else ""


def raise_descriptors() -> None:
    """As many open files as this account may have: a visitor holds four (his connection, and the three of an event
    loop that Streamlit makes for his script), so the usual 1,024 end at about 250 visitors."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = MOST_DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, MOST_DESCRIPTORS)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
