"""3D Slicer module: classify an outlined tumour and show why."""

from collections.abc import Callable, Mapping
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


class TumorClassifier(ScriptedLoadableModule):
    """What Slicer shows of the module before it is opened."""

    def __init__(self, parent: Any) -> None:
        super().__init__(parent)
        self.parent.title = _("Tumor Classifier")
        self.parent.categories = [translate("qSlicerAbstractCoreModule", "Quantification")]
        self.parent.dependencies = ["FeatureExtractor"]
        self.parent.contributors = ["SlicerTumorClassifier maintainers"]
        self.parent.helpText = _(
            "Classifies an outlined tumour with a trained model and shows the probability of each class, the regions "
            "that mattered and the points of the nomogram. For research, not for clinical decisions."
        )
        self.parent.acknowledgementText = _(
            "The pipelines follow the publications named in the description of each model."
        )
        slicer.app.connect("startupCompleted()", registerSampleData)


def registerSampleData() -> None:
    """Offer the sample images in Slicer's Sample Data module; not before Slicer has started."""
    from TumorClassifierLib.panel.sample_data import register

    register()


class TumorClassifierWidget(ScriptedLoadableModuleWidget):
    """The module's panel; all of it is in TumorClassifierLib/panel, and nothing is imported before it is opened."""

    def __init__(self, parent: Any = None) -> None:
        self.panel: Any = None  # before the base class, which without a parent calls setup at once
        super().__init__(parent)

    def setup(self) -> None:
        """Make the panel."""
        super().setup()
        from TumorClassifierLib.panel.widget import Panel

        self.panel = Panel(self, TumorClassifierLogic())

    def enter(self) -> None:
        """The user opened the module."""
        if self.panel is not None:
            self.panel.enter()

    def exit(self) -> None:
        """The user opened another module."""
        if self.panel is not None:
            self.panel.exit()

    def cleanup(self) -> None:
        """The panel goes."""
        if self.panel is not None:
            self.panel.cleanup()

    def onReload(self) -> None:
        """Read the library anew with the module file."""
        from TumorClassifierLib.panel.widget import forget_library

        forget_library()
        super().onReload()


class TumorClassifierLogic(ScriptedLoadableModuleLogic):
    """From nodes of the scene to a result in the scene."""

    def __init__(self, classify: Callable[..., Any] | None = None) -> None:
        """classify: (case, modelName, progress) -> ClassificationResult; by default the model's own recipe."""
        super().__init__()
        self._classify = classify or classifyWithModel

    def getParameterNode(self) -> Any:
        """What the user chose in the panel; every call makes a new object around the same node of the scene."""
        from TumorClassifierLib.panel.parameters import TumorClassifierParameterNode

        return TumorClassifierParameterNode(super().getParameterNode())

    def classify(
        self,
        volumeNodes: Mapping[str, Any],
        segmentationNode: Any | None,
        segmentId: str,
        modelName: str,
        clinical: Mapping[str, float | str | None] | None = None,
        progress: Callable[[str, float], None] | None = None,
    ) -> Any:
        """Classify the tumour and show the result beside the first volume.

        volumeNodes: by modality, the first is the one that the result is laid over; all on one voxel grid.
        segmentationNode: None for models that need no outline.
        Returns a ShownResult. Raises TumorClassifierError with a sentence for the user; the scene is then unchanged.
        """
        from FeatureExtractorLib.progress import silent
        from TumorClassifierLib.scene.explanation import evidence_of
        from TumorClassifierLib.scene.results import show_result

        case = self.caseOf(volumeNodes, segmentationNode, segmentId, clinical)
        result = self._classify(case, modelName, progress or silent)
        volumeNode = next(iter(volumeNodes.values()))
        return show_result(
            slicer.mrmlScene,
            volumeNode,
            segmentationNode,
            result.prediction,
            result.cam,
            result.nomogram,
            evidence_of(result),
        )

    @staticmethod
    def caseOf(
        volumeNodes: Mapping[str, Any],
        segmentationNode: Any | None,
        segmentId: str,
        clinical: Mapping[str, float | str | None] | None = None,
    ) -> Any:
        """The nodes as a checked Case; raises InputError and GeometryError as `make_case` does."""
        from FeatureExtractorLib.case import make_case
        from FeatureExtractorLib.errors import InputError
        from TumorClassifierLib.scene.volumes import image_of, segment_mask

        if not volumeNodes:
            raise InputError(_("No image is chosen; choose one."))
        reference = next(iter(volumeNodes.values()))
        mask, segment = None, ""
        if segmentationNode is not None:
            mask = segment_mask(segmentationNode, segmentId, reference)
            segment = segmentationNode.GetSegmentation().GetSegment(segmentId).GetName()
        return make_case(
            reference.GetName(),
            {modality: image_of(volumeNode, reference) for modality, volumeNode in volumeNodes.items()},
            mask,
            clinical=clinical,
            segment=segment,
        )


