"""Where the files are that come with the code: presets, models, templates."""

from pathlib import Path


def resource_path(relative: str, lib_file: str) -> Path:
    """The path of `relative` (such as "Presets/dtlr.yaml") in the Resources that belong to the caller's package.

    `lib_file` is the caller's `__file__`, at any depth of FeatureExtractorLib or TumorClassifierLib. In a checkout and
    in Slicer the Resources folder lies beside the package, in an installed wheel inside it. The path of the second is
    returned, existing or not, where the first does not exist; raises ValueError for a file outside a package `*Lib`.
    """
    for folder in Path(lib_file).absolute().parents:
        if folder.name.endswith("Lib"):
            beside = folder.parent / "Resources" / relative
            return beside if beside.exists() else folder / "Resources" / relative
    raise ValueError(f"{lib_file} lies in no package whose name ends in Lib.")
