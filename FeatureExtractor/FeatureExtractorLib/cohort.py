"""Many cases to a feature table: in parallel, and so that a run that was interrupted goes on where it stopped."""

import os
import socket
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from .case_store import CaseStore, Finished
from .cluster import in_cluster
from .errors import InputError, TumorClassifierError
from .extraction import ExtractionSettings, Plan, extract_case, input_hashes, plan_extraction, table_metadata
from .fingerprint import code_identity, digest_of
from .manifest import CaseEntry
from .pace import Pace
from .processes import Died, in_processes
from .progress import Progress, silent
from .table import FeatureRow, FeatureTable, table_of, write_table

WHY_AGAIN = MappingProxyType(
    {
        "settings": "the settings changed",
        "files": "an input file changed",
        "segment": "another segment is to be measured",
        "code": "the code or a package changed",
    }
)
"""What a finished case is made of, and what is said when that has changed; the first that holds is said."""


@dataclass(frozen=True)
class CohortSummary:
    """What became of a cohort.

    failures: reasons by case. kept: cases that an earlier run had finished. again: how many finished cases were
    measured again, by reason.
    """

    rows: int
    features: int
    failures: Mapping[str, str]
    kept: int
    again: Mapping[str, int]


@dataclass(frozen=True)
class Task:
    """A case as it is sent to where it is measured. made_of: what its finished result was made of, if it has one."""

    entry: CaseEntry
    plan: Plan
    code: Mapping[str, str]
    made_of: Mapping[str, Any] | None


def extract_cohort(
    entries: Sequence[CaseEntry],
    settings: ExtractionSettings,
    out: Path,
    *,
    jobs: int = 1,
    dask: str = "",
    progress: Progress = silent,
) -> CohortSummary:
    """Measure every case and write the table (.parquet or .csv), cases in the order given.

    jobs: cases at once, each in a process of its own; 1 measures in this process, the only way inside Slicer.
    dask: the address of a cluster to use instead, or "local" for one of `jobs` workers. The table does not depend on
    these, nor on which case is done first.

    Each case is kept in the folder `<out>.work` as soon as it is finished, until the table is written. However a run
    ended, the next one goes on from there; what was made of other settings, files or code is measured again. A case
    that cannot be measured becomes a row with the reason; where that was not the case's own fault, such as a process
    that died twice, the next run tries it again. Raises InputError when `out`, jobs or settings cannot be used and,
    with nothing written, when no case could be measured; also as `plan_extraction`, `in_cluster` and `progress` do.
    """
    _check(entries, jobs)
    out = Path(out).absolute()
    store = CaseStore(out.with_name(f"{out.name}.work"))
    inputs: dict[str, Mapping[str, str]] = {}
    lost: dict[str, FeatureRow] = {}
    again: Counter[str] = Counter()
    pace = Pace(len(entries))
    try:
        # What writing would refuse after hours of work is refused now.
        _write(table_of([], {}), store, out)
        plan = plan_extraction(settings)
        tasks = (_task(entry, plan, store) for entry in entries)
        with closing(_answers(measure, tasks, jobs, dask)) as answers:
            for task, answer in answers:
                case_id, made_of = task.entry.case_id, task.made_of
                if isinstance(answer, Finished):
                    store.write(case_id, answer)
                    again.update(_why_again(made_of, answer.made_of))
                    made_of = answer.made_of
                elif answer is not None:
                    lost[case_id] = FeatureRow(case_id, task.entry.segment, error=_reason(answer))
                inputs[case_id] = dict(made_of["files"]) if made_of else {}
                failed = any(row.error for row in _rows_of(case_id, store, lost))
                pace.add(measured=answer is not None, failed=failed)
                progress(f"extracting · {pace.words()}", pace.fraction)
        table = table_of(_Rows(entries, store, lost), table_metadata(settings, plan, inputs))
        failures = _failures(table)
        if len(failures) == len(table.keys):
            store.remove()
            raise InputError(next(iter(failures.values())))
        _write(table, store, out)
        _move_into_place(store.folder / "table", out)
        store.remove()
    finally:
        store.remove_if_empty()
    return CohortSummary(len(table.keys), len(table.names), failures, pace.kept, MappingProxyType(dict(again)))


def measure(task: Task) -> Finished | str | None:
    """A case's result; None where the finished one still holds, words where something unforeseen happened.

    Raises InputError where this machine's code is not the one that asks.
    """
    _check_code(task.code)
    made_of = {
        "settings": digest_of(asdict(task.plan)),
        "files": [[name, digest] for name, digest in input_hashes(task.entry).items()],
        "segment": task.entry.segment,
        "code": digest_of(dict(task.code)),
    }
    if task.made_of == made_of:
        return None
    try:
        return Finished(made_of, tuple(extract_case(task.entry, task.plan)))
    except TumorClassifierError:
        raise
    except Exception as error:  # noqa: BLE001 - no case may end a cohort; its row says what happened
        what = " ".join(str(error).split())
        return f"Something unforeseen happened while it was measured ({type(error).__name__}: {what}); report it."


