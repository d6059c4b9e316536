"""The form of a training: its fields with their defaults, what is wrong with them, and what it will take."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import streamlit as st

from etl.errors import StrobeError
from strobe.launch.asking import Asked, AskedError, asked
from strobe.launch.fields import SNAPSHOTS, Field, Group
from strobe.launch.machine import machine
from strobe.launch.programs import PROGRAMS, Program
from strobe.settings import runs_path
from strobe.ui.panel.choice import segmented
from strobe.ui.shell import acting
from strobe.ui.shell.parts import part
from strobe.ui.shell.words import inert, markup
from strobe.ui.train import plan, schedule

_COLUMNS = 3
_BESIDE = 2
"""Fields in a row of a group."""
_UNSAID = {"mlp": "4 × width", "threads": "by size", "data": "where it lies"}
"""What stands in an empty field that is worked out from others."""
_LONG = ("schedule", "data", "model", "epochs")


@part("form")
def draw() -> None:
    """One training, from its task to its button."""
    with st.container(horizontal=True, gap="medium", vertical_alignment="bottom", key="train_head"):
        program = PROGRAMS[
            segmented("task", "Task", list(PROGRAMS), words={one.name: one.title for one in PROGRAMS.values()})
        ]
        preset = segmented(f"{program.name}_preset", "Preset", list(program.presets), program.usual)
    st.caption(program.about)
    key = f"train_{program.name}_{preset}"
    typed = _typed(program, key)
    wanted, faults = _asked(program, preset, typed)
    columns = st.columns(_COLUMNS, gap="medium")
    for k, group in enumerate(_arranged(program)):
        with columns[k % _COLUMNS]:
            for title, fields in group:
                _group(program, preset, key, (title, fields), faults)
                if title == SNAPSHOTS:
                    schedule.editor(f"{key}_schedule", typed.get("schedule", ""))
    _begin(program, preset, key, typed, wanted, faults)


def _typed(program: Program, key: str) -> dict[str, str]:
    """What stands in the fields; those that were not touched are left out."""
    said = {name: st.session_state.get(f"{key}_{name}") for name in program.fields}
    typed = {name: ("yes" if value else "") if isinstance(value, bool) else value for name, value in said.items()}
    return {name: value for name, value in typed.items() if isinstance(value, str)}


def _asked(program: Program, preset: str, typed: Mapping[str, str]) -> tuple[Asked | None, dict[str, str]]:
    try:
        return asked(program, preset, typed), {}
    except AskedError as error:
        return None, error.faults


def _arranged(program: Program) -> list[list[Group]]:
    """The groups in columns."""
    groups = list(program.groups)
    if len(groups) <= _COLUMNS:
        return [[group] for group in groups]
    task, model, optimizer, snapshots, machines, monitor = groups
    return [[task, model, machines], [optimizer], [snapshots, monitor]]


def _group(program: Program, preset: str, key: str, group: Group, faults: Mapping[str, str]) -> None:
    title, fields = group
    with st.container(border=True, gap="small"):
        st.html(f'<p class="st-title">{title}</p>')
        for row in _rows(fields):
            wide = len(row) == 1
            for column, field in zip(st.columns(1 if wide else _BESIDE, gap="small"), row, strict=True):
                with column:
                    _field(program, preset, key, field, faults.get(field.name))
        if title == "Machine":
            st.caption(inert(machine().sentence, 400))


def _rows(fields: Sequence[Field]) -> list[Sequence[Field]]:
    """Two beside each other, and alone what is long or a switch."""
    rows: list[Sequence[Field]] = []
    for field in fields:
        fits = bool(rows) and len(rows[-1]) < _BESIDE and not _alone(rows[-1][0]) and not _alone(field)
        if fits:
            rows[-1] = [*rows[-1], field]
        else:
            rows.append([field])
    return rows


def _alone(field: Field) -> bool:
    return field.kind == "switch" or field.name in _LONG


def _field(program: Program, preset: str, key: str, field: Field, fault: str | None) -> None:
    default, name = program.default(preset, field), f"{key}_{field.name}"
    help_text = f"{inert(field.help)} `{field.flag}`"
    if field.kind != "switch":
        st.session_state.setdefault(name, default)
    if field.kind == "switch":
        st.toggle(field.label, key=name, help=help_text, persist_state="session")
    elif field.choices:
        st.selectbox(field.label, field.choices, key=name, help=help_text, persist_state="session")
    else:
        st.text_input(
            field.label, key=name, help=help_text, placeholder=default or _UNSAID.get(field.name, "left out"),
            persist_state="session", max_chars=4_000,
        )  # fmt: skip
    if fault:
        markup('<p class="st-fault">{fault}</p>', fault=fault)


def _begin(
    program: Program, preset: str, key: str, typed: Mapping[str, str], wanted: Asked | None, faults: Mapping[str, str]
) -> None:
    """Name, plan and button."""
    with st.container(border=True, gap="small"):
        st.html('<p class="st-title">What will happen</p>')
        if wanted is not None:
            plan.show(wanted)
        for name, fault in faults.items():
            if name not in program.fields:
                st.error(inert(fault, 400))
        with st.container(horizontal=True, gap="small", vertical_alignment="bottom"):
            usual = acting.free_name(program.folder_name(preset))
            name = st.text_input("Name of the run", usual, key=f"{key}_name_{usual}", max_chars=64, width=240)
            ready = wanted is not None and machine().torch is not None
            pressed = st.button(
                "Start training", type="primary", key="train_start", icon=":material/play_arrow:", disabled=not ready
            )
        markup('<p class="st-caption">It goes into {folder}</p>', folder=runs_path().absolute())
        if faults:
            st.html('<p class="st-fault">Mend what is marked.</p>')
        if machine().torch is None:
            st.warning(inert(machine().sentence, 400))
    if pressed:
        _start(program, preset, typed, name)


def _start(program: Program, preset: str, typed: Mapping[str, str], name: str) -> None:
    try:
        job = acting.done(lambda: acting.start(program.name, preset, typed, name.strip()))
    except StrobeError as error:
        st.error(inert(str(error)))
        return
    if job is not None:
        st.toast(f"Job {job.id} is queued.")
        st.rerun()
