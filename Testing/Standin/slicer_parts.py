"""The parts of Slicer's own Python that the slicer-core wheel lacks: packages, translation, sample data, PyTorch.

Nothing here installs or downloads anything: what was asked for is recorded.
"""

import importlib.metadata
import importlib.util
import re
import string
import types
from pathlib import Path
from typing import Any

import problems


class Packaging(types.ModuleType):
    """`slicer.packaging`: says what is there; an installation is recorded in `asked`, or declined."""

    def __init__(self) -> None:
        super().__init__("slicer.packaging")
        self.asked: list[list[str]] = []
        self.declines = False
        self.fails: str | None = None
        self.pretends_missing: set[str] = set()
        self.skips_in_testing = False

    def load_requirements(self, path: str | Path) -> list[Any]:
        from packaging.requirements import Requirement

        lines = [line.strip() for line in Path(path).read_text(encoding="utf-8").splitlines()]
        return [Requirement(line) for line in lines if line and line[0] not in "#-"]

    def pip_check(self, requirements: Any) -> bool:
        return not self._missing(requirements)

    def _missing(self, requirements: Any) -> list[str]:
        from packaging.requirements import Requirement

        given = [requirements] if isinstance(requirements, (str, Requirement)) else requirements
        every = [item if isinstance(item, Requirement) else Requirement(item) for item in given]
        return [str(r) for r in every if (r.marker is None or r.marker.evaluate()) and not self._satisfied(r)]

    def _satisfied(self, requirement: Any) -> bool:
        if requirement.name in self.pretends_missing:
            return False
        try:
            version = importlib.metadata.version(requirement.name)
        except importlib.metadata.PackageNotFoundError:
            return False
        return requirement.specifier.contains(version, prereleases=True)

    def pip_ensure(
        self,
        requirements: Any,
        constraints: Any = None,
        skip_packages: Any = None,
        prompt_install: bool = True,
        prompt_restart: bool = True,
        requester: str | None = None,
        skip_in_testing: bool = True,
        show_progress: bool = True,
    ) -> None:
        if skip_in_testing and self.skips_in_testing:
            return
        missing = self._missing(requirements)
        if not missing:
            return
        if self.declines:
            raise RuntimeError("User declined package installation")
        self.pip_install(missing)

    def pip_install(self, requirements: Any, **_options: Any) -> None:
        import subprocess

        asked = [requirements] if isinstance(requirements, str) else [str(item) for item in requirements]
        self.asked.append(asked)
        if self.fails:
            raise subprocess.CalledProcessError(1, ["pip", "install", *asked], self.fails)

    def isPipInstallInProgress(self) -> bool:
        return False


def recording(theirs: types.ModuleType) -> types.ModuleType:
    """Slicer's own `packaging` with the switches of ours: it asks and decides itself, and installs nothing."""
    ours, check, ensure = Packaging(), theirs.pip_check, theirs.pip_ensure
    for name in ("asked", "declines", "fails", "pretends_missing", "skips_in_testing"):
        setattr(theirs, name, getattr(ours, name))

    def switches() -> Packaging:
        vars(ours).update({name: getattr(theirs, name) for name in ("asked", "declines", "fails", "pretends_missing")})
        return ours

    def pip_ensure(requirements: Any, **options: Any) -> Any:
        import slicer

        confirm = slicer.util.confirmOkCancelDisplay
        slicer.util.confirmOkCancelDisplay = lambda *_texts, **_options: not theirs.declines  # type: ignore[attr-defined]
        try:
            return ensure(requirements, **{"skip_in_testing": theirs.skips_in_testing, **options})  # type: ignore[attr-defined]
        finally:
            slicer.util.confirmOkCancelDisplay = confirm

    def pip_check(requirements: Any, *more: Any) -> bool:
        return check(requirements, *more) and switches().pip_check(requirements)

    theirs.pip_check = pip_check  # type: ignore[attr-defined]
    theirs.pip_install = lambda requirements, **_options: switches().pip_install(requirements)  # type: ignore[attr-defined]
    theirs.pip_ensure = pip_ensure  # type: ignore[attr-defined]
    return theirs


def translation() -> types.ModuleType:
    """`slicer.i18n` without a dictionary; a text with its values already filled in is a mistake and is recorded."""
    module = types.ModuleType("slicer.i18n")

    def tr(text: str) -> str:
        fields = [name for _text, name, _spec, _conversion in string.Formatter().parse(text) if name is not None]
        if any(not re.fullmatch(r"\w*", name) for name in fields):
            problems.record("translation", f"not a plain placeholder in {text!r}")
        return text

    module.tr = tr  # type: ignore[attr-defined]
    module.translate = lambda _context, text: tr(text)  # type: ignore[attr-defined]
    return module


def pytorch_utils() -> types.ModuleType:
    """`PyTorchUtils` of the PyTorch extension: torch as it is in this Python."""
    module = types.ModuleType("PyTorchUtils")

    class PyTorchUtilsLogic:
        """Installs nothing; None stands for a declined installation."""

        def torchInstalled(self) -> bool:
            return importlib.util.find_spec("torch") is not None

        def installTorch(self, askConfirmation: bool = False, **_options: Any) -> Any:
            return importlib.import_module("torch") if self.torchInstalled() else None

        @property
        def torch(self) -> Any:
            return importlib.import_module("torch")

        def getDevice(self) -> str:
            return "cpu"

    module.PyTorchUtilsLogic = PyTorchUtilsLogic  # type: ignore[attr-defined]
    return module


def sample_data(modules: Any) -> types.ModuleType:
    """`SampleData`: registers sources as Slicer does, and gets those that a function makes; it downloads nothing."""
    module = types.ModuleType("SampleData")
    modules.sampleDataSources, modules.sampleDataSourceCategories = {}, {}

    class SampleDataLogic:
        """Sources by category in `slicer.modules.sampleDataSources`."""

        @staticmethod
        def registerCustomSampleDataCategory(category: str, title: str) -> None:
            modules.sampleDataSourceCategories[category] = {"title": title}

        @staticmethod
        def registerCustomSampleDataSource(
            category: str = "Custom",
            sampleName: str | None = None,
            uris: Any = None,
            fileNames: Any = None,
            nodeNames: Any = None,
            customDownloader: Any = None,
            thumbnailFileName: str | None = None,
            loadFileTypes: Any = None,
            loadFiles: Any = None,
            loadFileProperties: Any = None,
            checksums: Any = None,
        ) -> None:
            columns = {"fileNames": fileNames, "nodeNames": nodeNames, "checksums": checksums}
            if isinstance(uris, str):
                uris, columns = [uris], {name: [value] for name, value in columns.items()}
            if any(len(column or [None] * len(uris)) != len(uris) for column in columns.values()):
                raise ValueError("All fields of sample data source must have the same length")
            source = types.SimpleNamespace(sampleName=sampleName, uris=uris, customDownloader=customDownloader)
            vars(source).update(columns, thumbnailFileName=thumbnailFileName, loadFileTypes=loadFileTypes)
            known = modules.sampleDataSources.setdefault(category, [])
            if all(other.sampleName != sampleName for other in known):
                known.append(source)

        def downloadSamples(self, name: str) -> Any:
            for source in [source for group in modules.sampleDataSources.values() for source in group]:
                if source.sampleName == name and source.customDownloader is not None:
                    return source.customDownloader(source)
            return None

        downloadSample = downloadSamples

    module.SampleDataLogic = SampleDataLogic  # type: ignore[attr-defined]
    return module