def classifyWithModel(case: Any, modelName: str, progress: Callable[[str, float], None]) -> Any:
    """Classify with an installed model or a model file; raises InputError and BundleRejected."""
    from TumorClassifierLib.classify import classify_case
    from TumorClassifierLib.store import load_model

    return classify_case(case, load_model(modelName), progress)


class TumorClassifierTest(ScriptedLoadableModuleTest):
    """Self-test on a drawn head; needs no model, no network and no package that Slicer lacks."""

    def setUp(self) -> None:
        slicer.mrmlScene.Clear()

    def test_result_is_shown_beside_the_image(self) -> None:
        """A classified phantom gives a map on the image's grid and numbers in a table, in a folder beside it."""
        import SimpleITK as sitk

        from TumorClassifierLib.scene.hierarchy import parent_name
        from TumorClassifierLib.scene.volumes import image_of

        volumeNode, segmentationNode, segmentId = self.addPhantom()
        seen = []
        logic = TumorClassifierLogic(classify=lambda case, *others: seen.append(case) or self.madeResult(case))
        shown = logic.classify({"T1C": volumeNode}, segmentationNode, segmentId, "made")

        self.assertEqual(seen[0].segment, "Tumour")
        self.assertGreater(int(sitk.GetArrayViewFromImage(seen[0].mask).sum()), 1000)
        cam = image_of(shown.cam)
        self.assertEqual(cam.GetSize(), seen[0].mask.GetSize())
        self.assertEqual(cam.GetOrigin(), seen[0].mask.GetOrigin())
        self.assertEqual(shown.cam.GetDisplayNode().GetColorNode().GetName(), "Class activation")
        self.assertEqual(shown.table.GetTable().GetColumnByName("Value").GetValue(1), 0.8)
        self.assertEqual(parent_name(slicer.mrmlScene, shown.cam), "Phantom: high")

    def test_no_outline_is_needed_where_the_model_needs_none(self) -> None:
        """A case without a segmentation is classified and shown."""
        import SimpleITK as sitk

        volumeNode, _segmentationNode, _segmentId = self.addPhantom()
        seen = []

        def classify(case: Any, *others: Any) -> Any:
            seen.append(case)
            made = self.madeResult(case, sitk.Image(case.images["T1C"].GetSize(), sitk.sitkUInt8))
            made.cam.CopyInformation(case.images["T1C"])
            return made

        shown = TumorClassifierLogic(classify=classify).classify({"T1C": volumeNode}, None, "", "made")
        self.assertIsNone(seen[0].mask)
        self.assertEqual(seen[0].segment, "")
        self.assertIsNotNone(shown.cam)

    def test_segment_must_exist(self) -> None:
        """An unknown segment is refused in one sentence and the scene stays as it was."""
        from FeatureExtractorLib.errors import InputError

        volumeNode, segmentationNode, _segmentId = self.addPhantom()
        before = slicer.mrmlScene.GetNumberOfNodes()
        with self.assertRaises(InputError) as caught:
            TumorClassifierLogic(classify=self.madeResult).classify(
                {"T1C": volumeNode}, segmentationNode, "no such segment", "made"
            )
        self.assertIn("no such segment", str(caught.exception))
        self.assertEqual(slicer.mrmlScene.GetNumberOfNodes(), before)

    def test_panel_classifies_the_drawn_head(self) -> None:
        """The panel says what is missing, takes the sample data, and its worker process finds a class and a map."""
        panel = self.openPanel()
        self.assertFalse(panel.ui.classifyButton.enabled)
        self.assertTrue(panel.ui.classifyButton.toolTip)
        panel.ui.sampleDataButton.click()
        self.assertTrue(panel.ui.classifyButton.enabled, panel.ui.classifyButton.toolTip)
        self.skipWhereLacking(panel)
        panel.ui.classifyButton.click()
        self.waitFor(panel.classifyStep.run)
        self.assertEqual(panel.ui.detailsButton.isHidden(), True, panel.ui.classifyLabel.text)
        self.assertIn(panel.resultStep.kept.prediction["predicted"], panel.modelStep.chosen().classes)
        maps = [node for node in slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode") if panel.isOwnVolume(node)]
        self.assertEqual(len(maps), 1)

    def test_panel_cancels_and_survives_a_closed_scene(self) -> None:
        """A run that is cancelled and one whose scene is closed leave nothing behind."""
        panel = self.openPanel()
        self.skipWhereLacking(panel)
        for end in (panel.ui.classifyButton.click, slicer.mrmlScene.Clear):
            panel.ui.sampleDataButton.click()
            panel.ui.classifyButton.click()
            self.assertTrue(panel.classifyStep.run.busy, panel.ui.classifyLabel.text)
            end()
            self.waitFor(panel.classifyStep.run)
            self.assertIsNone(panel.resultStep.kept)

    def openPanel(self) -> Any:
        """The module's panel, shown; the test is skipped where Slicer has no windows at all."""
        if not hasattr(slicer.modules, "tumorclassifier"):
            self.skipTest("There are no windows here, so there is no panel.")
        representation = slicer.modules.tumorclassifier.widgetRepresentation()
        representation.enter()  # as the window does, and not the panel's own: the panel asks whether it is shown
        return representation.self().panel

    def skipWhereLacking(self, panel: Any) -> None:
        """Slicer installs nothing while it is being tested."""
        from TumorClassifierLib.panel.packages import missing, needed_for

        summary = panel.modelStep.chosen()
        if summary is None:
            self.skipTest("No model is installed.")
        lacking = missing(needed_for("classify", bool(summary.activations)))
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

    @staticmethod
    def addPhantom() -> tuple[Any, Any, str]:
        """Volume node, segmentation node and segment id of the phantom."""
        from FeatureExtractorLib.phantom import head_phantom
        from TumorClassifierLib.scene.volumes import add_segmentation, add_volume

        image, mask = head_phantom()
        volumeNode = add_volume(slicer.mrmlScene, image, "Phantom")
        segmentationNode = add_segmentation(slicer.mrmlScene, mask, volumeNode, "Phantom outline")
        return volumeNode, segmentationNode, segmentationNode.GetSegmentation().GetNthSegmentID(0)

    @staticmethod
    def madeResult(case: Any, tumour: Any | None = None) -> Any:
        """A result of the right form whose map is the smoothed tumour, by default the case's own."""
        import SimpleITK as sitk

        from TumorClassifierLib.results import ClassificationResult

        cam = sitk.SmoothingRecursiveGaussian(
            sitk.Cast(case.mask if tumour is None else tumour, sitk.sitkFloat32), 5.0
        )
        prediction = {
            "classes": ["low", "high"],
            "positive": "high",
            "probabilities": {"low": 0.2, "high": 0.8},
            "predicted": "high",
        }
        return ClassificationResult(prediction, sitk.Clamp(cam, sitk.sitkFloat32, 0.0, 1.0), {}, {}, {})
