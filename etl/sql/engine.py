"""The locked DuckDB of one query: its tables, its locks, the one statement it takes, and its errors in words.

Runs in the sandbox's child. The order matters and was measured (docs/sql.md): tables first, as pyarrow datasets
over the store's own list of files, so that no file need be within the engine's reach; then the settings; then
external access off, local files off, the configuration locked; and only then the visitor's statement.
"""

import base64
import difflib
import json
import re
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.fs as pafs

from etl.store.current import CUTS, current_rows

LOCKS = (
    "errors_as_json=true",
    "python_enable_replacements=false",
    "autoinstall_known_extensions=false",
    "autoload_known_extensions=false",
    "allow_community_extensions=false",
    "allow_persistent_secrets=false",
    "secret_directory=''",
    "temp_directory=''",
    "enable_external_access=false",
    "disabled_filesystems='LocalFileSystem'",
    "lock_configuration=true",
)

_READING = ("select", "explain")
_PIVOT_STARTS = ("pivot", "pivot_wider", "from", "with", "select", "(", "describe", "desc", "summarize", "explain")
_PATH = re.compile(
    r"(?:(?<![\w.)\]])|(?<=[\"'\s]\.))(?:[A-Za-z][A-Za-z0-9+.-]*:/)?/(?=[\w.~])[^\s'\",;:()\[\]{}<>|]+"
)
_NO_MEMORY = re.compile(r"bad_alloc|bad allocation|memory allocation failed")
_OF_A_TABLE = re.compile(r"reading the stream registered as '(\w+)' failed: (\w+)")
_UNREADABLE = ("IOError", "FileNotFoundError", "OSError", "PermissionError")
_MESSAGE_CHARACTERS = 600


class RefusedError(ValueError):
    """A statement that is not one that only reads."""


def open_engine(tables: dict[str, Any], cuts: str, memory_limit: str) -> "duckdb.DuckDBPyConnection":
    """An in-memory DuckDB with the tables registered and every lock closed.

    tables: name -> {"schema": base64 of a serialised Arrow schema with the column `run`, "parts": [[run, path]]}.
    cuts: base64 of an Arrow IPC stream with the columns run, attempt, cut_step (may have no rows).
    """
    con = duckdb.connect(config={"threads": 1, "memory_limit": memory_limit})
    cut_rows = pa.ipc.open_stream(base64.b64decode(cuts)).read_all()
    if cut_rows.num_rows:
        # As a dataset its size is unknown to the optimiser, like that of the tables: it then keeps this small side
        # as the one to build a hash table from. Registered as a table, the million rows became the built side.
        con.register(CUTS, ds.dataset(cut_rows))
    for name, table in tables.items():
        schema = pa.ipc.read_schema(pa.py_buffer(base64.b64decode(table["schema"])))
        con.register(f"{name}_all", dataset(schema, table["parts"]))
        rows = current_rows(f'"{name}_all"', schema.names, cut=cut_rows.num_rows > 0)
        con.execute(f'CREATE TEMP VIEW "{name}" AS {rows}')
    for setting in LOCKS:
        con.execute(f"SET {setting}")
    return con


def dataset(schema: pa.Schema, parts: list[list[str]]) -> ds.Dataset:
    """The part files as one dataset. No file is opened here, and a filter on `run` opens only that run's files."""
    checked = ds.ParquetFragmentScanOptions(page_checksum_verification=True)
    local, parquet = pafs.LocalFileSystem(), ds.ParquetFileFormat(default_fragment_scan_options=checked)
    fragments = [
        parquet.make_fragment(path, local, partition_expression=ds.field("run") == run) for run, path in parts
    ]
    return ds.FileSystemDataset(fragments, schema, parquet, local)


def one_statement(con: "duckdb.DuckDBPyConnection", sql: str) -> "duckdb.Statement":
    """The only statement in `sql`, if it is one that reads; RefusedError otherwise. DuckDB's own errors pass."""
    try:
        statements = con.extract_statements(sql)
        kinds = [statement.type.name.lower() for statement in statements]
    except duckdb.Error:
        raise
    except Exception as error:
        # DuckDB 2.0.0 meets statement kinds that its Python enumeration lacks, and says so with a ValueError.
        raise RefusedError("This kind of statement is not available here: only SELECT is.") from error
    if len(statements) != 1:
        found = "no statement" if not statements else f"{len(statements)} statements"
        raise RefusedError(f"One SELECT at a time: this is {found}.")
    kind, words = kinds[0], _words(sql)
    if kind == "multi" and words[:1] and words[0] in _PIVOT_STARTS and {"pivot", "pivot_wider"} & set(words):
        kind = "explain" if words[0] == "explain" else "select"
    if kind not in _READING:
        raise RefusedError(f"Only SELECT and its relatives run here, and this is {kind.upper()}.")
    if kind == "explain" and _analyzes(words):
        raise RefusedError("EXPLAIN ANALYZE is not available here: EXPLAIN shows the plan, and Run shows the time.")
    return statements[0]


def relation_of(con: "duckdb.DuckDBPyConnection", statement: "duckdb.Statement") -> "duckdb.DuckDBPyRelation":
    """The statement as a relation, whose rows can be streamed; executing it would hold them all in memory."""
    try:
        relation = con.sql(statement)
    except duckdb.Error as error:
        if "{" not in str(error):
            # Binding a relation drops the position of the mistake: binding it again for a run tells it.
            con.execute(statement)
        raise
    if relation is None:
        raise RefusedError("The statement gives no rows.")
    return relation


