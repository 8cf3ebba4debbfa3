"""Draw the pictures of the tutorial and of the Extension Index: both panels in each state, on the drawn head.

    python Testing/Tools/screenshots.py [--out FOLDER] [--only NAME ...] [--real] [--dark] [--font 150]

The panels are real, with their workers and models, on the stand-in for Slicer's application. The Train tab's cases are
real slices from ../shared/data or the folder that TUMORCLASSIFIER_TEST_DATA names, and its picture is left out, which
is said, where there are none. --real (a real case in the place of the drawn head), --dark and --font are for looking
at the panels, not for pictures to keep.
"""

import argparse
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPOSITORY / "Testing" / "Standin"))
PICTURES = REPOSITORY / "docs" / "pictures"
COLOURS = 160  # of a picture file: grey values of a head and the few colours of panels need no more
WINDOW = (1280, 860)
PANEL_WIDTH = 510
ANY_HEIGHT = 16777215  # Qt's own word for it
RUN_SECONDS = 600.0
OUTLINE_OF_BRAIN1 = "brain1_label.nrrd"


class Studio:
    """The running stand-in, its window, and where pictures go."""

    def __init__(self, arguments: argparse.Namespace, data: Path | None) -> None:
        from start import start

        self.standin = start()
        self.folder, self.data, self.only, self.real = arguments.out, data, arguments.only, arguments.real
        self._look(arguments.dark, arguments.font)
        self.window = self.standin.open_window(*WINDOW)
        for name in ("FeatureExtractor", "TumorClassifier"):
            self.standin.load(REPOSITORY / name / f"{name}.py")
        self.folder.mkdir(parents=True, exist_ok=True)

    def _look(self, dark: bool, font: int) -> None:
        from PySide6.QtGui import QColor, QPalette
        from PySide6.QtWidgets import QApplication

        application: Any = QApplication.instance()
        application.setStyle("Fusion")
        text = application.font()
        text.setPointSizeF(text.pointSizeF() * font / 100)
        application.setFont(text)
        if dark:
            palette = QPalette(QColor("#353535"), QColor("#353535"))
            palette.setColor(QPalette.ColorRole.Base, QColor("#2a2a2a"))
            application.setPalette(palette)

    def panel(self, name: str) -> Any:
        """Show a module; returns what its widget holds."""
        import slicer

        slicer.util.selectModule(name)
        self.standin.process(0.2)
        return getattr(slicer.modules, f"{name}Widget").panel

    def keep(self, name: str, widget: Any) -> None:
        """Write a widget's picture, with few colours."""
        if self.only and name not in self.only:
            return
        from PIL import Image

        self.settle()
        path = self.folder / f"{name}.png"
        widget.grab().save(str(path))
        Image.open(path).convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE).save(path, optimize=True)
        print(f"{path}  {path.stat().st_size / 1000:.0f} kB", flush=True)

    def settle(self) -> None:
        """Let sizes find their way from the innermost widget out to the scrolled panel, and views draw."""
        from PySide6.QtWidgets import QScrollArea

        for _round in range(3):
            for area in self.window._object.findChildren(QScrollArea):
                inner: Any = area.widget()
                while inner is not None and inner.isVisible():
                    inner.updateGeometry()
                    inner = inner.layout() and inner.layout().count() and inner.layout().itemAt(0).widget()
            self.standin.process(0.35)  # a picture in a panel is fitted every 0.2 s

    def keep_panel(self, name: str, panel: Any) -> None:
        """The whole panel, which in the window would have to be scrolled."""
        from PySide6.QtCore import QSize

        widget = panel.owner.parent._object
        self.standin.process(0.2)
        before = widget.size()
        height = max(widget.layout().heightForWidth(PANEL_WIDTH), widget.minimumSizeHint().height())
        widget.setMaximumHeight(height)  # a window that is higher leaves it empty below
        widget.resize(QSize(PANEL_WIDTH, height))
        self.keep(name, widget)
        widget.setMaximumHeight(ANY_HEIGHT)
        widget.resize(before)

    def until(self, done: Callable[[], bool]) -> None:
        """Let everything work until something is so."""
        self.standin.wait(done, RUN_SECONDS)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=PICTURES)
    parser.add_argument("--only", nargs="*", default=[])
    parser.add_argument("--real", action="store_true")
    parser.add_argument("--dark", action="store_true")
    parser.add_argument("--font", type=int, default=100)
    arguments = parser.parse_args()
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    chosen = Path(os.environ.get("TUMORCLASSIFIER_TEST_DATA", REPOSITORY.parent / "shared" / "data"))
    studio = Studio(arguments, chosen if chosen.is_dir() else None)
    for draw, first_words in DRAWINGS.items():
        if not arguments.only or any(name.split("-")[0] in first_words for name in arguments.only):
            draw(studio)
            studio.standin.scene.Clear()


def draw_classification(studio: Studio) -> None:
    """TumorClassifier from an empty scene to the result."""
    panel = studio.panel("TumorClassifier")
    ui = panel.ui
    studio.keep_panel("classify-empty", panel)
    volume, segmentation = load_case(studio, panel)
    show_tumour(volume, segmentation)
    studio.keep("classify-ready", studio.window)
    ui.editorSection.collapsed = False
    studio.keep_panel("segment-editor", panel)
    ui.editorSection.collapsed = True
    ui.modelStep.collapsed, ui.imageStep.collapsed, ui.segmentStep.collapsed = False, True, True
    studio.keep_panel("model-card", panel)
    ui.modelStep.collapsed = True
    ui.correctStep.collapsed = False
    ui.correctButton.click()
    studio.until(lambda: not panel.correctStep.run.busy)
    studio.keep_panel("bias-corrected", panel)
    ui.correctStep.collapsed = True
    ui.classifyButton.click()
    early = ("Starting", "Reading", "")
    studio.until(lambda: not panel.classifyStep.run.busy or ui.classifyLabel.text.split(" ")[0] not in early)
    studio.keep_panel("classify-running", panel)
    studio.until(lambda: not panel.classifyStep.run.busy)
    if panel.resultStep.kept is None:
        sys.exit(f"no result: {ui.classifyLabel.text}")
    ui.classifyStep.collapsed, ui.resultStep.collapsed = True, False
    show_tumour(volume, segmentation)
    studio.keep("result", studio.window)
    studio.keep_panel("result-panel", panel)


