"""The page: steps on the left, views on the right. Its words are in Resources/Web."""

from typing import Any

from trame.ui.vuetify3 import VAppLayout
from trame.widgets import html
from trame.widgets import vuetify3 as v3
from trame_slicer.app.ui import (
    ControlButton,
    DrawEffectUI,
    FlexContainer,
    IslandsEffectUI,
    LogicalOperatorsEffectUI,
    PaintEffectUI,
    ScissorsEffectUI,
    SegmentEditorUI,
    SmoothingEffectUI,
    ThresholdEffectUI,
)
from trame_slicer.segmentation import (
    SegmentationEffectDraw,
    SegmentationEffectErase,
    SegmentationEffectIslands,
    SegmentationEffectLogicalOperators,
    SegmentationEffectNoTool,
    SegmentationEffectPaint,
    SegmentationEffectScissors,
    SegmentationEffectSmoothing,
    SegmentationEffectThreshold,
)

from FeatureExtractorLib.resources import resource_path

WIDTH = 372  # pixels of the steps
STEPS = ("Image", "Outline", "Classify", "Result")
TOOLS = (
    ("Move and scroll", "mdi-cursor-default", SegmentationEffectNoTool, None),
    ("Paint", "mdi-brush", SegmentationEffectPaint, PaintEffectUI),
    ("Erase", "mdi-eraser", SegmentationEffectErase, PaintEffectUI),
    ("Draw", "mdi-draw", SegmentationEffectDraw, DrawEffectUI),
    ("Scissors", "mdi-content-cut", SegmentationEffectScissors, ScissorsEffectUI),
    ("Threshold", "mdi-auto-fix", SegmentationEffectThreshold, ThresholdEffectUI),
    ("Islands", "mdi-scatter-plot", SegmentationEffectIslands, IslandsEffectUI),
    ("Smoothing", "mdi-blur", SegmentationEffectSmoothing, SmoothingEffectUI),
    ("Combine segments", "mdi-vector-intersection", SegmentationEffectLogicalOperators, LogicalOperatorsEffectUI),
)


class OutlineTools(SegmentEditorUI):
    """trame-slicer's segment editor in the order of this page: segments, tools, the chosen tool's settings."""

    def _build_ui(self) -> None:
        with self:
            self.edit_ui._build_color_dialog()
            with html.Div(classes="tc-card pa-1", style="flex: none"):
                self._create_segment_list()
                v3.VBtn(
                    "Add a segment",
                    block=True,
                    size="small",
                    variant="text",
                    prepend_icon="mdi-plus",
                    click=self.add_segment_clicked,
                )
            with html.Div(
                v_if=(self._typed_state.name.segment_list.active_segment_id,), classes="tc-card", style="flex: none"
            ):
                with FlexContainer(row=True, classes="flex-wrap"):
                    for name, icon, effect, _ in TOOLS:
                        self._create_effect_button(name, icon, effect, raw_attrs=named(name))
                    self._undo_buttons()
                for _, _, effect, settings in TOOLS:
                    if settings is not None:
                        with html.Div(v_if=self.is_active_effect(effect), classes="mt-2"):
                            self._effect_ui[effect] = settings()

    def _undo_buttons(self) -> None:
        for name, icon, click, possible in (
            ("Undo", "mdi-undo", self.undo_clicked, self._typed_state.name.can_undo),
            ("Redo", "mdi-redo", self.redo_clicked, self._typed_state.name.can_redo),
        ):
            ControlButton(name=name, icon=icon, click=click, disabled=(f"!{possible}",), raw_attrs=named(name))


class Page:
    """The whole page. tools: where the segment editor's logic finds its buttons."""

    tools: OutlineTools

    def __init__(self, server: Any, layout_manager: Any) -> None:
        with VAppLayout(server, full_height=True) as layout:
            layout.root.theme = "dark"
            with v3.VAppBar(density="compact", flat=True, color="#17212b"):
                v3.VAppBarTitle("TumorClassifier", classes="flex-0-0", style="min-width: 150px")
                v3.VChip("For research use only", size="small", color="amber", variant="outlined", classes="ml-4")
                v3.VSpacer()
                html.Div(
                    "{{ busy || upload_text }}",
                    classes="text-body-2 mr-3",
                    raw_attrs=['role="status"', 'data-test="busy"'],
                )
                v3.VProgressCircular(v_show=("!!busy || !!upload_text",), indeterminate=True, size=20, width=2)
                v3.VBtn(
                    icon=("one_view ? 'mdi-view-grid-outline' : 'mdi-square-outline'",),
                    click="one_view = !one_view",
                    raw_attrs=['aria-label="One view or four"', 'data-test="one-view"'],
                    size="small",
                )
            with v3.VNavigationDrawer(permanent=True, width=WIDTH, color="#121a22", location="left"):
                self._steps()
            with v3.VMain(style="height: 100vh"), html.Div(classes="fill-height d-flex", style="background: #000"):
                layout_manager.initialize_layout_grid(layout)
        self.layout = layout

    def _steps(self) -> None:
        with html.Nav(classes="d-flex pa-2 ga-1", raw_attrs=['aria-label="Steps"']):
            for number, name in enumerate(STEPS, 1):
                v3.VBtn(
                    f"{number} {name}",
                    classes="tc-step flex-1-1",
                    size="small",
                    variant=(f"step === {number} ? 'flat' : 'text'",),
                    color=(f"step === {number} ? 'primary' : undefined",),
                    click=f"step = {number}",
                    raw_attrs=[f'data-test="step-{number}"', f':aria-current="step === {number}"'],
                )
        v3.VDivider()
        with html.Div(classes="pa-3"):
            with v3.VAlert(
                v_if=("!!error",),
                type="error",
                density="compact",
                variant="tonal",
                closable=True,
                click_close="error = ''",
                classes="mb-3",
                raw_attrs=['role="alert"', 'data-test="error"'],
            ):
                html.Div("{{ error }}", style="overflow-wrap: anywhere")
                with html.Details(v_if=("!!error_details",)):
                    html.Summary("Details")
                    html.Pre("{{ error_details }}", classes="tc-pre")
            with html.Div(v_if=("step === 1",)) as step:
                step.add_child(template("image"))
            with html.Div(v_show=("step === 2",)) as step:
                step.add_child(template("outline_top"))
                with html.Div(v_show=("images.length > 0",)):
                    self.tools = OutlineTools(classes="mt-1")
                step.add_child(template("outline_bottom"))
            with html.Div(v_if=("step === 3",)) as step:
                step.add_child(template("classify"))
            with html.Div(v_if=("step === 4",)) as step:
                step.add_child(template("result"))


def template(name: str) -> str:
    """The words of one step, as a Vue template."""
    return resource_path(f"Web/{name}.html", __file__).read_text(encoding="utf-8")


def named(name: str) -> list[str]:
    """What a button without words is called for those who do not see it, and in tests."""
    return [f'aria-label="{name}"', f'data-test="tool-{name.split()[0].lower()}"']
