"""3D Slicer module: measure radiomics features of outlined tumours."""

from collections.abc import Callable, Sequence
from typing import Any

import slicer
from slicer.i18n import tr as _
from slicer.i18n import translate
from slicer.ScriptedLoadableModule import (
    ScriptedLoadableModule,
    ScriptedLoadableModuleLogic,
    ScriptedLoadableModuleTest,
    ScriptedLoadableModuleWidget,
)


class FeatureExtractor(ScriptedLoadableModule):
    """What Slicer shows of the module before it is opened."""

    def __init__(self, parent: Any) -> None:
        super().__init__(parent)
        self.parent.title = _("Feature Extractor")
        self.parent.categories = [translate("qSlicerAbstractCoreModule", "Quantification")]
        self.parent.dependencies = []
        self.parent.contributors = ["SlicerTumorClassifier maintainers"]
        self.parent.helpText = _(
            "Measures intensity, shape and texture features of segments and puts them into a table of numbers. "
            "For research, not for clinical decisions."
        )
        self.parent.acknowledgementText = _(
            "Feature definitions follow the Image Biomarker Standardisation Initiative and PyRadiomics."
        )


class FeatureExtractorWidget(ScriptedLoadableModuleWidget):
    """The module's panel; what it does is in FeatureExtractorLib.panel."""

    def setup(self) -> None:
        """Called once, before the panel is shown."""
        super().setup()
        self.panel: Any = None
        try:
            from FeatureExtractorLib.panel.panel import Panel
        except ModuleNotFoundError as error:
            if str(error.name).partition(".")[0] != "TumorClassifierLib":
                raise
            self._tellWhatLacks()
        else:
            self.panel = Panel(self, FeatureExtractorLogic())

    def _tellWhatLacks(self) -> None:
        """Both modules share code; a developer may have added the folder of this one only."""
        import qt

        label = qt.QLabel(
            _(
                "This module shares code with TumorClassifier, which Slicer does not find. Add the folder "
                "TumorClassifier, beside this module's own, to the additional module paths (Edit, Application "
                "Settings, Modules) and start Slicer again."
            )
        )
        label.wordWrap = True
        self.layout.addWidget(label)

    def enter(self) -> None:
        """Called whenever the user opens the module."""
        if self.panel is not None:
            self.panel.enter()

    def exit(self) -> None:
        """Called whenever the user opens another module."""
        if self.panel is not None:
            self.panel.exit()

    def cleanup(self) -> None:
        """Called when Slicer ends, or the module is reloaded."""
        if self.panel is not None:
            self.panel.cleanup()

    def onReload(self) -> None:
        """Called by the developer's Reload button: the panel's own files are read anew, too."""
        from FeatureExtractorLib.panel import forget

        forget()
        super().onReload()


class FeatureExtractorLogic(ScriptedLoadableModuleLogic):
    """From segments in the scene to a table of features in the scene."""

    def parameters(self) -> Any:
        """The choices of the panel, from the scene."""
        from FeatureExtractorLib.panel.parameters import FeatureExtractorParameters

        return FeatureExtractorParameters(self.getParameterNode())

    def extract(
        self,
        volumeNode: Any,
        segmentationNode: Any,
        segmentIds: Sequence[str],
        preset: str = "original",
        n4: str = "none",
        progress: Callable[[str, float], None] | None = None,
    ) -> Any:
        """A table node beside the volume: what each row is, and a column of numbers for every segment.

        preset: a preset's name or a PyRadiomics settings file. n4: "none", "fast", "itk", or "slicer" for Slicer's own
        module. Every segment is measured by its own mask, so that segments may overlap. Raises TumorClassifierError
        with a sentence for the user; the scene is then unchanged.
        """
        from FeatureExtractorLib.case import make_case
        from FeatureExtractorLib.errors import InputError
        from FeatureExtractorLib.extraction import ExtractionSettings, case_features
        from FeatureExtractorLib.panel.feature_nodes import add_feature_table
        from FeatureExtractorLib.panel.measured import Measured, MeasuredSegment
        from FeatureExtractorLib.progress import silent
        from FeatureExtractorLib.radiomics.engine import get_engine
        from FeatureExtractorLib.radiomics.presets import load_settings
        from TumorClassifierLib.scene.slicer_n4 import corrected_by_slicer
        from TumorClassifierLib.scene.volumes import image_of, segment_mask

        if not segmentIds:
            raise InputError(_("No segment is chosen; choose one or more."))
        progress = progress or silent
        bySlicer = n4 == "slicer"
        radiomics = load_settings(preset)
        image = corrected_by_slicer(slicer.mrmlScene, volumeNode) if bySlicer else image_of(volumeNode)
        engine = get_engine("auto", radiomics)
        settings = ExtractionSettings(preset=preset, n4="none" if bySlicer else n4)
        measured = []
        for i, segmentId in enumerate(segmentIds):
            progress("extracting", i / len(segmentIds))
            mask = segment_mask(segmentationNode, segmentId, volumeNode)
            case = make_case(volumeNode.GetName(), {"image": image}, mask, segment=segmentId)
            features = case_features(case, settings, radiomics, engine)
            name = segmentationNode.GetSegmentation().GetSegment(segmentId).GetName()
            own = {name.removeprefix("image."): value for name, value in features.items()}
            measured.append(MeasuredSegment(segmentId, name, own))
        progress("extracting", 1.0)
        note = f"{preset}, N4 {n4}, {engine.name} {engine.version}"
        return add_feature_table(slicer.mrmlScene, volumeNode, Measured(volumeNode.GetName(), tuple(measured), note))


