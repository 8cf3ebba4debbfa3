"""What a feature is: a function of a class's measurements, its unit and its IBSI tag."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Feature:
    """One number of a feature class; the formula is in the docstring of `compute`.

    compute: measurements -> float, or one value per direction, of which the feature is the mean.
    ibsi: four-character tag of the Image Biomarker Standardisation Initiative, empty where it has none.
    unit: "1" (none), "intensity", "grey level", "mm", "mm2", "mm3" or a power or product of these.
    by_name_only: left out unless the settings name it, because another feature says the same.
    standard: by IBSI's definition, where that is not PyRadiomics'.
    """

    compute: Callable[[Any], Any]
    ibsi: str = ""
    unit: str = "1"
    by_name_only: bool = False
    standard: Callable[[Any], Any] | None = None

    def by(self, ibsi: bool) -> Callable[[Any], Any]:
        """The function to use by IBSI's definition, or by PyRadiomics'."""
        return self.standard if ibsi and self.standard else self.compute


@dataclass(frozen=True)
class FeatureClass:
    """A family of features that are all read off the same measurements.

    The table's order is that of PyRadiomics' results.
    measure: (region, settings) -> measurements, once for each filtered image; a region is a Roi, for shape a mask
    with its spacing.
    """

    measure: Callable[[Any, Mapping[str, Any]], Any]
    features: Mapping[str, Feature]

    def chosen(self, names: list[str] | None) -> list[str]:
        """Names to compute: those listed, in their order, or all regular ones in the order of the table."""
        return list(names) if names else [name for name, f in self.features.items() if not f.by_name_only]
