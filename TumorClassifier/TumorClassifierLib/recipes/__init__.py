"""One file per publication: its steps in its own order, trainable on any cohort.

A recipe is a module with

- `Settings`: a frozen dataclass of every number it uses; `PUBLICATION`: what it follows; `MAIN`: its whole model
  among the sub-models;
- `measure_settings(settings) -> MeasureSettings`: what is measured of each case; `networks(settings)`: in words;
- `fit(cases, classes, settings, progress, levels)`: every fitted step, on these cases only; levels: of categorical
  clinical variables, by name, where the cases need not show all of them. Two classes are (negative, positive). What
  is fitted has `classes`, `nomograms`, `threshold` (None for three or more classes), `trust` and `warnings`;
- `probabilities(fitted, cases)`: (n, K) by the whole model and by each sub-model;
- `describe(fitted)`: what a report says of it;
- `pack(fitted)` and `unpack(bundle)`: to a bundle's documents and weights, and back;
- `case_maps(fitted, settings, cases, called, progress)`, where it draws maps of measured cases: a `CaseMap` a case
  of the class index that it was called, None of one without an outline;
- `activations(bundle)`: how its maps can be made, none where it draws none;
- `classify(case, bundle, progress, activation, target) -> ClassificationResult`, with a map for any class.

To add one, add its file and its line here.
"""

import importlib
from types import ModuleType

from FeatureExtractorLib.errors import InputError

RECIPES = {
    "dtlr-nomogram": "dtlr_nomogram",
    "multimodal-signature": "multimodal_signature",
    "resnet-transfer": "resnet_transfer",
    "volume-cnn": "volume_cnn",
    "weighted-fusion": "weighted_fusion",
}


def recipe_module(name: str) -> ModuleType:
    """The module of a recipe; raises InputError naming the recipes there are."""
    if name not in RECIPES:
        raise InputError(f"There is no recipe called {name!r}; choose one of {', '.join(RECIPES)}.")
    return importlib.import_module(f"{__name__}.{RECIPES[name]}")
