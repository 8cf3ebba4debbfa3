"""What a model file shows of how a study was done: the facts that the report's sections and checklists rest on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from FeatureExtractorLib.errors import InputError

from ..bundle import Bundle

Part = Mapping[str, Any]
CROSS_VALIDATION = "cross-validation"


@dataclass(frozen=True)
class Evidence:
    """A model file's documents, sorted for the report.

    inner: the parts judged by cross-validation; test: those of the cohort's held-back patients; outer: those of other
    manifests, judged later. description, cohort_table: empty where the model file has none.
    """

    manifest: Mapping[str, Any]
    sha256: str
    description: Mapping[str, Any]
    cohort_table: Mapping[str, Any]
    inner: tuple[Part, ...]
    test: tuple[Part, ...]
    outer: tuple[Part, ...]

    @property
    def parts(self) -> tuple[Part, ...]:
        """All parts, in the order of the report."""
        return (*self.inner, *self.test, *self.outer)

    @property
    def classes(self) -> tuple[str, ...]:
        """The classes in the model's order."""
        return tuple(map(str, self.manifest["classes"]))

    @property
    def settings(self) -> Mapping[str, Any]:
        """The recipe's settings."""
        settings: Mapping[str, Any] = self.manifest["settings"]
        return settings

    @property
    def modalities(self) -> tuple[str, ...]:
        """The images used."""
        return tuple(map(str, self.manifest["modalities"]))

    @property
    def models(self) -> tuple[str, ...]:
        """The sub-models that were judged anywhere."""
        judged = [part["metrics"] for part in self.parts] or [self.manifest.get("metrics") or {}]
        return tuple(dict.fromkeys(str(name) for metrics in judged for name in metrics))

    @property
    def by_class(self) -> dict[str, int]:
        """Training patients of each class, in the model's order."""
        counts = self.manifest["cohort"]["patients_by_class"]
        return {name: int(counts.get(name, 0)) for name in self.classes}

    @property
    def patients(self) -> int:
        """Patients that the model was trained on."""
        return int(self.manifest["cohort"]["patients"])

    @property
    def scarcest(self) -> int:
        """Patients of the class that has fewest."""
        return min(self.by_class.values())

    @property
    def signatures(self) -> Sequence[Mapping[str, Any]]:
        """The linear scores of feature blocks."""
        return self.description.get("signatures") or ()

    @property
    def radiomics(self) -> Mapping[str, Any]:
        """The radiomics settings in PyRadiomics' words; empty where no radiomics is measured."""
        return self.manifest.get("radiomics") or {}

    @property
    def setting(self) -> Mapping[str, Any]:
        """The radiomics settings that hold for all image types."""
        return self.radiomics.get("setting") or {}

    @property
    def compared(self) -> bool:
        """Whether models were compared by DeLong's test anywhere."""
        return any(pairs_of(delong) for part in self.parts for _, delong in by_class(part.get("delong"), "models"))

    @property
    def calibrated(self) -> bool:
        """Whether the whole model's calibration was looked at."""
        return any(
            bool(curve.get("curve")) or curve.get("slope") is not None
            for part in self.parts
            for _, curve in by_class((part.get("calibration") or {}).get(part["main"]), "curve")
        )

    @property
    def outlined_twice(self) -> int | None:
        """Training cases that a second reader outlined, too; None where the model file does not say."""
        count = self.manifest["cohort"].get("second_reader")
        return count if isinstance(count, int) else None

    @property
    def agreement(self) -> str:
        """What shows that unstable features were dropped; empty where nothing does."""
        if self.settings.get("stable_features"):
            return f"list of stable features {self.settings['stable_features']}"
        if self.outlined_twice is not None:
            who = f"{self.outlined_twice} cases outlined by a second reader" if self.outlined_twice > 1 else ""
        else:  # a model file of before the count: features that were dropped tell that there was a second reader
            dropped = any(
                "stable" in steps and steps["stable"] < steps.get("usable", steps["stable"])
                for steps in (self.description.get("flow") or {}).values()
            )
            who = "a second reader's outlines" if dropped else ""
        return f"{who}, ICC at least {self.settings.get('icc')}" if who else ""


def evidence_of(bundle: Bundle, others: Sequence[Part] = ()) -> Evidence:
    """Sort a model file's documents; others: parts of cohorts judged later."""
    evaluation = bundle.documents.get("evaluation") or {}
    parts: Sequence[Part] = evaluation.get("cohorts") or ()
    return Evidence(
        manifest=bundle.manifest,
        sha256=bundle.sha256,
        description=bundle.documents.get("description") or {},
        cohort_table=evaluation.get("cohort_table") or {},
        inner=tuple(part for part in parts if str(part["name"]) == CROSS_VALIDATION),
        test=tuple(part for part in parts if str(part["name"]) != CROSS_VALIDATION),
        outer=tuple(others),
    )


def parts_of(document: Any, bundle: Bundle, source: str) -> list[Part]:
    """The parts in what `evaluate --out` wrote; raises InputError where it is nothing of this model."""
    if not isinstance(document, Mapping):
        raise InputError(f"{source} holds no evaluation; give a file that `evaluate --out` has written.")
    inner = document.get("evaluation", document)
    found = inner.get("cohorts", [inner]) if isinstance(inner, Mapping) else []
    needed = {"name", "classes", "main", "y", "probabilities", "metrics"}
    if not isinstance(found, list) or not found or not all(isinstance(p, Mapping) and needed <= set(p) for p in found):
        raise InputError(f"{source} holds no evaluation; give a file that `evaluate --out` has written.")
    if document.get("manifest") and document["manifest"] == bundle.manifest["cohort"].get("manifest"):
        raise InputError(
            f"{source} judges the very patients that {bundle.name} was trained on; give another cohort's."
        )
    sha256 = (document.get("model") or {}).get("sha256", bundle.sha256)
    if sha256 != bundle.sha256 or any(list(part["classes"]) != list(bundle.manifest["classes"]) for part in found):
        raise InputError(f"{source} is about another model than {bundle.name}; evaluate this model and try again.")
    return found


def by_class(value: Any, key: str) -> list[tuple[str, Mapping[str, Any]]]:
    """(class, document) pairs of a document that is given once for two classes and by class for more.

    key: one that only the document itself has; the class is empty where there is one for all.
    """
    if not value:
        return []
    if key in value:
        return [("", value)]
    return [(str(name), document) for name, document in value.items() if document]


def pairs_of(delong: Mapping[str, Any]) -> list[tuple[str, str, float | None, float | None, float | None]]:
    """(model, model, difference in AUC, p, corrected p) of every pair of a DeLong matrix."""
    models = list(delong["models"])
    return [
        (models[i], models[j], *(delong[name][i][j] for name in ("difference", "p", "p_corrected")))
        for i in range(len(models))
        for j in range(i + 1, len(models))
    ]
