"""Steps 1 and 2 of a list: which cases are measured, and into which table."""

from pathlib import Path
from typing import Any

from slicer.i18n import tr as _

from FeatureExtractorLib.manifest import Manifest, read_manifest
from TumorClassifierLib.panel.step_header import State

from .checked_files import CheckedFile
from .paths import bind_path

WORK_SUFFIX = ".work"  # of the folder in which an unfinished cohort keeps its cases


class CasesStep:
    """The manifest is read as soon as it is chosen; image files are not opened before the work starts."""

    def __init__(self, ui: Any, panel: Any) -> None:
        self.ui, self.panel = ui, panel
        self._manifest = CheckedFile(read_manifest)
        bind_path(ui.manifest, panel, "manifest")
        bind_path(ui.output, panel, "output")

    def manifest(self) -> tuple[Manifest | None, str]:
        """The chosen manifest, or why there is none."""
        node = self.panel.parameters
        if node is None or not node.manifest:
            return None, _("Choose a manifest in step 1.")
        return self._manifest.of(node.manifest)

    def output(self) -> Path:
        """Where the table goes; .csv where the name has no ending."""
        path = Path(self.panel.parameters.output)
        return path if path.suffix else path.with_suffix(".csv")

    def unfinished(self) -> int:
        """How many cases an earlier run into the same table has finished."""
        node = self.panel.parameters
        if node is None or not node.output:
            return 0
        folder = self.output().with_name(f"{self.output().name}{WORK_SUFFIX}")
        return len(list(folder.glob("[!.]*.json"))) if folder.is_dir() else 0

    def reasons(self) -> list[str]:
        """Why the list cannot be measured."""
        node = self.panel.parameters
        manifest, wrong = self.manifest()
        found = [wrong] if wrong else []
        if manifest is not None and node.readers and _twice(manifest) < 2:
            found.append(
                _(
                    "{file} has fewer than two cases with mask and mask_second_reader; untick Compare two readers."
                ).format(file=Path(node.manifest).name)
            )
        if not node.output:
            found.append(_("Choose in step 2 where the table is written."))
            return found
        output = self.output()
        endings = (".csv",) if node.readers else (".csv", ".parquet")
        if output.suffix not in endings:
            found.append(
                _("{file} is no table's name; end it in {endings}.").format(
                    file=output.name, endings=_(" or ").join(endings)
                )
            )
        if not output.parent.is_dir():
            found.append(_("The folder {folder} does not exist; choose another.").format(folder=output.parent))
        if node.manifest and output == Path(node.manifest):
            found.append(_("The table would replace the manifest; choose another name."))
        return found

    def update(self) -> None:
        """Show what the files say."""
        node = self.panel.parameters
        if node is None:
            return
        self.ui.manifestHint.text = self._manifest_hint()
        self.ui.outputHint.text = self._output_hint()
        self.ui.outputHint.visible = bool(self.ui.outputHint.text)
        manifest, _wrong = self.manifest()
        few = manifest is not None and _twice(manifest) < 2 and not node.readers
        reason = _("The manifest has no two cases with mask and mask_second_reader.") if few else ""
        self.panel.tips.set(self.ui.readers, reason)
        self.panel.tips.set(
            self.ui.jobs, _("Two readers are compared one case after the other.") if node.readers else ""
        )

    def state(self) -> State:
        """For the header of step 1."""
        manifest, wrong = self.manifest()
        node = self.panel.parameters
        if manifest is not None:
            return State("done", _("{count} cases").format(count=len(manifest.entries)))
        if node is not None and node.manifest:
            return State("wrong", _("see below") if wrong else Path(node.manifest).name)
        return State("open", _("choose a manifest"))

    def table_state(self) -> State:
        """For the header of step 2."""
        node = self.panel.parameters
        if node is None or not node.output:
            return State("open", _("choose a file"))
        return State("done", self.output().name)

    def _manifest_hint(self) -> str:
        node = self.panel.parameters
        if not node.manifest:
            return _("A CSV file: a row a case, with the columns case_id, image_T1C (or another name) and mask.")
        manifest, wrong = self.manifest()
        if manifest is None:
            return wrong
        text = _("{cases} cases of {patients} patients; images: {images}.").format(
            cases=len(manifest.entries),
            patients=len({entry.patient_id for entry in manifest.entries}),
            images=", ".join(manifest.modalities),
        )
        twice = _twice(manifest)
        if twice:
            text += " " + _("{count} of them were outlined by two readers.").format(count=twice)
        return text

    def _output_hint(self) -> str:
        node = self.panel.parameters
        if not node.output or node.readers:
            return ""
        done = self.unfinished()
        if done:
            return _("{count} cases of an earlier run are finished: Measure goes on from there.").format(count=done)
        if self.output().is_file():
            return _("{file} is there already and will be replaced.").format(file=self.output().name)
        return ""


def _twice(manifest: Manifest) -> int:
    return sum(entry.mask is not None and entry.second_reader_mask is not None for entry in manifest.entries)
