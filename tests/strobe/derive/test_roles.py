"""A model whose tensors have names of its own: found by their roles, its rows are those of llm.c's names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from etl.ingest.load import ingest
from etl.run.folder import Run
from etl.run.layout import place
from etl.run.roles import LLMC_ROLES
from etl.run.writer import SnapshotWriter
from etl.store.catalogue import Store
from strobe.derive.filling.deriver import Deriver
from tests.support.planted import run_folder

OWN_NAMES = {"wte": "tok_emb", "wpe": "pos_emb", "qkvw": "c_attn", "attprojw": "c_proj", "fcw": "up",
             "fcprojw": "down", "unembed": "head"}  # fmt: skip

OF_OTHERS = {"passages", "compression", "findings", "samples"}
"""The tables that a memorization study has or a training on text, and no other run."""


def renamed(folder: Path, target: Path, *, roles: bool) -> Path:
    """The run in `folder` with names of its own for llm.c's, and their roles or not."""
    target.mkdir()
    run = Run(folder)
    tensors, names = [], {}
    for tensor in run.manifest.raw["snapshot"]["tensors"]:
        section, _, name = tensor["name"].partition("/")
        more: dict[str, Any] = {}
        if section == "params":
            names[tensor["name"]] = more["name"] = f"params/{OWN_NAMES[name]}"
            more |= {"role": LLMC_ROLES[name]} if roles else {}
        tensors.append({key: value for key, value in tensor.items() if key != "offset"} | more)
    placed, size = place(tensors)
    writer = SnapshotWriter(target, run.manifest.raw | {"snapshot": {"bytes": size, "tensors": placed}})
    for step in run.steps():
        snapshot = run.at(step)
        arrays = {names.get(name, name): np.array(snapshot[name]) for name in snapshot.names}
        writer.write(step, arrays)
    return target


def analysed(folder: Path, store: Path) -> tuple[Store, Any]:
    ingest([folder], store)
    opened = Store(store)
    return opened, Deriver(opened, opened.run("planted")).fill()


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run_folder(tmp_path_factory.mktemp("plain") / "planted")


def test_rows_are_those_of_llmc_names(plain: Path, tmp_path: Path) -> None:
    expected, _ = analysed(plain, tmp_path / "expected")
    store, report = analysed(renamed(plain, tmp_path / "own", roles=True), tmp_path / "store")
    assert set(report.skipped) == OF_OTHERS
    for table in ("fourier", "heads", "neurons", "progress", "coarseness", "neuron_history"):
        sql = f"SELECT * FROM {table} ORDER BY ALL"
        assert store.sql(sql).num_rows
        assert store.sql(sql).equals(expected.sql(sql)), table
    parts = "SELECT part, layer, head, step, stable_rank FROM spectra WHERE tensor = '{}' ORDER BY ALL"
    assert store.sql(parts.format("c_attn")).equals(expected.sql(parts.format("qkvw")))


def test_without_roles_nothing_is_guessed(plain: Path, tmp_path: Path) -> None:
    store, report = analysed(renamed(plain, tmp_path / "own", roles=False), tmp_path / "store")
    of_roles = {"fourier", "neurons", "progress", "coarseness", "neuron_history", "loss_check"}
    assert set(report.skipped) == of_roles | OF_OTHERS
    assert store.sql("SELECT count(*) AS n FROM spectra")["n"][0].as_py() > 0
