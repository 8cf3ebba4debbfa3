"""Step 3: what is measured, by what, and how the images are prepared."""

from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import qt
import slicer
from slicer.i18n import tr as _

from FeatureExtractorLib.deep.backbones import BACKBONES, BackboneSpec
from FeatureExtractorLib.radiomics.presets import IBSI_PRESETS, RadiomicsSettings, load_settings
from TumorClassifierLib.panel.step_header import State
from TumorClassifierLib.scene.slicer_n4 import MODULE

from .checked_files import CheckedFile
from .parameters import BiasField, Engine, Preset, Source, Weights
from .paths import bind_path


class FeaturesStep:
    """Selectors are bound by the parameter node; files and the list of networks are bound here."""

    def __init__(self, ui: Any, panel: Any) -> None:
        self.ui, self.panel = ui, panel
        self._filling = False
        self._settings = CheckedFile(load_settings)
        bind_path(ui.settingsFile, panel, "settingsFile")
        bind_path(ui.weightsFile, panel, "weightsFile")
        for spec in BACKBONES.values():
            item = qt.QListWidgetItem(_network_text(spec))
            item.setData(qt.Qt.UserRole, spec.name)
            item.setToolTip(spec.published.describe())
            item.setCheckState(qt.Qt.Unchecked)
            ui.networks.addItem(item)
        ui.networks.connect("itemChanged(QListWidgetItem*)", self.onNetwork)

    def settings(self) -> tuple[RadiomicsSettings | None, str]:
        """The settings file's content, or why it cannot be used; neither where a preset is chosen."""
        node = self.panel.parameters
        if node is None or node.preset is not Preset.FILE:
            return None, ""
        if not node.settingsFile:
            return None, _("Choose a PyRadiomics settings file in step 3, or a preset.")
        return self._settings.of(node.settingsFile)

    def networks(self) -> list[str]:
        """The ticked networks, in the list's order."""
        node = self.panel.parameters
        ticked = set(node.networks) if node is not None else set()
        return [name for name in BACKBONES if name in ticked]

    def reasons(self) -> list[str]:
        """Why these settings cannot be used."""
        node = self.panel.parameters
        settings, wrong = self.settings()
        found = [wrong] if wrong else []
        native = node.preset.value in IBSI_PRESETS or settings is not None and settings.needs_native
        if node.engine is Engine.PYRADIOMICS:
            if pyradiomics_version() is None:
                found.append(_("PyRadiomics is not installed; choose the engine Native: its numbers are the same."))
            elif native:
                found.append(_("PyRadiomics cannot follow these settings; choose the engine Native."))
        if node.n4 is BiasField.SLICER:
            if node.source is Source.LIST:
                found.append(_("Slicer's own N4 corrects images of the scene only; choose N4, fast, for a list."))
            elif getattr(slicer.modules, MODULE, None) is None:
                found.append(_("Slicer's N4 module is not loaded; choose N4, fast, which gives the same result."))
        if node.resample and not any((node.spacingX, node.spacingY, node.spacingZ)):
            found.append(_("Give a spacing above 0 to resample to, or untick it."))
        return found + self._reasons_of_networks()

    def update(self) -> None:
        """Show what belongs to the choices."""
        node = self.panel.parameters
        if node is None:
            return
        from_file = node.preset is Preset.FILE
        for widget in (self.ui.settingsFile, self.ui.settingsLabel):
            widget.visible = from_file
        self.ui.presetHint.text = self._preset_hint()
        self.ui.engineHint.text = self._engine_hint()
        for axis in "XYZ":
            reason = "" if node.resample else _("Tick Resample to measure on another grid.")
            self.panel.tips.set(getattr(self.ui, f"spacing{axis}"), reason)
        self._update_networks()

    def state(self) -> State:
        """For the header."""
        node = self.panel.parameters
        if node is None:
            return State("open", "")
        if self.reasons():
            return State("wrong", _("see below"))
        parts = [Path(node.settingsFile).name if node.preset is Preset.FILE else Preset.label(node.preset)]
        if node.n4 is not BiasField.NONE:
            parts.append(_("N4"))
        if node.resample:
            parts.append(_("resampled"))
        parts += self.networks()
        return State("done", ", ".join(parts))

    def onNetwork(self, item: Any = None) -> None:
        """The user ticked a network or took the tick away."""
        if self._filling or self.panel.parameters is None:
            return
        self.panel.parameters.networks = [
            item.data(qt.Qt.UserRole) for item in self._network_items() if item.checkState() == qt.Qt.Checked
        ]

    def _reasons_of_networks(self) -> list[str]:
        node, networks = self.panel.parameters, self.networks()
        if not networks:
            return []
        found = []
        if node.source is Source.LIST and node.readers:
            found.append(_("Two readers are compared by radiomics features; untick the networks."))
        elif node.source is Source.LIST and len(networks) > 1:
            found.append(_("A list is measured with one network at a time; tick one."))
        if node.weights is Weights.FILE:
            if len(networks) > 1:
                found.append(_("A weights file fits one network; tick one."))
            if not node.weightsFile:
                found.append(_("Choose the file with the network's weights in step 3."))
            elif not Path(node.weightsFile).is_file():
                missing = Path(node.weightsFile).name
                found.append(_("The weights file {file} does not exist; choose another.").format(file=missing))
        return found

    def _preset_hint(self) -> str:
        node = self.panel.parameters
        if node.preset is not Preset.FILE:
            return {
                Preset.ORIGINAL: _("107 features: 14 of shape, 18 of first order, 75 of texture."),
                Preset.ORIGINAL_WAVELET: _("851 features: the 107 of the image, and 93 of each of 8 wavelet bands."),
                Preset.ORIGINAL_WAVELET_2D: _(
                    "474 features of one axial slice: 9 of shape, and 93 of the image and of each of 4 wavelet bands."
                ),
                Preset.DTLR: _("1143 features of 1 mm voxels: image, 8 wavelet bands, 3 LoG images, diagnostics."),
                Preset.IBSI_A: _("Textures slice by slice, on the image's grid. Made for CT."),
                Preset.IBSI_B: _("Textures slice by slice, 2 × 2 mm in the plane. Made for CT."),
                Preset.IBSI_C: _("Textures in 3D, 2 mm voxels. Made for CT."),
                Preset.IBSI_D: _("Textures in 3D, 2 mm voxels, outliers left out. Made for CT."),
                Preset.IBSI_E: _("Textures in 3D, 2 mm voxels by cubic splines, outliers left out. Made for CT."),
            }[node.preset]
        settings, wrong = self.settings()
        if wrong:
            return wrong
        if settings is None:
            return _("The file is checked when the measurement starts.")
        return _("The file asks for {types}.").format(types=", ".join(settings.image_types))

    def _engine_hint(self) -> str:
        found = pyradiomics_version()
        if found is None:
            return _("PyRadiomics is not installed: the native engine measures, with the same numbers.")
        node = self.panel.parameters
        settings, _wrong = self.settings()
        native = node.preset.value in IBSI_PRESETS or settings is not None and settings.needs_native
        if node.engine is Engine.NATIVE or native and node.engine is Engine.AUTO:
            return _("The native engine measures.")
        return _("PyRadiomics {version} measures.").format(version=found)

    def _update_networks(self) -> None:
        node, networks = self.panel.parameters, self.networks()
        self._filling = True
        for item in self._network_items():
            item.setCheckState(qt.Qt.Checked if item.data(qt.Qt.UserRole) in networks else qt.Qt.Unchecked)
        self._filling = False
        for widget, kind in (
            (self.ui.weightsFile, Weights.FILE),
            (self.ui.weightsFileLabel, Weights.FILE),
            (self.ui.weightsSeed, Weights.SEED),
            (self.ui.weightsSeedLabel, Weights.SEED),
        ):
            widget.visible = node.weights is kind
        reason = "" if networks else _("Tick a network first.")
        for widget in (self.ui.weights, self.ui.weightsFile, self.ui.weightsSeed):
            self.panel.tips.set(widget, reason)
        self.ui.networksHint.text = self._networks_hint(networks)

    def _networks_hint(self, networks: list[str]) -> str:
        if not networks:
            return _("None is ticked: no deep features.")
        width = sum(BACKBONES[name].width for name in networks)
        parts = [_("{count} features of each image, of the slice with the largest outline.").format(count=width)]
        node = self.panel.parameters
        if node.weights is Weights.IMAGENET:
            missing = [BACKBONES[name].published for name in networks if not BACKBONES[name].published.path.is_file()]
            if missing:
                size = sum(published.megabytes for published in missing)
                parts.append(_("{size} MB of weights are downloaded first.").format(size=size))
        elif node.weights is Weights.SEED:
            parts.append(_("Random weights: for tests and comparisons, not for results."))
        if not torch_is_there():
            parts.append(_("torch is installed when the measurement starts, after a question."))
        return " ".join(parts)

    def _network_items(self) -> list[Any]:
        return [self.ui.networks.item(i) for i in range(self.ui.networks.count)]


def pyradiomics_version() -> str | None:
    """The installed version; nothing is imported."""
    return _version("pyradiomics")


def torch_is_there() -> bool:
    """Whether torch is installed; it is not imported."""
    return _version("torch") is not None


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _network_text(spec: BackboneSpec) -> str:
    return _("{name}: {width} features").format(name=spec.name, width=spec.width)