class _Rows:
    """The rows of all cases in the manifest's order, read from the store each time they are gone through."""

    def __init__(self, entries: Sequence[CaseEntry], store: CaseStore, lost: Mapping[str, FeatureRow]) -> None:
        self._entries, self._store, self._lost = entries, store, lost

    def __iter__(self) -> Iterator[FeatureRow]:
        for entry in self._entries:
            yield from _rows_of(entry.case_id, self._store, self._lost)


def _rows_of(case_id: str, store: CaseStore, lost: Mapping[str, FeatureRow]) -> tuple[FeatureRow, ...]:
    if case_id in lost:
        return (lost[case_id],)
    finished = store.read(case_id)
    if finished is None:
        raise InputError(
            f"What was measured of case {case_id} has gone from {store.folder}; make sure that no other run writes "
            "the same table, and start again."
        )
    return finished.rows


def _task(entry: CaseEntry, plan: Plan, store: CaseStore) -> Task:
    """Plain mappings can be sent elsewhere, and absolute paths mean the same there."""

    def plain(value: Any) -> Any:
        if isinstance(value, Mapping):
            return {name: plain(part) for name, part in value.items()}
        return value.absolute() if isinstance(value, Path) else value

    finished = store.read(entry.case_id)
    sent = replace(entry, **{field.name: plain(getattr(entry, field.name)) for field in fields(entry)})
    return Task(sent, plan, code_identity(), finished.made_of if finished else None)


def _answers(
    function: Callable[[Task], Any], tasks: Iterable[Task], jobs: int, dask: str
) -> Generator[tuple[Task, Finished | str | Died | None], None, None]:
    if dask:
        yield from in_cluster(function, tasks, dask, jobs)
    elif jobs > 1:
        yield from in_processes(function, tasks, jobs)
    else:
        yield from ((task, function(task)) for task in tasks)


def _why_again(before: Mapping[str, Any] | None, now: Mapping[str, Any]) -> list[str]:
    """The reason why a finished case was measured again; none where it had not been finished."""
    if before is None:
        return []
    return [why for kind, why in WHY_AGAIN.items() if before.get(kind) != now[kind]][:1]


def _reason(answer: str | Died) -> str:
    if isinstance(answer, str):
        return answer
    return (
        f"The process that measured it died twice ({answer.how}), perhaps for want of memory; start again with fewer "
        "jobs."
    )


def _failures(table: FeatureTable) -> Mapping[str, str]:
    """Reasons by case; by case and segment where a case has several rows."""
    rows = Counter(table.case_ids)
    return MappingProxyType(
        {
            case if rows[case] == 1 else f"{case}, segment {segment}": error
            for case, segment, _, error in table.keys
            if error
        }
    )


def _check(entries: Sequence[CaseEntry], jobs: int) -> None:
    if jobs < 1:
        raise InputError(f"{jobs} cases cannot be measured at once; choose 1 job or more.")
    if not entries:
        raise InputError("There is no case to measure; name one, or a manifest with a row a case.")
    case_id, times = Counter(entry.case_id for entry in entries).most_common(1)[0]
    if times > 1:
        raise InputError(f"Case {case_id} is there {times} times; give every case a case_id of its own.")


def _check_code(expected: Mapping[str, str]) -> None:
    own = code_identity()
    for name in sorted(expected.keys() | own.keys()):
        if expected.get(name) != own.get(name):
            raise InputError(
                f"A worker on {socket.gethostname()} has {name} {own.get(name, 'not at all')} instead of "
                f"{expected.get(name, 'none')}; install the same packages everywhere and start again."
            )


def _write(table: FeatureTable, store: CaseStore, out: Path) -> None:
    """Write a table beside the finished cases; raises InputError, naming the user's file or its folder."""
    inner = store.folder / "table" / out.name
    try:
        write_table(table, inner)
    except InputError as error:
        reason = str(error)
        for path, meant in ((inner, out), (inner.parent, out.parent), (store.folder, out.parent)):
            reason = reason.replace(str(path), str(meant))
        raise type(error)(reason) from error


def _move_into_place(folder: Path, out: Path) -> None:
    """Move the files of a written table to where they belong, the table itself last, and onto the disk."""
    for file in sorted(folder.iterdir(), key=lambda file: file.name == out.name):
        with open(file, "rb+") as stream:
            os.fsync(stream.fileno())
        os.replace(file, out.with_name(file.name))
