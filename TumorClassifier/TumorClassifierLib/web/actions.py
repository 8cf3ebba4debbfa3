"""What the buttons of the page do up to the outline: open, show, correct, mark, grow."""

import asyncio
import json
import logging
import re
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from trame_server.utils.typed_state import TypedState
from trame_slicer.app.logic import SegmentEditorLogic
from trame_slicer.app.ui import PaintEffectState
from trame_slicer.segmentation import (
    BrushDiameterMode,
    SegmentationEffectNoTool,
    SegmentationEffectPaint,
    SegmentationOpacityEnum,
)

from FeatureExtractorLib.errors import InputError, TumorClassifierError

from ..scene.volumes import image_of
from .case_scene import INSIDE, OUTSIDE, TUMOUR, CaseScene, read_upload, sentences_without, size_text
from .classifying import Classifying
from .jobs import JobRunner
from .limits import Limits
from .page import Page
from .results_page import ResultPage
from .state import guess
from .views import AXIAL, FOUR, build_views, link_views

log = logging.getLogger(__name__)
BRUSH = 2  # per cent of a view: strokes are thin
UPLOAD = re.compile(r"[0-9a-f]{32}")


class Actions:
    """Binds the page to the case."""

    def __init__(self, server: Any, case: CaseScene, limits: Limits) -> None:
        self.server, self.state, self.case, self.limits = server, server.state, case, limits
        self.jobs = JobRunner(server, case.folder)
        layout = build_views(server, case.app)
        self._editor_logic = SegmentEditorLogic(server, case.app)  # after the views, which its tools look for
        self.page = Page(server, layout)
        self._editor_logic.set_ui(self.page.tools)
        self._look = self._editor_logic.data.segment_display
        self._look.border_thickness.value, self._look.opacity_2d.value, self._look.opacity_3d.value = 3, 0.5, 1.0
        self._brush = TypedState(self.state, PaintEffectState).data.brush_diameter_slider
        self.results = ResultPage(self)
        self.classifying = Classifying(self)
        for action in (
            self.received,
            self.refused,
            self.open_phantom,
            self.show_image,
            self.remove_image,
            self.set_modality,
            self.correct,
            self.mark,
            self.grow,
            self.new_case,
            self.undo,
            self.redo,
        ):
            server.trigger(action.__name__)(self.jobs.in_background(action))
        self.state.change("one_view")(lambda one_view, **_: layout.set_layout(AXIAL if one_view else FOUR))
        self.state.change("tumour")(lambda **_: self.update_outline())
        self.state.change("step")(self._step_changed)
        case.editor.segmentation_modified.connect(self._outline_changed)
        case.editor.active_effect_name_changed.connect(self._tool_changed)
        self._waiting: asyncio.Task[None] | None = None

    def stop(self) -> None:
        """End what runs."""
        self.jobs.cancel()

    @asynccontextmanager
    async def doing(self, text: str) -> AsyncIterator[None]:
        """Say what is being done, and what went wrong."""
        with self.state as state:
            state.busy, state.error, state.error_details = text, "", ""
        await asyncio.sleep(0.05)  # so that the page hears it
        try:
            yield
        except TumorClassifierError as error:
            self.fail(str(error))
        except MemoryError:
            self.fail("There is not enough memory for this image; use a smaller one.")
        except Exception as error:  # noqa: BLE001 - the page must go on
            log.warning("%s in %s", type(error).__name__, text)  # not the text, which may name a file
            self.fail(f"Something unforeseen happened ({type(error).__name__}); try again or start a new case.")
        finally:
            with self.state as state:
                state.busy = ""
                self.update()

    def fail(self, text: str, details: str = "") -> None:
        """Show a sentence."""
        with self.state as state:
            state.error, state.error_details = text, details

    # image

    async def received(self, upload: str) -> None:
        """Open what the server has put into this session's uploads."""
        if not isinstance(upload, str) or not UPLOAD.fullmatch(upload):
            return
        folder = self.case.folder / "uploads" / upload
        async with self.doing("Reading the file"):
            try:
                about = json.loads((folder / "about.json").read_text(encoding="utf-8"))
                file = folder / about["file"]
                if about["kind"] == "segmentation":
                    await self._open_outline(file)
                else:
                    await self._open_image(file, about["label"])
            finally:
                shutil.rmtree(folder, ignore_errors=True)

    def refused(self, text: str) -> None:
        """Show why the page or the server took no file."""
        self.fail(str(text)[:400])

    async def open_phantom(self) -> None:
        """Begin with the drawn head and its tumour."""
        from FeatureExtractorLib.phantom import head_phantom

        async with self.doing("Drawing a head"):
            image, mask = await asyncio.to_thread(head_phantom)
            self._begin()
            self.case.add_image(image, "T1C", "Drawn head (not a patient)")
            self.case.set_segment(TUMOUR, mask)
            self._show_solid()

    def show_image(self, key: str) -> None:
        """Show that image in the slice views."""
        self._guarded(lambda: self.case.show(self.case.image(key).node))

    def remove_image(self, key: str) -> None:
        """Take an image out of the case."""
        self._guarded(lambda: self._remove_image(key))

    def _remove_image(self, key: str) -> None:
        if self.case.image(key).node is self.case.volume:
            self.new_case()
        else:
            self.case.remove_image(key)
            self.results.outdate()

    def set_modality(self, key: str, modality: str | None) -> None:
        """Say what kind of image it is."""
        name = re.sub(r"[^A-Za-z0-9_+-]", "", str(modality or ""))[:24]
        self._guarded(lambda: setattr(self.case.image(key), "modality", name))

    async def correct(self, key: str) -> None:
        """Remove an image's bias field in the worker."""
        import SimpleITK as sitk

        async with self.doing("Correcting the brightness (N4)"):
            image = self.case.image(key)
            folder = self.jobs.new_folder()
            source = folder.with_suffix(".nrrd")
            await asyncio.to_thread(sitk.WriteImage, image_of(image.node), str(source))
            try:
                last = await self.jobs.run({"work": "correct", "image": str(source), "engine": "fast"}, folder)
                if last.kind == "done":
                    self.case.correct(key, await asyncio.to_thread(read_upload, folder / "out" / "corrected.nrrd"))
                    self.results.outdate()
                elif last.kind == "failed":
                    self.fail(last.text, last.details)
            finally:
                source.unlink(missing_ok=True)
                shutil.rmtree(folder, ignore_errors=True)

    def new_case(self) -> None:
        """Forget everything."""
        self.jobs.cancel()
        self._begin()
        with self.state as state:
            state.step = 1
            self.update()

    # outline

    def mark(self, where: str) -> None:
        """Take the brush for strokes inside or outside the tumour."""

        def take() -> None:
            self.case.editor.set_active_segment_id(self.case.stroke_segment(INSIDE if where == "inside" else OUTSIDE))
            self.case.show_strokes(True)
            self._brush.value = BRUSH
            brush = self.case.editor.set_active_effect_type(SegmentationEffectPaint)
            brush.set_brush_diameter(BRUSH, BrushDiameterMode.ScreenRelative)
            with self.state as state:
                state.marking = "inside" if where == "inside" else "outside"

        self._guarded(take)

    async def grow(self) -> None:
        """Grow the tumour from the strokes."""
        async with self.doing("Growing"):
            self.case.editor.deactivate_effect()
            self.case.grow()
            self.case.show_strokes(False)
            with self.state as state:
                state.tumour = self.case.segment_named(TUMOUR)
            self._show_solid()

    def undo(self) -> None:
        """Take back the last change of the outline."""
        self._editor_logic._on_undo_clicked()

    def redo(self) -> None:
        """Do it again."""
        self._editor_logic._on_redo_clicked()

    # what the page is told

    def update(self) -> None:
        """Tell the page what the case is now."""
        state = self.state
        state.images = [
            {
                "key": image.key,
                "label": image.label,
                "modality": image.modality,
                "corrected": image.corrected,
                "size": size_text(image.node),
            }
            for image in self.case.images
        ]
        self.update_outline()
        self.classifying.update()

    def update_outline(self) -> None:
        """Tell the page which segments there are and which is the tumour."""
        state, segmentation = self.state, self.case.segmentation
        choices = []
        if segmentation is not None:
            held = segmentation.GetSegmentation()
            choices = [{"id": i, "name": held.GetSegment(i).GetName()} for i in held.GetSegmentIDs()]
            choices = [choice for choice in choices if choice["name"] not in (INSIDE, OUTSIDE)]
        state.segment_choices = choices
        known = [choice["id"] for choice in choices]
        if state.tumour not in known:
            guess = self.case.tumour_id()
            state.tumour = guess if guess in known else (known[0] if known else "")
        millilitres = self.case.volume_ml(state.tumour) if state.tumour else 0.0
        state.tumour_text = f"{millilitres:.1f} ml are outlined." if millilitres else "Nothing is outlined yet."
        self.classifying.update_missing(bool(millilitres))

    def _begin(self) -> None:
        self.results.forget()
        self.case.clear()
        link_views(self.case.app)
        with self.state as state:
            state.update({"tumour": "", "marking": "", "outdated": False, "shown_in_3d": False, "error": ""})

    async def _open_image(self, file: Path, label: str) -> None:
        if len(self.case.images) >= self.limits.images:
            raise InputError(f"A case has at most {self.limits.images} images; start a new case.")
        image = await asyncio.to_thread(read_upload, file)
        kinds = [image.modality for image in self.case.images]
        self.case.add_image(image, guess(kinds, label), label)
        self.results.outdate()

    async def _open_outline(self, file: Path) -> None:
        if self.case.volume is None:
            raise InputError("A segmentation needs its image; open the image first.")
        with sentences_without(file):
            self.case.open_outline(file)
        self._show_solid()
        with self.state as state:
            state.tumour, state.step = self.case.segment_named(TUMOUR), 2

    def _show_solid(self) -> None:
        self._look.show_3d = True
        self.case.editor.set_surface_representation_enabled(True)
        with self.state as state:
            state.shown_in_3d = True
        for view in self.case.app.view_manager.get_threed_views():
            view.reset_view()

    def _guarded(self, act: Callable[[], None]) -> None:
        try:
            act()
        except TumorClassifierError as error:
            self.fail(str(error))
        with self.state:
            self.update()

    def _outline_changed(self, *_: Any) -> None:
        """Tell the page soon, once for many changes."""
        if self._waiting is None or self._waiting.done():
            with suppress(RuntimeError):
                self._waiting = asyncio.get_running_loop().create_task(self._tell_outline())

    async def _tell_outline(self) -> None:
        await asyncio.sleep(0.3)
        with self.state:
            self.results.outdate()
            self.update_outline()

    def _tool_changed(self, name: str) -> None:
        if name != SegmentationEffectPaint.get_effect_name():
            with self.state as state:
                state.marking = ""

    def _step_changed(self, step: int, **_: Any) -> None:
        if step != 2:
            self.case.editor.set_active_effect_type(SegmentationEffectNoTool)
        with self.state:
            whole = step == 2 or self.state.result is None
            self._look.opacity_mode = SegmentationOpacityEnum.BOTH if whole else SegmentationOpacityEnum.OUTLINE
