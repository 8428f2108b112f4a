"""Scenarios in Parquet files, bit for bit.

One row a path and step, paths after each other: ``path`` int64, ``step`` int32, ``time``, ``spot``,
``volatility``, ``rate``, ``discount`` float64. The file's metadata holds, under ``optionsib.scenarios``, a
JSON object with the format's version, the numbers of paths and steps, and the provenance.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from optionsib.common.errors import MissingExtraError
from optionsib.pricing._memory import check_bytes
from optionsib.pricing.scenarios.processes import check_whole
from optionsib.pricing.scenarios.result import NAMES, Provenance, Scenarios

KEY = b"optionsib.scenarios"
VERSION = 1
_GROUP_ROWS = 1 << 20


def write_scenarios(scenarios: Scenarios, file: str | Path) -> None:
    """Write scenarios to a Parquet file; it appears whole or not at all.

    Raises
    ------
    MissingExtraError
        If pyarrow is not installed (extra ``scenarios``).
    OSError
        If the file cannot be written.
    """
    pa, pq = _arrow()
    provenance = asdict(scenarios.provenance)
    about = {"version": VERSION, "paths": scenarios.paths, "steps": scenarios.steps, "provenance": provenance}
    schema = _schema(pa).with_metadata({KEY: json.dumps(about).encode()})
    times = len(scenarios.times)
    together = max(1, _GROUP_ROWS // times)
    target = Path(file)
    part = target.with_name(target.name + f".{os.getpid()}.part")
    try:
        with pq.ParquetWriter(
            part, schema, compression="zstd", use_dictionary=False, use_byte_stream_split=["time", *NAMES]
        ) as writer:
            for first in range(0, scenarios.paths, together):
                last = min(first + together, scenarios.paths)
                columns = [
                    np.repeat(np.arange(first, last, dtype=np.int64), times),
                    np.tile(np.arange(times, dtype=np.int32), last - first),
                    np.tile(scenarios.times, last - first),
                    *(
                        np.ascontiguousarray(array[first:last]).ravel()
                        for array in scenarios.arrays().values()
                    ),
                ]
                writer.write_table(pa.Table.from_arrays([pa.array(one) for one in columns], schema=schema))
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)


def read_scenarios(file: str | Path) -> Scenarios:
    """Read what `write_scenarios` wrote.

    Raises
    ------
    ValueError
        If the file is no Parquet file of scenarios, of another version, or its rows are not those it says.
    MissingExtraError
        If pyarrow is not installed (extra ``scenarios``).
    OSError
        If the file cannot be read.
    MemoryError
        If the paths would not fit into memory.
    """
    pa, pq = _arrow()
    try:
        # Opened by name the file would close with the reader only when that is collected.
        with open(file, "rb") as opened, pq.ParquetFile(opened) as stored:
            paths, steps, provenance = _about(file, stored.schema_arrow, _schema(pa))
            rows = paths * (steps + 1)
            if stored.metadata.num_rows != rows:
                raise ValueError(
                    f"{file}: {stored.metadata.num_rows} rows, {paths} paths of {steps} steps take {rows}"
                )
            check_bytes(8 * 2 * len(NAMES) * rows, f"{paths} paths of {steps} steps")
            arrays = {name: np.empty(rows) for name in NAMES}
            times = np.empty(0)
            at = 0
            for number in range(stored.num_row_groups):
                group = stored.read_row_group(number)
                columns = {name: group.column(name).to_numpy() for name in group.column_names}
                count = group.num_rows
                if at == 0:
                    times = columns["time"][: steps + 1].copy()
                place = np.arange(at, at + count)
                whole = (
                    np.array_equal(columns["path"], place // (steps + 1))
                    and np.array_equal(columns["step"], place % (steps + 1))
                    and len(times) == steps + 1
                    and np.array_equal(columns["time"], times[place % (steps + 1)])
                )
                if not whole:
                    raise ValueError(f"{file}: the rows are not path by path, step by step")
                for name in NAMES:
                    arrays[name][at : at + count] = columns[name]
                at += count
    except pa.ArrowInvalid as error:
        raise ValueError(f"{file}: {error}") from None
    shaped = {name: array.reshape(paths, steps + 1) for name, array in arrays.items()}
    return Scenarios(times=times, provenance=provenance, **shaped)


def _arrow() -> tuple[ModuleType, ModuleType]:
    try:
        return import_module("pyarrow"), import_module("pyarrow.parquet")
    except ImportError as error:
        raise MissingExtraError("scenarios", "pyarrow") from error


def _schema(pa: ModuleType) -> Any:
    whole = [("path", pa.int64()), ("step", pa.int32())]
    numbers = [(name, pa.float64()) for name in ("time", *NAMES)]
    return pa.schema([pa.field(name, kind, nullable=False) for name, kind in whole + numbers])


def _about(file: str | Path, found: Any, expected: Any) -> tuple[int, int, Provenance]:
    """Return paths, steps and provenance of a file's metadata."""
    text = (found.metadata or {}).get(KEY)
    if text is None:
        raise ValueError(f"{file}: no scenarios: the metadata has no {KEY.decode()}")
    about = json.loads(text)
    if not isinstance(about, dict) or about.get("version") != VERSION:
        raise ValueError(f"{file}: not of version {VERSION} of the format: {text[:80]!r}")
    if not found.equals(expected, check_metadata=False):
        raise ValueError(f"{file}: columns {found.names}, expected {expected.names} of the types written")
    try:
        given = about["provenance"]
        if given.pop("source") != "simulated":
            raise ValueError(f"{file}: the source is not 'simulated'")
        provenance = Provenance(**(given | {"overlays": tuple(given["overlays"])}))
        paths, steps = about["paths"], about["steps"]
        check_whole("paths", paths, 1, 1 << 48)
        check_whole("steps", steps, 1, 100_000)
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{file}: broken metadata: {type(error).__name__}: {error}") from None
    return paths, steps, provenance