def _words(sql: str) -> list[str]:
    """The tokens of the statement in lower case, without comments."""
    data = sql.encode()
    tokens = duckdb.tokenize(sql)
    ends = [offset for offset, _ in tokens[1:]] + [len(data)]
    return [
        data[start:end].decode(errors="replace").strip().lower()
        for (start, kind), end in zip(tokens, ends, strict=True)
        if kind.name != "comment"
    ]


def _analyzes(words: list[str]) -> bool:
    """Whether EXPLAIN's own options, bare or in brackets, ask for the statement to be run."""
    if words[:1] != ["explain"]:
        return True
    options = words[1:2]
    if options == ["("]:
        options = words[1 : words.index(")") + 1] if ")" in words else words
    return bool({"analyze", "analyse"} & set(options))


def failure(error: BaseException, sql: str, names: dict[str, list[str]], roots: list[str]) -> dict[str, Any]:
    """An error as what its reader may see: kind, message, line, column, hint; never a path or a traceback.

    names: table -> its columns, for the suggestion. roots: folders whose names must not appear.
    """
    if isinstance(error, RefusedError):
        return {"kind": "refused", "message": str(error)}
    if isinstance(error, (MemoryError, pa.ArrowMemoryError, duckdb.OutOfMemoryException)):
        return {"kind": "memory", "message": "The query needs more memory than it may use."}
    # What fails after the first rows went out comes through Arrow's stream, as an OSError with DuckDB's text in it.
    if not isinstance(error, (duckdb.Error, OSError)):
        return {"kind": "internal", "message": f"The result cannot be shown ({type(error).__name__})."}
    facts = _facts(str(error))
    text = facts.get("exception_message", "")
    if facts.get("exception_type") == "Out of Memory" or _NO_MEMORY.search(text):
        return {"kind": "memory", "message": "The query needs more memory than it may use."}
    words = hide_paths(_in_our_words(text, names), roots)
    if _kind(facts) == "name":
        words = words.partition("\n")[0]  # what follows are DuckDB's own suggestions: extensions, its catalog
    reply: dict[str, Any] = {"kind": _kind(facts), "message": " ".join(words.split())[:_MESSAGE_CHARACTERS]}
    if facts.get("position", "").isdigit():
        reply["line"], reply["column"] = line_and_column(sql, int(facts["position"]))
    if failed := _OF_A_TABLE.search(text):
        reply["table"] = failed.group(1).removesuffix("_all")
    hint = _hint(facts, names)
    return reply | ({"hint": hint} if hint else {})


def _in_our_words(message: str, names: dict[str, list[str]]) -> str:
    """DuckDB's message, or ours where its own speaks of files or settings that are not there for the reader."""
    failed = _OF_A_TABLE.search(message)
    if failed and failed.group(2) in _UNREADABLE:
        table = failed.group(1).removesuffix("_all")
        return f"A file of the table {table} cannot be read: it may just have been replaced."
    if "has been disabled by configuration" in message:
        # Also what a misspelt table looks like to the engine when it has a dot in it.
        return f"No file or address can be read here, only the tables: {_known(names)}."
    if message.startswith("Max expression depth"):
        return "The statement is nested too deeply: 1,000 levels are the limit."
    return message


def _facts(text: str) -> dict[str, str]:
    """DuckDB's error as the JSON that errors_as_json puts behind its class name; bare text is taken as it is."""
    _, brace, tail = text.partition("{")
    try:
        facts = json.loads(brace + tail)
    except ValueError:
        title, _, rest = text.partition(": ")
        return {"exception_type": title.removesuffix(" Error"), "exception_message": rest or text}
    return {str(key): str(value) for key, value in facts.items()}


def _kind(facts: dict[str, str]) -> str:
    kinds = {"Parser": "syntax", "Syntax": "syntax", "Catalog": "name", "Permission": "refused"}
    if facts.get("error_subtype") == "COLUMN_NOT_FOUND":
        return "name"
    return kinds.get(facts.get("exception_type", ""), "query")


def _hint(facts: dict[str, str], names: dict[str, list[str]]) -> str | None:
    """The nearest table or column that exists, by name."""
    wanted, missing = facts.get("name", ""), facts.get("error_subtype")
    if missing == "MISSING_ENTRY" and facts.get("type") == "Table":
        near = difflib.get_close_matches(wanted.lower(), list(names), 1, 0.5)
        return f'Did you mean "{near[0]}"?' if near else f"Tables: {_known(names)}."
    if missing == "COLUMN_NOT_FOUND":
        columns = {column for table in names.values() for column in table}
        offered = facts.get("candidates", "").split(",") if facts.get("candidates") else []
        near = difflib.get_close_matches(wanted.lower(), sorted({*offered, *columns}), 1, 0.6) or offered[:1]
        return f'Did you mean "{near[0]}"?' if near else None
    return None


def _known(names: dict[str, list[str]]) -> str:
    return ", ".join(sorted(name for name in names if not name.endswith("_all")))


def line_and_column(sql: str, offset: int) -> tuple[int, int]:
    """Line and column, both from 1, of a byte offset in the UTF-8 of `sql`."""
    before = sql.encode()[:offset].decode(errors="ignore")
    return before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1


def hide_paths(text: str, roots: list[str]) -> str:
    """`text` with every absolute path, and whatever lies under one of `roots`, replaced by "(a file)"."""
    for root in sorted((root for root in roots if len(root) > 1), key=len, reverse=True):
        text = re.sub(re.escape(root) + r"[^\s'\",;:()]*", "(a file)", text)
    return _PATH.sub("(a file)", text)
