"""A figure beside its bar, printed in one way by every benchmark."""

from __future__ import annotations


def said(what: str, value: float, bar: float, unit: str, *, most: bool = True) -> bool:
    """Prints a figure beside the most (or else the least) it may be, and says whether it holds."""
    met = value <= bar if most else value >= bar
    sign, answer = "<=" if most else ">=", "ok" if met else f"MISSED, {value / bar:.2f} of it" if bar else "MISSED"
    print(f"{what:58} {value:12,.4g} {unit:4} bar {sign} {bar:,.4g}   {answer}", flush=True)
    return met