def load_case(studio: Studio, panel: Any) -> tuple[Any, Any]:
    """The drawn head, or brain1 with its outline."""
    import SimpleITK as sitk
    import slicer

    from TumorClassifierLib.panel.sample_data import TERMINOLOGY
    from TumorClassifierLib.scene.volumes import add_segmentation, add_volume

    if studio.data is None or not studio.real:
        panel.ui.sampleDataButton.click()
        return panel.firstImage(), panel.outline()[0]
    folder = studio.data / "pyradiomics_cases"
    mask = sitk.Cast(sitk.ReadImage(str(folder / OUTLINE_OF_BRAIN1)) > 0, sitk.sitkUInt8)
    volume = add_volume(slicer.mrmlScene, sitk.ReadImage(str(folder / "brain1_image.nrrd")), "brain1")
    segmentation = add_segmentation(slicer.mrmlScene, mask, volume, "brain1 outline", "Tumour")
    segment = segmentation.GetSegmentation().GetNthSegment(0)
    segment.SetTag(segment.GetTerminologyEntryTagName(), TERMINOLOGY)
    panel.enter()
    return volume, segmentation


def show_tumour(volume: Any, segmentation: Any) -> None:
    """The views on the middle of the outline, and its surface in 3D."""
    import numpy as np
    import slicer

    from TumorClassifierLib.scene.volumes import segment_mask

    slicer.util.setSliceViewerLayers(background=volume, fit=True)
    segment_id = segmentation.GetSegmentation().GetNthSegmentID(0)
    mask = segment_mask(segmentation, segment_id, volume)
    import SimpleITK as sitk

    k, j, i = (int(round(c.mean())) for c in np.nonzero(sitk.GetArrayViewFromImage(mask)))
    x, y, z = mask.TransformIndexToPhysicalPoint((i, j, k))
    segmentation.GetDisplayNode().SetOpacity2DFill(0.2)
    segmentation.CreateClosedSurfaceRepresentation()
    manager = slicer.app.layoutManager()
    for name in manager.sliceViewNames():
        manager.sliceWidget(name).mrmlSliceNode().JumpSliceByCentering(-x, -y, z)
    manager.resetSliceViews()
    for name in manager.sliceViewNames():
        manager.sliceWidget(name).mrmlSliceNode().JumpSlice(-x, -y, z)
    manager.resetThreeDViews()


def draw_measurement(studio: Studio) -> None:
    """FeatureExtractor with the table that it measures."""
    classifier = studio.panel("TumorClassifier")
    volume, segmentation = load_case(studio, classifier)
    panel = studio.panel("FeatureExtractor")
    show_tumour(volume, segmentation)
    studio.keep_panel("features-ready", panel)
    panel.ui.applyButton.click()
    studio.until(lambda: not panel.run.button.busy)
    panel.ui.featuresStep.collapsed = True
    studio.keep("features-table", studio.window)


def draw_training(studio: Studio) -> None:
    """The Train tab: cases checked, a short training, its figures."""
    if studio.data is None:
        print("no real data: the Train tab is left out", flush=True)
        return
    panel = studio.panel("TumorClassifier")
    panel.ui.tabs.currentIndex = 1
    tab = panel.trainTab
    manifest = write_manifest(studio)
    os.chdir(manifest.parent.parent)  # a reader's cohort lies elsewhere
    tab.ui.manifestPath.currentPath = str(manifest.relative_to(Path.cwd()))
    tab.ui.checkButton.click()
    studio.until(lambda: not tab.checkRun.busy)
    studio.keep_panel("train-checked", panel)


def write_manifest(studio: Studio) -> Path:
    """Six slices of each of two classes of public brain tumours in a folder of a short name, one mask missing."""
    import csv
    import shutil

    assert studio.data is not None
    source, folder = studio.data / "brain_t1c_slices", Path(tempfile.gettempdir()) / "cohort"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    with open(source / "slices.csv", newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    with open(folder / "cohort.csv", "w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(["case_id", "patient_id", "image_T1C", "mask", "label", "cohort"])
        for label in ("meningioma", "glioma"):
            patients = sorted({row["patient"] for row in rows if row["class"] == label})[:6]
            for n, patient in enumerate(patients):
                row = next(row for row in rows if row["patient"] == patient and row["class"] == label)
                image, mask = f"{row['slice']}.jpg", f"{row['slice']}.png"
                shutil.copyfile(source / row["image"], folder / image)
                if (label, n) != ("meningioma", 1):
                    shutil.copyfile(source / row["mask"], folder / mask)
                writer.writerow([row["slice"], patient, image, mask, label, "test" if n == 5 else "train"])
    return folder / "cohort.csv"


DRAWINGS = {
    draw_classification: ("classify", "segment", "model", "bias", "result"),
    draw_measurement: ("features",),
    draw_training: ("train",),
}

if __name__ == "__main__":
    main()
