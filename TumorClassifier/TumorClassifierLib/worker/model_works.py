"""The work on models: check a cohort before it is trained on, train, judge, report."""

import json
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from FeatureExtractorLib.errors import InputError, TumorClassifierError
from FeatureExtractorLib.files import check_can_write, json_text
from FeatureExtractorLib.manifest import CaseEntry, read_manifest
from FeatureExtractorLib.progress import Progress

from ..recipes import recipe_module
from ..settings import read_settings, settings_of
from .works import Tell

if TYPE_CHECKING:
    from ..measures import MeasureSettings
    from ..networks.curves import Epoch

Settings = Mapping[str, Any] | str | None
"""A recipe's settings: their values by name, a YAML file, or None for the defaults."""


def check(
    folder: Path, progress: Progress, tell: Tell, *, manifest: str, recipe: str, settings: Settings = None
) -> dict[str, Any]:
    """Look at a whole cohort before hours of training: data {"case", "patient", "label", "cohort", "error"} each.

    Raises InputError for what concerns the cohort as a whole, after its cases were told. Returns how many cases were
    checked and the sentences by case; cases that cannot be used would be left out by `train`.
    """
    from ..cohort_checks import checked_cohort

    progress("reading", 0.0)
    module = recipe_module(recipe)
    chosen = _chosen(module, settings)
    cohort = read_manifest(Path(manifest))
    wanted = module.measure_settings(chosen)
    failures = {}
    for i, entry in enumerate(cohort.entries):
        progress(f"checking · {i + 1} of {len(cohort.entries)} cases", i / len(cohort.entries))
        error = _why_not(entry, wanted)
        if error:
            failures[entry.case_id] = error
        told = {"case": entry.case_id, "patient": entry.patient_id, "label": entry.label, "cohort": entry.cohort}
        tell({**told, "error": error})
    progress("checking", 1.0)
    usable = [entry for entry in cohort.entries if entry.case_id not in failures]
    if not usable:
        raise InputError(f"None of the {len(failures)} cases can be used; the first: {next(iter(failures.values()))}")
    _, _, classes = checked_cohort(module, cohort, chosen)
    summary = {"cases": len(cohort.entries), "failures": failures, "classes": list(classes)}
    (folder / "check.json").write_text(json_text(summary), encoding="utf-8")
    return summary


def train(
    folder: Path,
    progress: Progress,
    tell: Tell,
    *,
    manifest: str,
    recipe: str,
    out: str,
    settings: Settings = None,
    checkpoint: str | None = None,
    cache: str | None = None,
    version: str = "1",
) -> dict[str, Any]:
    """Train a recipe on a cohort, judge it by cross-validation and write the model file `out`.

    checkpoint, cache: folders from which a run that was stopped goes on. Data: {"training", "epoch", "loss",
    "accuracy", "learning_rate", "validation_loss", "validation_accuracy"} after every epoch of a network; training
    counts the networks that were trained, one a fold and more.
    """
    from ..bundle import SUFFIX, write_bundle
    from ..networks.checkpoint import checkpoints_in
    from ..networks.curves import epochs_told_to
    from ..training import train as train_recipe

    progress("reading", 0.0)
    file = Path(out)
    if file.suffix != SUFFIX:
        raise InputError(f"{file} is no model's name; end it in {SUFFIX}.")
    check_can_write(file)
    module = recipe_module(recipe)
    chosen = _chosen(module, settings)
    cohort = read_manifest(Path(manifest))
    with ExitStack() as stack:
        stack.enter_context(checkpoints_in(Path(checkpoint) if checkpoint else None))
        stack.enter_context(epochs_told_to(Curves(tell)))
        bundle, left_out = train_recipe(
            recipe,
            cohort,
            chosen,
            name=file.stem,
            version=version,
            cache=Path(cache) if cache else None,
            progress=progress,
        )
    progress("writing", 0.0)
    digest = write_bundle(bundle, file)
    told = {name: bundle.manifest[name] for name in ("metrics", "test_metrics", "warnings")}
    return {"file": str(file), "sha256": digest, "failures": dict(left_out), **told}


def evaluate(
    folder: Path, progress: Progress, tell: Tell, *, model: str, manifest: str, cache: str | None = None
) -> dict[str, Any]:
    """Judge a model on labelled cases that it has not seen: evaluation.json, as `tumorclassifier evaluate --out`."""
    from ..store import load_model
    from ..training import evaluate as evaluate_model

    progress("reading", 0.0)
    found = evaluate_model(
        load_model(model), read_manifest(Path(manifest)), cache=Path(cache) if cache else None, progress=progress
    )
    (folder / "evaluation.json").write_text(json_text(found), encoding="utf-8")
    return {name: found[name] for name in ("metrics", "failures", "warnings", "patients", "cases")}


def report(
    folder: Path, progress: Progress, tell: Tell, *, model: str, evaluations: Sequence[str] = (), pdf: bool = True
) -> dict[str, Any]:
    """Write a model's report: report.html and, on request, report.pdf. evaluations: files that `evaluate` wrote."""
    from ..report.cohort import cohort_report
    from ..report.html import as_html
    from ..report.pdf import as_pdf
    from ..store import load_model

    progress("reading", 0.0)
    bundle = load_model(model)
    parts = [part for path in evaluations for part in _parts(Path(path), bundle)]
    progress("writing", 0.0)
    content = cohort_report(bundle, parts)
    (folder / "report.html").write_bytes(as_html(content).encode())
    if pdf:
        (folder / "report.pdf").write_bytes(as_pdf(content))
    return {"files": sorted(file.name for file in folder.iterdir())}


class Curves:
    """Tells every epoch; which of the trainings it belongs to is known by the epochs starting over."""

    def __init__(self, tell: Tell) -> None:
        self._tell = tell
        self._training, self._last = 0, 0

    def __call__(self, number: int, epoch: "Epoch") -> None:
        if self._training == 0 or number <= self._last:
            self._training += 1
        self._last = number
        self._tell({"training": self._training, "epoch": number, **asdict(epoch)})


def _chosen(module: ModuleType, settings: Settings) -> Any:
    if isinstance(settings, Mapping):
        return settings_of(module.Settings, settings)
    return read_settings(module.Settings, Path(settings) if settings else None)


def _why_not(entry: CaseEntry, wanted: "MeasureSettings") -> str:
    """The sentence why a case cannot be measured; empty where nothing is known against it."""
    try:
        cases = [entry.read(wanted.slice_spacing, wanted.alignment)]
        if entry.second_reader_mask is not None and wanted.of_tumour:
            cases.append(entry.read_second_reader(wanted.slice_spacing, wanted.alignment))
        for case in cases:
            for modality in wanted.modalities:
                case.image(modality)
                if wanted.needs_outline:
                    case.required_mask(modality)
    except TumorClassifierError as error:
        return str(error)
    except RuntimeError as error:  # of ITK, for images that none of our checks foresaw
        return f"Reading failed ({' '.join(str(error).split())[:300]}); check the image."
    return ""


def _parts(path: Path, bundle: Any) -> list[Any]:
    from ..report.evidence import parts_of

    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path} is no evaluation ({error}); give what evaluating a model has written.") from error
    parts = [{**part, "name": f"{part['name']} ({path.stem})"} for part in parts_of(document, bundle, str(path))]
    warnings = document.get("warnings") or []
    return [{**part, "warnings": warnings} for part in parts]
