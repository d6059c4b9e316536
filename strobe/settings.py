"""What the environment decides: where stores and runs lie, and what a visitor may do."""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from etl.store.catalogue import Store


def shared_store() -> Path | None:
    """The store of the share that this package is part of (`strobe share`); None anywhere else."""
    folder = Path(__file__).resolve().parent.parent
    return folder / "store" if (folder / "share.json").is_file() else None


def store_path() -> Path:
    """The default store: `$STROBE_STORE`, else in a share its own, else `./store`."""
    return Path(os.environ.get("STROBE_STORE") or shared_store() or "store")


def runs_path() -> Path:
    """Where `strobe train` puts runs: `$STROBE_RUNS`, else `./runs`."""
    return Path(os.environ.get("STROBE_RUNS") or "runs")


def example_path() -> Path | None:
    """The store of the embedded example, or None where the package came without it."""
    folder = Path(__file__).resolve().parent.parent / "examples"
    return folder if (folder / "store.json").is_file() else None


def read_only() -> bool:
    """True unless `STROBE_READ_ONLY=0` (which `strobe app` sets): a bare Streamlit server listens on every
    interface, so strangers may be looking. Always True in a share, which is for them."""
    return shared_store() is not None or os.environ.get("STROBE_READ_ONLY", "1") != "0"


def query_timeout_s() -> float:
    """Seconds a typed query may run: `$STROBE_QUERY_TIMEOUT_S`, else 10, or 3 in read-only mode."""
    given = os.environ.get("STROBE_QUERY_TIMEOUT_S")
    if given is None:
        return 3.0 if read_only() else 10.0
    try:
        seconds = float(given)
    except ValueError:
        raise SystemExit(f"STROBE_QUERY_TIMEOUT_S={given!r} is not a number of seconds; try 10") from None
    if not 0 < seconds <= 3600:
        raise SystemExit(f"STROBE_QUERY_TIMEOUT_S={given} is out of range; give 0 < seconds <= 3600")
    return seconds


def memory_limit() -> str:
    """DuckDB's memory limit for one typed query: `$STROBE_MEMORY_LIMIT`, else the sandbox's own."""
    from etl.sql.reply import Limits

    return os.environ.get("STROBE_MEMORY_LIMIT") or Limits.memory


def cache_bytes() -> int:
    """What the app may keep of what it read and computed, for all pages and visitors: `$STROBE_CACHE_MB`, else
    256 MB."""
    given = os.environ.get("STROBE_CACHE_MB") or "256"
    try:
        megabytes = float(given)
    except ValueError:
        raise SystemExit(f"STROBE_CACHE_MB={given!r} is not a number of megabytes; try 256") from None
    if not 16 <= megabytes <= 1_000_000:
        raise SystemExit(f"STROBE_CACHE_MB={given} is out of range; give 16 to 1000000")
    return int(megabytes * 1e6)


def open_store(path: str | Path | None = None) -> Store:
    """The store at `path` (default `store_path()`) with the example attached until it is hidden."""
    import strobe.derive.registry  # noqa: F401  (tells the store which derived tables there are)
    from etl.store.catalogue import Store, hides_example

    own = Path(path) if path is not None else store_path()
    example = example_path()
    attach = example is not None and not hides_example(own) and example.resolve() != own.resolve()
    return Store(own, attached=[example] if attach and example else [])


def with_store(command: str, path: Path | None) -> str:
    """A command of Strobe's for the store at `path`, where that is not the one that it would take by itself."""
    if path is None or path.absolute() == store_path().absolute() or not command.startswith("strobe "):
        return command
    return f"{command} --store {shlex.quote(str(path))}"
