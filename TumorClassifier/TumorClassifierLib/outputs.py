"""The files that a classified case leaves: prediction, report, map, nomogram and, where it is installed, the scene."""

import shutil
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

import SimpleITK as sitk

from FeatureExtractorLib.case import Case
from FeatureExtractorLib.errors import InputError
from FeatureExtractorLib.files import atomic_folder, copied_to, json_text
from FeatureExtractorLib.progress import Progress, silent

from .bundle import Bundle
from .dicom_output import FILES as DICOM_FILES
from .dicom_output import DicomOutput
from .nomogram import Nomogram
from .nomogram_figure import draw_nomogram
from .report import patient_pdf, patient_report, tumour_picture
from .results import ClassificationResult
from .stopwatch import Stopwatch

OPTIONAL = {"cam.nrrd", "nomogram.svg", "report.pdf", "scene.mrb", "view.png", *DICOM_FILES}
SCENE_NOTE = "scene.mrb and view.png were not made because slicer-core is not installed; see `tumorclassifier doctor`."


def write_outputs(
    case: Case,
    bundle: Bundle,
    result: ClassificationResult,
    folder: Path,
    progress: Progress = silent,
    dicom: DicomOutput | None = None,
    scene: bool = True,
) -> tuple[list[Path], dict[str, float], list[str]]:
    """Write every output of a case into `folder`, all or none; what an earlier case left there is replaced or removed.

    dicom: what to write of it as DICOM. scene: whether scene.mrb and view.png are wanted, which a host that shows the
    result in a scene of its own does not need. Returns the files, the seconds of each output and sentences about what
    was left out. Raises InputError when the folder cannot be written to or the disk is full, and as
    `DicomOutput.write`.
    """
    modality, image = next(iter(case.images.items()))
    watch, notes = Stopwatch(), []
    with atomic_folder(folder) as unfinished:
        progress("writing", 0.0)
        (unfinished / "prediction.json").write_text(json_text(dict(result.prediction)), encoding="utf-8")
        if result.cam is not None:
            with copied_to(unfinished / "cam.nrrd") as written:
                sitk.WriteImage(result.cam, str(written), useCompression=True)
        with watch.stage("report"):
            if result.nomogram is not None:
                draw_nomogram(Nomogram.from_json(result.nomogram), unfinished / "nomogram.svg", dict(result.values))
            picture = tumour_picture(image, case.mask, result.cam)
            report = patient_report(result, bundle.manifest, picture, outlined=case.mask is not None)
            (unfinished / "report.html").write_text(report, encoding="utf-8")
            if find_spec("reportlab") is not None:
                printed = patient_pdf(result, bundle.manifest, picture, outlined=case.mask is not None)
                (unfinished / "report.pdf").write_bytes(printed)
        if dicom is not None:
            with watch.stage("dicom"):
                notes += dicom.write(case, result, unfinished)
        progress("writing", 0.5)
        if scene and find_spec("slicer") is None:
            notes.append(SCENE_NOTE)
        elif scene:
            with watch.stage("scene"):
                notes += _write_scene(case, modality, result, unfinished)
        names = sorted(item.name for item in unfinished.iterdir())
        progress("writing", 1.0)
    for name in OPTIONAL - set(names):  # of another case, perhaps: it must not lie beside this one's prediction
        (folder / name).unlink(missing_ok=True)
    return [folder / name for name in names], watch.seconds, notes


def _write_scene(case: Case, modality: str, result: ClassificationResult, folder: Path) -> list[str]:
    """Write `scene.mrb` and `view.png`; returns a sentence where the picture cannot be drawn."""
    from .scene.explanation import evidence_of
    from .scene.headless import start
    from .scene.results import show_result
    from .scene.storage import save_mrb
    from .scene.view import draw_slice
    from .scene.volumes import add_segmentation, add_volume

    scene = start().scene
    scene.Clear(0)
    volume = add_volume(scene, case.image(modality), modality)
    segmentation = None if case.mask is None else add_segmentation(scene, case.mask, volume, "Segmentation")
    evidence = evidence_of(result)
    shown = show_result(scene, volume, segmentation, result.prediction, result.cam, result.nomogram, evidence)
    save_mrb(scene, folder / "scene.mrb")
    with TemporaryDirectory(prefix="tumorclassifier-") as elsewhere:  # so that a full disk is told from no drawing
        drawn = Path(elsewhere) / "view.png"
        try:
            draw_slice(scene, volume, segmentation, shown.cam, drawn)
        except InputError as error:
            return [f"view.png was not made: {error}"]
        shutil.copyfile(drawn, folder / drawn.name)
    return []
