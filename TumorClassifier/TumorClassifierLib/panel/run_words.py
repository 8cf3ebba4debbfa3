"""A run's stages and times as the user reads them."""

from slicer.i18n import tr as _

from FeatureExtractorLib.progress import stage_name


def elapsed(seconds: float) -> str:
    """Minutes and seconds, such as 1:05."""
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"


def in_words(stage: str) -> str:
    """A stage as the user reads it; names that are not known here are shown as they are."""
    before, colon, name = stage_name(stage).rpartition(": ")  # such as fold 1/5: training
    after = stage[len(stage_name(stage)) :]
    known = {
        "starting": _("Starting"),
        "reading": _("Reading the images"),
        "preparing": _("Preparing the images"),
        "bias field": _("Correcting the bias field"),
        "correcting": _("Correcting the bias field"),
        "resampling": _("Resampling"),
        "radiomics": _("Measuring radiomics features"),
        "deep features": _("Measuring deep features"),
        "volume": _("Preparing the whole volume"),
        "measuring": _("Measuring"),
        "extracting": _("Measuring"),
        "comparing": _("Comparing outlines"),
        "checking": _("Checking"),
        "explanation": _("Drawing the map"),
        "class activation": _("Drawing the map"),
        "detection": _("Looking for the tumour"),
        "network": _("Running the network"),
        "features of the frozen network": _("Measuring deep features"),
        "training": _("Training"),
        "training the detector": _("Training the detector"),
        "cross-validation": _("Cross-validating"),
        "drawing": _("Drawing the figures"),
        "maps": _("Drawing the maps"),
        "writing": _("Writing the results"),
    }
    text = known.get(name, name) + after
    whole = f"{before}{colon}{text}"
    return whole[:1].upper() + whole[1:]
