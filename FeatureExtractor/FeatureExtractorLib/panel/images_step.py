"""Step 1: the images of one patient, each under the name that its features begin with."""

import re
from typing import Any

import slicer
from slicer.i18n import tr as _

from FeatureExtractorLib.errors import GeometryError
from TumorClassifierLib.panel.sample_data import load_sample
from TumorClassifierLib.panel.step_header import State
from TumorClassifierLib.scene.volumes import check_linear_between

from .parameters import IMAGES


class ImagesStep:
    """Rows are bound by the parameter node; a further one is shown as soon as the last one is filled."""

    def __init__(self, ui: Any, panel: Any) -> None:
        self.ui, self.panel = ui, panel
        ui.sampleDataButton.connect("clicked(bool)", self.onSampleData)

    def chosen(self) -> list[tuple[str, Any]]:
        """Name and volume node of each filled row, in order."""
        node = self.panel.parameters
        if node is None:
            return []
        rows = [(node.getValue(f"modality{i}").strip(), node.getValue(f"volume{i}")) for i in _rows()]
        return [(name, volume) for name, volume in rows if volume is not None]

    def first(self) -> Any | None:
        """The image that the segments lie on."""
        return next((volume for _name, volume in self.chosen()), None)

    def reasons(self) -> list[str]:
        """Why these images cannot be measured."""
        chosen = self.chosen()
        if not chosen:
            return [_("Choose an image in step 1.")]
        found = []
        names = [name for name, _volume in chosen]
        for name, volume in chosen:
            if not re.fullmatch(r"\w+", name):
                found.append(
                    _("Call the image {image} by letters, digits and _ only, such as T1C.").format(
                        image=volume.GetName()
                    )
                )
            if volume.GetImageData() is None:
                found.append(_("Image {image} has no voxels; load it again.").format(image=volume.GetName()))
        found += [
            _("Two images are called {name}; give each a name of its own.").format(name=name)
            for name in dict.fromkeys(names)
            if names.count(name) > 1
        ]
        for _name, volume in chosen[1:]:
            try:
                check_linear_between(volume, chosen[0][1])
            except GeometryError as error:
                found.append(str(error))
        ids = [volume.GetID() for _name, volume in chosen]
        found += [
            _("Image {image} is chosen twice; choose another.").format(image=volume.GetName())
            for i, (_name, volume) in enumerate(chosen)
            if ids.index(volume.GetID()) < i
        ]
        return found

    def update(self) -> None:
        """Show one row more than are filled, and what to do."""
        node = self.panel.parameters
        last = max((i for i in _rows() if node is not None and node.getValue(f"volume{i}") is not None), default=0)
        for i in _rows():
            for name in (f"modality{i}", f"volume{i}"):
                getattr(self.ui, name).visible = i <= last + 1
        chosen = self.chosen()
        self.ui.sampleDataButton.visible = not chosen
        if not chosen:
            hint = _("Load an image, then choose it here, or try the sample data.")
        elif len(chosen) == 1:
            hint = ""
        else:
            hint = _("Images on another grid are laid over the first one before they are measured.")
        self.ui.imagesHint.text = hint
        self.ui.imagesHint.visible = bool(hint)

    def onSampleData(self) -> None:
        """Put the drawn head and its outline into the scene, and choose them."""
        with slicer.util.tryWithErrorDisplay(_("The sample data could not be made."), waitCursor=True):
            volume, segmentation = load_sample(slicer.mrmlScene)
            node = self.panel.parameters
            with slicer.util.NodeModify(node.parameterNode):
                node.volume1, node.segmentation = volume, segmentation

    def state(self) -> State:
        """For the header."""
        chosen = self.chosen()
        if not chosen:
            return State("open", _("choose an image"))
        return State("done", ", ".join(f"{volume.GetName()} · {name}" for name, volume in chosen))


def _rows() -> range:
    return range(1, IMAGES + 1)
