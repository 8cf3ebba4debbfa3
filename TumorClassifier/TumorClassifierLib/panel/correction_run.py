"""The bias correction of several images, one after the other, as one job."""

import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import SimpleITK as sitk
import slicer

from FeatureExtractorLib.errors import InputError, TumorClassifierError

from ..scene.case_nodes import write_image
from ..scene.slicer_n4 import MODULE
from ..scene.volumes import image_of
from ..worker import Event, start
from .cli_job import CliJob

SLICER_SHRINK = 4  # the module's own default; it shrinks every axis, so an image of few slices must be shrunk less
FEWEST_SLICES = 2  # that are left after shrinking


class CorrectionRun:
    """Behaves as a worker's job. `corrected` has the image of every modality once it is done, on its own grid."""

    def __init__(self, volumes: Mapping[str, Any], bySlicer: bool, newFolder: Callable[[], Path]) -> None:
        """Start with the first; raises TumorClassifierError where a volume cannot be read or nothing can start."""
        self.volumes = dict(volumes)
        self.corrected: dict[str, sitk.Image] = {}
        self.folder = newFolder()
        self._bySlicer, self._newFolder = bySlicer, newFolder
        self._started, self._ended = time.monotonic(), 0.0
        self._folders = [self.folder]
        self._scratch: list[Any] = []
        self._cancelled = False
        self._job = self._start(next(iter(self.volumes)))

    @property
    def running(self) -> bool:
        """Whether the last event has not been told yet."""
        return not self._ended

    @property
    def seconds(self) -> float:
        """How long it has run, or ran."""
        return (self._ended or time.monotonic()) - self._started

    def cancel(self) -> None:
        """End the correction in hand; no other is started."""
        self._cancelled = True
        self._job.cancel()

    def poll(self) -> list[Event]:
        """The events since the last call; the last of all is done, failed or cancelled."""
        if self._ended:
            return []
        told = []
        for event in self._job.poll():
            if event.kind == "done":
                event = Event("cancelled") if self._cancelled else self._next()
            if event.kind == "progress":
                fraction = (len(self.corrected) + event.fraction) / len(self.volumes)
                event = replace(event, fraction=min(fraction, 1.0))
            told.append(event)
            if event.kind in ("done", "failed", "cancelled"):
                self._ended = time.monotonic()
                self._removeScratch()
                for folder in self._folders:
                    shutil.rmtree(folder, ignore_errors=True)
        return told

    def _modality(self) -> str:
        """The one in hand."""
        return list(self.volumes)[len(self.corrected)]

    def _next(self) -> Event:
        """Keep what was corrected, and start with the next image."""
        try:
            self.corrected[self._modality()] = self._output()
            self._removeScratch()
            if len(self.corrected) == len(self.volumes):
                return Event("done")
            self._job = self._start(self._modality())
        except TumorClassifierError as error:
            return Event("failed", text=str(error))
        return Event("progress", self._stage(), 0.0)

    def _stage(self) -> str:
        modality = self._modality()
        return f"correcting · {modality}" if len(self.volumes) > 1 else "correcting"

    def _start(self, modality: str) -> Any:
        volume = self.volumes[modality]
        if self._bySlicer:
            return self._startSlicer(volume)
        folder = self._newFolder()
        self._folders.append(folder)
        image = folder / "image.nrrd"
        write_image(image_of(volume), image)
        return start({"work": "correct", "image": str(image), "engine": "fast"}, folder / "run")

    def _startSlicer(self, volume: Any) -> Any:
        """Slicer's own module on a copy that stands under no transform: the result takes the original's place."""
        module = getattr(slicer.modules, MODULE, None)
        if module is None:
            raise InputError("Slicer runs without N4ITKBiasFieldCorrection; choose the fast method.")
        source = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "N4 input")
        source.CopyContent(volume)
        source.SetAndObserveTransformNodeID(None)
        output = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "N4 output")
        self._scratch = [source, output]
        for node in self._scratch:
            node.SetHideFromEditors(True)  # nobody is to choose them
        shrink = max(1, min(SLICER_SHRINK, min(volume.GetImageData().GetDimensions()) // FEWEST_SLICES))
        parameters = {"inputImageName": source, "outputImageName": output, "shrinkFactor": shrink}
        return CliJob(module, parameters, "correcting")

    def _output(self) -> sitk.Image:
        if self._bySlicer:
            return image_of(self._scratch[1])
        return sitk.ReadImage(str(self._job.out / "corrected.nrrd"))

    def _removeScratch(self) -> None:
        for node in self._scratch:
            remove_volume(node)
        self._scratch = []


def remove_volume(volume: Any) -> None:
    """Take a volume and how it is displayed out of its scene, where it still is in one."""
    scene = volume.GetScene()
    if scene is not None:
        for i in reversed(range(volume.GetNumberOfDisplayNodes())):
            scene.RemoveNode(volume.GetNthDisplayNode(i))
        scene.RemoveNode(volume)