class FeatureExtractorTest(ScriptedLoadableModuleTest):
    """Self-test on a drawn head; needs no network and no package that Slicer lacks."""

    def setUp(self) -> None:
        slicer.mrmlScene.Clear()

    def test_three_segments_give_three_columns_of_their_own(self) -> None:
        """Segments of different size that share one labelmap are measured one by one."""
        import numpy as np
        from vtk.util.numpy_support import vtk_to_numpy

        volumeNode, segmentationNode, segmentIds = self.addPhantom()

        table = FeatureExtractorLogic().extract(volumeNode, segmentationNode, segmentIds).GetTable()

        names = [table.GetColumnByName("Name").GetValue(i) for i in range(table.GetNumberOfRows())]
        whole, centre, rim = (vtk_to_numpy(table.GetColumnByName(name)) for name in ("whole", "core", "rim"))
        row = names.index("original_shape_VoxelVolume")
        voxel = float(np.prod(volumeNode.GetSpacing()))
        self.assertAlmostEqual(whole[row], self.voxels * voxel, places=3)
        self.assertAlmostEqual(whole[row], centre[row] + rim[row], places=3)
        self.assertGreater(np.mean(whole != centre), 0.9)
        self.assertGreater(np.mean(centre != rim), 0.9)
        described = [table.GetColumnByName(name).GetValue(row) for name in ("Image type", "Class", "Feature", "Unit")]
        self.assertEqual(described, ["original", "shape", "VoxelVolume", "mm³"])

    def test_segments_must_be_chosen(self) -> None:
        """Nothing chosen is refused in one sentence."""
        from FeatureExtractorLib.errors import InputError

        with self.assertRaises(InputError):
            FeatureExtractorLogic().extract(None, None, [])

    def test_panel_measures_what_the_logic_measures(self) -> None:
        """The panel says what is missing, and its worker process finds the numbers of the logic in this process."""
        panel = self.openPanel()
        self.assertFalse(panel.ui.applyButton.enabled)
        self.assertIn("step 1", panel.ui.applyButton.toolTip)
        volumeNode, segmentationNode, segmentIds = self.addPhantom()
        self.assertTrue(panel.ui.applyButton.enabled, panel.ui.applyButton.toolTip)
        self.skipWhereLacking()
        panel.parameters.segmentIds = segmentIds[1:2]
        panel.ui.applyButton.click()
        self.waitFor(panel.run.button)
        self.assertIsNotNone(panel.results.result, panel.ui.statusLabel.text)
        table = FeatureExtractorLogic().extract(volumeNode, segmentationNode, segmentIds[1:2]).GetTable()
        names = [table.GetColumnByName("Name").GetValue(i) for i in range(table.GetNumberOfRows())]
        self.assertEqual([name.removeprefix("T1C.") for name in panel.results.result.names], names)
        (segment,) = panel.results.result.segments
        column = table.GetColumnByName("core")
        for i, value in enumerate(segment.features.values()):
            self.assertAlmostEqual(value, column.GetValue(i), delta=1e-9 * max(1.0, abs(value)))

    def test_panel_cancels_and_survives_a_closed_scene(self) -> None:
        """A run that is cancelled and one whose scene is closed leave nothing behind."""
        panel = self.openPanel()
        self.skipWhereLacking()
        for end in (panel.ui.applyButton.click, slicer.mrmlScene.Clear):
            self.addPhantom()
            panel.ui.applyButton.click()
            self.assertTrue(panel.run.button.busy, panel.ui.statusLabel.text)
            end()
            self.waitFor(panel.run.button)
            self.assertIsNone(panel.results.result)
            slicer.mrmlScene.Clear()

    def openPanel(self) -> Any:
        """The module's panel, shown; the test is skipped where Slicer has no windows at all."""
        if not hasattr(slicer.modules, "featureextractor"):
            self.skipTest("There are no windows here, so there is no panel.")
        representation = slicer.modules.featureextractor.widgetRepresentation()
        representation.enter()  # as the window does, and not the panel's own: the panel asks whether it is shown
        return representation.self().panel

    def skipWhereLacking(self) -> None:
        """Slicer installs nothing while it is being tested."""
        from TumorClassifierLib.panel.packages import base, missing

        lacking = missing(base())
        if lacking:
            self.skipTest(f"Not installed: {', '.join(lacking)}.")

    def waitFor(self, run: Any, seconds: float = 600.0) -> None:
        """Let the windows live until a run has ended."""
        import time

        end = time.monotonic() + seconds
        while run.busy:
            self.assertLess(time.monotonic(), end, "The worker did not end.")
            slicer.app.processEvents()
            time.sleep(0.02)

    def addPhantom(self) -> tuple[Any, Any, list[str]]:
        """Volume node, segmentation node and the ids of the segments whole, core and rim; `voxels` of the first."""
        import SimpleITK as sitk

        from FeatureExtractorLib.phantom import head_phantom
        from TumorClassifierLib.scene.volumes import add_segment, add_segmentation, add_volume

        image, mask = head_phantom()
        self.voxels = int(sitk.GetArrayViewFromImage(mask).sum())
        volumeNode = add_volume(slicer.mrmlScene, image, "Phantom")
        segmentationNode = add_segmentation(slicer.mrmlScene, mask, volumeNode, "Phantom outline", "whole")
        core = sitk.BinaryErode(mask, [3, 3, 0])
        add_segment(segmentationNode, core, "core")
        add_segment(segmentationNode, sitk.And(mask, sitk.Not(core)), "rim")
        return volumeNode, segmentationNode, list(segmentationNode.GetSegmentation().GetSegmentIDs())
