"""Step 1: one selector for every image that the model asks for."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import qt
import slicer
from slicer.i18n import tr as _

from ..scene.case_nodes import tumour_segment
from .image_choice import first_choices, fits
from .patient_names import patient_identifiers, resembles_patient
from .sample_data import load_sample
from .step_header import State

VOLUME = "vtkMRMLScalarVolumeNode"


class ImageStep:
    """The selectors are made anew when the model asks for other images; choices for the same image stay."""

    def __init__(self, ui: Any, panel: Any) -> None:
        self.ui, self.panel = ui, panel
        self.selectors: dict[str, Any] = {}
        self._modalities: tuple[str, ...] | None = None
        self._filling = False
        self._unwanted: set[str] = set()  # images for which the user chose none where there was one
        self._guessed: dict[str, str] = {}  # by image, the node that was taken though its name says nothing
        ui.sampleDataButton.connect("clicked(bool)", self.onSampleData)
        ui.renameButton.connect("clicked(bool)", self.onRename)

    def update(self) -> None:
        """Show what the parameter node says."""
        modalities, node = self.panel.modalities(), self.panel.parameterNode
        if modalities != self._modalities and node is not None:
            self._makeSelectors(modalities)
        self._filling = True
        for modality, selector in self.selectors.items():
            chosen = node.image(modality) if node is not None else None
            if selector.currentNode() is not chosen:
                selector.setCurrentNode(chosen)
        self._filling = False
        self._unwanted -= set(self.panel.images())
        self.ui.imageHint.text = self._hint(modalities) if node is not None else ""
        self.ui.imageHint.visible = node is not None
        self._warnOfNames()

    def choose(self) -> None:
        """Choose what is not chosen yet, where names leave no doubt or there is one image only.

        What was taken for want of a better one gives way to an image whose name fits.
        """
        modalities, images = self.panel.modalities(), self.panel.images()
        open_ = [one for one in modalities if (one not in images and one not in self._unwanted) or self._isGuess(one)]
        taken = [volume for modality, volume in images.items() if modality not in open_]
        volumes = [volume for volume in self._volumes() if not any(volume is other for other in taken)]
        for modality, i in first_choices(open_, [volume.GetName() for volume in volumes]).items():
            sure = fits(modality, volumes[i].GetName())
            if sure or modality not in images:
                self.panel.parameterNode.setImage(modality, volumes[i])
                self._guessed[modality] = "" if sure else volumes[i].GetID()

    def state(self) -> State:
        """For the header."""
        images = self.panel.images()
        if not self.panel.modalities():
            return State("open", _("choose a model first"))
        missing = [modality for modality in self.panel.modalities() if modality not in images]
        if missing:
            return State("open", _("choose {images}").format(images=", ".join(missing)))
        return State("done", ", ".join(f"{node.GetName()} · {modality}" for modality, node in images.items()))

    def forget(self) -> None:
        """The scene is about to be closed."""
        self._unwanted, self._guessed = set(), {}

    def onSampleData(self) -> None:
        """Put the drawn head and its outline into the scene, and choose them."""
        self.panel.initialize()  # the scene may have been closed while another module was shown
        with slicer.util.tryWithErrorDisplay(_("The sample data could not be made."), waitCursor=True):
            volume, segmentation = load_sample(slicer.mrmlScene)
            node = self.panel.parameterNode
            with slicer.util.NodeModify(node.parameterNode):
                for modality in self.panel.modalities()[:1]:
                    node.setImage(modality, volume)
                node.segmentation = segmentation
                node.segment = tumour_segment(segmentation)
            self.panel.showVolume(volume)

    def onRename(self) -> None:
        """Give every image whose name looks like a patient's a neutral one."""
        for modality, volume in self.panel.images().items():
            if self._resembles(volume):
                volume.SetName(slicer.mrmlScene.GenerateUniqueName(_("Case {image}").format(image=modality)))
        self.panel.update()

    def _makeSelectors(self, modalities: Sequence[str]) -> None:
        layout = self.ui.imageSelectors.layout()
        while layout.rowCount():
            layout.removeRow(0)
        self.selectors, before = {}, self.ui.imageStep
        for modality in modalities:
            selector = slicer.qMRMLNodeComboBox()
            selector.nodeTypes = [VOLUME]
            selector.showChildNodeTypes = False  # no label maps, no vectors
            selector.noneEnabled = True
            selector.addEnabled = False
            selector.removeEnabled = False
            selector.renameEnabled = True
            selector.focusPolicy = qt.Qt.StrongFocus  # so that it has a place in the order of the keyboard
            selector.noneDisplay = _("Choose an image")
            selector.setSizePolicy(qt.QSizePolicy.Ignored, qt.QSizePolicy.Fixed)  # long names must not widen the panel
            selector.objectName = f"imageSelector{modality}"
            selector.toolTip = _("The image that the model calls {image}.").format(image=modality)
            selector.setMRMLScene(slicer.mrmlScene)
            selector.connect("currentNodeChanged(vtkMRMLNode*)", partial(self._onChosen, modality))
            label = qt.QLabel(f"&{modality}:")
            label.setBuddy(selector)
            label.toolTip = selector.toolTip
            layout.addRow(label, selector)
            qt.QWidget.setTabOrder(before, selector)
            self.selectors[modality] = before = selector
        self._modalities = tuple(modalities)

    def _onChosen(self, modality: str, volume: Any) -> None:
        if self._filling or self.panel.parameterNode is None:
            return
        before = self.panel.parameterNode.image(modality)
        self.panel.parameterNode.setImage(modality, volume)
        self._guessed.pop(modality, None)
        if volume is not None:
            self.panel.showVolume(volume)
        else:
            qt.QTimer.singleShot(0, lambda: self._noteNone(modality, before))  # later: a removed one is still there

    def _noteNone(self, modality: str, before: Any | None) -> None:
        """Keep in mind that the user wants none; the selector says none as well where its choice was removed."""
        if before is not None and before.GetScene() is not None and modality not in self.panel.images():
            self._unwanted.add(modality)

    def _isGuess(self, modality: str) -> bool:
        volume = self.panel.images().get(modality)
        return volume is not None and volume.GetID() == self._guessed.get(modality)

    def _hint(self, modalities: Sequence[str]) -> str:
        if not modalities:
            return _("Choose a model in step 4 first: it says which images it needs.")
        return _("{model} asks for {images}.").format(model=self.panel.modelName(), images=", ".join(modalities))

    def _volumes(self) -> list[Any]:
        """The volumes that can be chosen, maps of earlier results and what is hidden from the user left out."""
        found = [node for node in slicer.util.getNodesByClass(VOLUME) if node.GetClassName() == VOLUME]
        return [node for node in found if not node.GetHideFromEditors() and not self.panel.isOwnVolume(node)]

    def _resembles(self, volume: Any) -> bool:
        return resembles_patient(volume.GetName() or "", patient_identifiers(slicer.mrmlScene, volume))

    def _warnOfNames(self) -> None:
        names = [volume.GetName() for volume in self.panel.images().values() if self._resembles(volume)]
        self.ui.nameWarning.text = _(
            "“{names}” looks like a patient's name. It is stored with the scene; reports and files leave it out."
        ).format(names="”, “".join(names))
        self.ui.nameWarning.visible = bool(names)
        self.ui.renameButton.visible = bool(names)
