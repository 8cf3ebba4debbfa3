"""The feature table: one row a case and segment, in Parquet or CSV."""

import csv
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from .errors import InputError
from .files import atomic_path

KEY_COLUMNS = ("case_id", "segment", "status", "error")
METADATA_KEY = b"tumorclassifier"


@dataclass(frozen=True)
class FeatureRow:
    """The features of one segment of one case, or the reason why there are none."""

    case_id: str
    segment: str = ""
    features: Mapping[str, float] = field(default_factory=dict)
    error: str = ""

    @property
    def status(self) -> str:
        """ "ok" or "failed"."""
        return "failed" if self.error else "ok"


@dataclass(frozen=True)
class FeatureTable:
    """Cases × features.

    keys: (case_id, segment, status, error) of each row; values: float64 (rows, features), NaN in failed rows.
    metadata: settings, versions and hashes, as plain JSON values.
    """

    keys: tuple[tuple[str, str, str, str], ...]
    names: tuple[str, ...]
    values: np.ndarray
    metadata: Mapping[str, Any]

    @property
    def case_ids(self) -> tuple[str, ...]:
        """The case of each row."""
        return tuple(key[0] for key in self.keys)


def table_of(rows: Iterable[FeatureRow], metadata: Mapping[str, Any]) -> FeatureTable:
    """Put rows together; they are gone through twice, so that they may be read from files one by one.

    Features keep the order in which they first occur when the rows are sorted by case and segment: columns do not
    depend on the order of the rows.
    """
    keys = []
    first_with: dict[tuple[str, ...], tuple[str, str]] = {}
    for row in rows:
        keys.append((row.case_id, row.segment, row.status, row.error))
        names = tuple(row.features)
        first_with[names] = min(first_with.get(names, keys[-1][:2]), keys[-1][:2])
    columns = tuple(dict.fromkeys(name for names in sorted(first_with, key=first_with.__getitem__) for name in names))
    position = {name: i for i, name in enumerate(columns)}
    values = np.full((len(keys), len(columns)), np.nan)
    for i, row in enumerate(rows):
        for name, value in row.features.items():
            values[i, position[name]] = value
    return FeatureTable(tuple(keys), columns, values, MappingProxyType(dict(metadata)))


def write_table(table: FeatureTable, path: Path) -> None:
    """Write `.parquet` (metadata inside) or `.csv` (metadata beside it as `.csv.json`).

    Raises InputError for another suffix, a folder that cannot be written to, or Parquet without pyarrow.
    """
    path = Path(path)
    if path.suffix == ".parquet":
        _write_parquet(table, path)
    elif path.suffix == ".csv":
        _write_csv(table, path)
    else:
        raise InputError(f"{path} is no feature table's name; end it in .parquet or .csv.")


def read_table(path: Path) -> FeatureTable:
    """Read what `write_table` wrote; raises InputError when the file is missing or is no feature table."""
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path} does not exist; name a feature table.")
    if path.suffix == ".parquet":
        return _read_parquet(path)
    if path.suffix == ".csv":
        return _read_csv(path)
    raise InputError(f"{path} is no feature table's name; it should end in .parquet or .csv.")


def _pyarrow() -> Any:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise InputError("Parquet needs the package pyarrow; install it or name a .csv file instead.") from error
    return pyarrow


def _write_parquet(table: FeatureTable, path: Path) -> None:
    pa = _pyarrow()
    columns = {name: pa.array([key[i] for key in table.keys], pa.string()) for i, name in enumerate(KEY_COLUMNS)}
    columns |= {name: pa.array(table.values[:, j]) for j, name in enumerate(table.names)}
    metadata = {METADATA_KEY: json.dumps(dict(table.metadata), sort_keys=True).encode()}
    with atomic_path(path) as temporary:
        pa.parquet.write_table(pa.table(columns).replace_schema_metadata(metadata), temporary)


def _read_parquet(path: Path) -> FeatureTable:
    pa = _pyarrow()
    try:
        read = pa.parquet.read_table(path)
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"{path} is not a Parquet file that can be read; extract the features again.") from error
    if tuple(read.column_names[: len(KEY_COLUMNS)]) != KEY_COLUMNS:
        raise InputError(f"{path} is not a feature table: its columns do not begin with {', '.join(KEY_COLUMNS)}.")
    keys = tuple(zip(*(read[name].to_pylist() for name in KEY_COLUMNS), strict=True))
    names = tuple(read.column_names[len(KEY_COLUMNS) :])
    values = np.empty((read.num_rows, len(names)))
    for j, name in enumerate(names):
        values[:, j] = read[name].to_numpy()
    metadata = json.loads((read.schema.metadata or {}).get(METADATA_KEY, b"{}"))
    return FeatureTable(keys, names, values, MappingProxyType(metadata))


def _write_csv(table: FeatureTable, path: Path) -> None:
    with atomic_path(path) as temporary, open(temporary, "w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow([*KEY_COLUMNS, *table.names])
        for key, row in zip(table.keys, table.values, strict=True):
            writer.writerow([*key, *(repr(float(value)) if np.isfinite(value) else "" for value in row)])
    with atomic_path(_beside(path)) as temporary:
        temporary.write_text(json.dumps(dict(table.metadata), indent=1, sort_keys=True), encoding="utf-8")


def _beside(path: Path) -> Path:
    """Where a CSV table's metadata is."""
    return path.with_name(f"{path.name}.json")


def _read_csv(path: Path) -> FeatureTable:
    with open(path, newline="", encoding="utf-8") as stream:
        try:
            header, *records = list(csv.reader(stream, strict=True))
            names = tuple(header[len(KEY_COLUMNS) :])
            if tuple(header[: len(KEY_COLUMNS)]) != KEY_COLUMNS or any(len(r) != len(header) for r in records):
                raise ValueError("its columns are not those of a feature table")
            keys = tuple((r[0], r[1], r[2], r[3]) for r in records)
            numbers = [[float(cell) if cell else np.nan for cell in r[len(KEY_COLUMNS) :]] for r in records]
        except (ValueError, csv.Error, UnicodeDecodeError) as error:
            raise InputError(f"{path} is not a feature table ({error}); extract the features again.") from error
    try:
        metadata = json.loads(_beside(path).read_text(encoding="utf-8")) if _beside(path).is_file() else {}
    except ValueError as error:
        raise InputError(f"{_beside(path)} is damaged ({error}); remove it or extract the features again.") from error
    values = np.array(numbers, dtype=np.float64).reshape(len(records), len(names))
    return FeatureTable(keys, names, values, MappingProxyType(metadata))
