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
    """The module's panel."""


class FeatureExtractorLogic(ScriptedLoadableModuleLogic):
    """From segments in the scene to a table of features in the scene."""

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
        module. Every segment is measured by its own mask, so that
        segments may overlap. Raises TumorClassifierError with a sentence for the user; the scene is then unchanged.
        """
        from FeatureExtractorLib.case import make_case
        from FeatureExtractorLib.errors import InputError
        from FeatureExtractorLib.extraction import ExtractionSettings, case_features
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
        measured = {}
        for i, segmentId in enumerate(segmentIds):
            progress("extracting", i / len(segmentIds))
            mask = segment_mask(segmentationNode, segmentId, volumeNode)
            case = make_case(volumeNode.GetName(), {"image": image}, mask, segment=segmentId)
            features = case_features(case, settings, radiomics, engine)
            measured[segmentId] = {name.removeprefix("image."): value for name, value in features.items()}
        progress("extracting", 1.0)
        note = f"{preset}, N4 {n4}, {engine.name} {engine.version}"
        return self.addFeatureTable(volumeNode, segmentationNode, measured, note)

    @staticmethod
    def addFeatureTable(
        volumeNode: Any, segmentationNode: Any, measured: dict[str, dict[str, float]], note: str
    ) -> Any:
        """The table of `extract` from the features by segment id; two segments of one name keep both columns."""
        from TumorClassifierLib.scene.feature_units import feature_unit
        from TumorClassifierLib.scene.hierarchy import place_beside
        from TumorClassifierLib.scene.tables import Column, add_table

        names = list(dict.fromkeys(name for features in measured.values() for name in features))
        parts = [name.rsplit("_", 2) for name in names]
        columns = [
            Column("Name", names),
            Column("Image type", [part[0] for part in parts]),
            Column("Class", [part[1] for part in parts]),
            Column("Feature", [part[2] for part in parts]),
            Column("Unit", [feature_unit(name) for name in names]),
        ]
        for segmentId, features in measured.items():
            title = segmentationNode.GetSegmentation().GetSegment(segmentId).GetName()
            if any(column.name == title for column in columns):
                title = f"{title} ({segmentId})"
            columns.append(Column(title, [features.get(name, float("nan")) for name in names], description=note))
        table = add_table(slicer.mrmlScene, f"{volumeNode.GetName()} features", columns)
        table.SetDescription(note)
        place_beside(slicer.mrmlScene, table, volumeNode)
        return table


class FeatureExtractorTest(ScriptedLoadableModuleTest):
    """Self-test on a drawn head; needs no network and no package that Slicer lacks."""

    def setUp(self) -> None:
        slicer.mrmlScene.Clear()

    def test_three_segments_give_three_columns_of_their_own(self) -> None:
        """Segments of different size that share one labelmap are measured one by one."""
        import numpy as np
        import SimpleITK as sitk
        from vtk.util.numpy_support import vtk_to_numpy

        from FeatureExtractorLib.phantom import head_phantom
        from TumorClassifierLib.scene.volumes import add_segment, add_segmentation, add_volume

        image, mask = head_phantom()
        volumeNode = add_volume(slicer.mrmlScene, image, "Phantom")
        segmentationNode = add_segmentation(slicer.mrmlScene, mask, volumeNode, "Phantom outline", "whole")
        core = sitk.BinaryErode(mask, [3, 3, 0])
        add_segment(segmentationNode, core, "core")
        add_segment(segmentationNode, sitk.And(mask, sitk.Not(core)), "rim")
        segmentIds = list(segmentationNode.GetSegmentation().GetSegmentIDs())

        table = FeatureExtractorLogic().extract(volumeNode, segmentationNode, segmentIds).GetTable()

        names = [table.GetColumnByName("Name").GetValue(i) for i in range(table.GetNumberOfRows())]
        whole, centre, rim = (vtk_to_numpy(table.GetColumnByName(name)) for name in ("whole", "core", "rim"))
        row = names.index("original_shape_VoxelVolume")
        voxel = float(np.prod(image.GetSpacing()))
        self.assertAlmostEqual(whole[row], int(sitk.GetArrayViewFromImage(mask).sum()) * voxel, places=3)
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
