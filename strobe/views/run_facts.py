"""What is known of a run, as people say it: dates, sizes and words in place of seconds, counts and JSON."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from strobe.views.run_cells import duration
from strobe.views.run_columns import flattened
from strobe.views.words import age, count, parameters, thinned

MOST_OF_A_VALUE: Final = 100
"""Characters of one setting: a list of a thousand names is named by its beginning."""


def told(
    row: Mapping[str, Any], diverged: int | None, said: Mapping[str, Any], losses: str = ""
) -> list[tuple[str, str]]:
    """(name, words) of everything that is known of a run: of its row of table `runs`, since which step its loss is no
    number, what people say of it, and which of its recording was lost."""
    facts = [("run", str(row["run"])), *_named(row), ("status", _status(row, diverged, losses)), *_times(row)]
    facts += _shape(row) + _said(said)
    for key, value in flattened(row["config"]).items():
        facts.append((key, _short(value)))
    if row["reduced"]:
        facts.append(("thinned", thinned(row["reduced"])))
    if row["snapshots_path"]:
        facts.append(("recorded in", str(row["snapshots_path"])))
    return facts


def date(seconds: float) -> str:
    """A Unix time in the zone of this machine, to the second."""
    return datetime.fromtimestamp(seconds).astimezone().strftime("%Y-%m-%d %H:%M:%S %Z")


def _named(row: Mapping[str, Any]) -> list[tuple[str, str]]:
    own = [] if row["name"] in (None, row["run"]) else [("name", str(row["name"]))]
    words = {"task": str(row["task"] or "").replace("_", " "), "source": str(row["source"] or "")}
    return own + [(key, value) for key, value in words.items() if value]


def _status(row: Mapping[str, Any], diverged: int | None, losses: str) -> str:
    ended = str(row["status"] or "unknown")
    if diverged is not None:
        ended = f"diverged at step {diverged:,} (a loss is no number from there on); {ended}"
    return f"{ended}; {losses}" if losses else ended


def _times(row: Mapping[str, Any]) -> list[tuple[str, str]]:
    begun, ended = row["created_at"], row["ended_at"]
    facts = []
    if begun is not None:
        facts.append(
            ("created", f"{date(begun)} ({age(time.time() - begun)} ago)".replace("just now ago", "just now"))
        )
    if ended is not None:
        took = f", after {duration(ended - begun)}" if begun is not None and ended >= begun else ""
        facts.append(("ended", f"{date(ended)}{took}"))
    return facts


def _shape(row: Mapping[str, Any]) -> list[tuple[str, str]]:
    facts = [("steps", count(row["steps"]))] if row["steps"] is not None else []
    if (row["attempts"] or 0) > 1:
        facts.append(("attempts", f"{count(row['attempts'])}: it was resumed"))
    if row["n_params"] is not None:
        exact, short = count(row["n_params"]), parameters(row["n_params"])
        facts.append(("parameters", exact if short == exact else f"{exact} ({short})"))
    parts = [
        f"{count(row[key])} {word}{'' if row[key] == 1 or not plural else 's'}"
        for key, (word, plural) in _PARTS.items()
        if row[key] is not None
    ]
    if parts:
        facts.append(("model", ", ".join(parts)))
    if row["tokens_per_step"] is not None:
        facts.append(("tokens per step", count(row["tokens_per_step"])))
    if row["optimal_tokens"] is not None:
        facts.append(("optimal tokens", f"{count(row['optimal_tokens'])} (20 a parameter)"))
    if row["device"]:
        facts.append(("device", str(row["device"])))
    if row["peak_flops"] is not None:
        facts.append(("peak", f"{row['peak_flops'] / 1e12:,.4g} TFLOP/s"))
    return facts


_PARTS: Final = {
    "n_layer": ("layer", True), "n_head": ("head", True), "n_embd": ("wide", False), "vocab_size": ("token", True),
}  # fmt: skip
"""Column -> its word, and whether that has a plural."""


def _said(said: Mapping[str, Any]) -> list[tuple[str, str]]:
    facts = [("tags", ", ".join(said["tags"]))] if said["tags"] else []
    facts += [("note", said["note"])] if said["note"] else []
    return facts + ([("archived", "yes; lists leave it out")] if said["archived"] else [])


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False) if isinstance(value, bool) or value is None else str(value)
    return text if len(text) <= MOST_OF_A_VALUE else f"{text[: MOST_OF_A_VALUE - 1]}…"
