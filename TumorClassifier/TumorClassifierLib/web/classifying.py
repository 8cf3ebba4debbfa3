"""Choosing a model, what it still needs, and running it."""

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from FeatureExtractorLib.errors import TumorClassifierError
from FeatureExtractorLib.progress import stage_name

from ..explain.cam import NAMES
from ..model_choice import ClinicalField, ModelSummary, missing_for, model_summaries
from ..scene.case_nodes import write_case

if TYPE_CHECKING:
    from ..worker import Event
    from .actions import Actions

CALLED = "The class that is called"


class Classifying:
    """The third step of the page."""

    def __init__(self, actions: "Actions") -> None:
        self._actions = actions
        self._state = actions.state
        self._has_outline = False
        self._models: dict[str, ModelSummary] = {}
        self._methods: dict[str, str] = {}
        server = actions.server
        server.trigger("classify")(actions.jobs.in_background(self.classify))
        server.trigger("cancel")(self.cancel)
        server.trigger("set_clinical")(self.set_clinical)
        self._state.change("model")(self._model_changed)

    async def begin(self) -> None:
        """Read which models there are; it takes a moment."""
        summaries = await asyncio.to_thread(model_summaries)
        usable = {str(summary.path): summary for summary in summaries if not summary.damaged}
        self._models = usable
        with self._state as state:
            state.models = [{"name": summary.name, "path": path} for path, summary in usable.items()]
            state.models_read, state.model = True, next(iter(usable), "")
            self._model_changed(state.model)

    @property
    def summary(self) -> ModelSummary | None:
        """The chosen model."""
        return self._models.get(self._state.model)

    def set_clinical(self, name: str, value: Any) -> None:
        """One value of the form; empty where it was taken away."""
        summary = self.summary
        field = next((field for field in summary.clinical if field.name == name), None) if summary else None
        if field is None:
            return
        values = dict(self._state.clinical)
        values.pop(name, None)
        if value not in (None, ""):
            with suppress(ValueError):
                values[name] = float(value) if field.kind == "number" else str(value)
        with self._state as state:
            state.clinical = values
            self.update()

    def update(self) -> None:
        """Tell the page what is missing."""
        self.update_missing(self._has_outline)

    def update_missing(self, has_outline: bool) -> None:
        """As `update`, when it is known whether something is outlined."""
        self._has_outline = has_outline
        summary = self.summary
        if summary is None:
            self._state.missing = ["Choose a model."] if self._models else []
            return
        given = [image.modality for image in self._actions.case.images]
        twice = sorted({name for name in given if given.count(name) > 1})
        self._state.missing = [
            *(f"{name} is given twice; say what each image is." for name in twice),
            *missing_for(summary, given, has_outline, self._clinical()),
        ]

    async def classify(self) -> None:
        """Classify the case in the worker and show what comes of it."""
        actions, state, summary = self._actions, self._state, self.summary
        if summary is None or state.missing or actions.jobs.running:
            return
        with state:
            state.running, state.cancelling, state.stage = True, False, "Writing the case"
            state.progress, state.seconds = 0.0, 0
            state.error = state.error_details = ""
        await asyncio.sleep(0.05)
        folder = actions.jobs.new_folder()
        inputs = folder.with_name(f"{folder.name}-inputs")
        kept = False
        try:
            case = actions.case
            nodes = {image.modality: image.node for image in case.images if image.modality in summary.modalities}
            outlined = case.segmentation if self._has_outline else None
            parts = write_case(nodes, outlined, state.tumour, inputs)
            request = {
                "work": "classify",
                "model": str(summary.path),
                **parts,
                "case_id": "case",
                "clinical": self._clinical(),
                "activation": self._methods.get(state.cam_method),
                "target": None if state.cam_class in ("", CALLED) else state.cam_class,
                "engine": "auto",
            }
            if state.cancelling:  # asked for before there was a job to end
                return
            last = await actions.jobs.run(request, folder, self._tell)
            if last.kind == "done":
                with state:
                    state.stage, state.progress = "Showing the result", 1.0
                await asyncio.sleep(0.05)
                actions.results.show(folder, inputs, case.volume)
                kept = True
            elif last.kind == "failed":
                actions.fail(last.text, last.details)
        except TumorClassifierError as error:
            actions.fail(str(error))
        finally:
            if not kept:
                actions.jobs.forget(folder)
                actions.jobs.forget(inputs)
            with state:
                state.running = state.cancelling = False

    def cancel(self) -> None:
        """End the run."""
        with self._state as state:
            state.cancelling = True
        self._actions.jobs.cancel()

    def _tell(self, event: "Event", seconds: float) -> None:
        with self._state as state:
            state.seconds = int(seconds)
            if event.kind == "progress":
                state.stage = stage_name(event.stage).capitalize()
                state.progress = event.fraction

    def _clinical(self) -> dict[str, Any]:
        summary = self.summary
        names = {field.name for field in (summary.clinical if summary else ())}
        return {name: value for name, value in self._state.clinical.items() if name in names}

    def _model_changed(self, model: str, **_: Any) -> None:
        summary = self._models.get(model)
        with self._state as state:
            state.model_summary = None if summary is None else _summary_of(summary)
            state.cam_methods, self._methods = [], {}
            self.update()
        if summary is None:
            return
        with self._state as state:
            self._methods = {NAMES[method]: method for method in summary.activations}
            state.cam_methods = list(self._methods)
            state.cam_method, state.cam_class = next(iter(self._methods), ""), CALLED
            state.cam_classes = [CALLED, *summary.classes]


def _summary_of(summary: ModelSummary) -> dict[str, Any]:
    outline = "and the tumour's outline" if summary.needs_outline else "and no outline"
    return {
        "name": summary.name,
        "classes": list(summary.classes),
        "needs": f"{', '.join(summary.modalities)} {outline}",
        "metrics": summary.metrics,
        "limits": list(summary.limits),
        "card": summary.card,
        "clinical": [
            {
                "name": field.name,
                "kind": field.kind,
                "levels": list(field.levels),
                "label": f"{field.name}{f' ({field.unit})' if field.unit else ''}{' *' if field.required else ''}",
                "hint": _hint(field),
            }
            for field in summary.clinical
        ],
    }


def _hint(field: ClinicalField) -> str:
    told = [] if field.low is None or field.high is None else [f"Trained on {field.low:g} to {field.high:g}."]
    return " ".join([*told, field.unknown])
