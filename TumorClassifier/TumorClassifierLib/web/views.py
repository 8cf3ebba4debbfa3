"""The four views of the page and what is drawn on top of them."""

from collections.abc import Callable
from typing import Any

import slicer
from trame.widgets import html
from trame.widgets import vuetify3 as v3
from trame_slicer.app.logic.slice_view_logic import connect_slice_view_slider_to_state
from trame_slicer.core import LayoutManager
from trame_slicer.rca_view import register_rca_factories
from trame_slicer.views import Layout, LayoutDirection, ViewLayoutDefinition

FOUR, AXIAL = "four", "axial"
FRAMES_A_SECOND = 20.0
EVENT_SECONDS = 0.02  # between two mouse positions that are sent
PLACES = {"Red": "Axial", "Green": "Coronal", "Yellow": "Sagittal"}


def build_views(server: Any, app: Any) -> LayoutManager:
    """Make the views of a scene; `initialize_layout_grid` of what is returned puts them into the page."""
    register_rca_factories(
        app.view_manager,
        server,
        slice_view_ui_f=_over_slice,
        three_d_view_ui_f=_over_3d,
        target_fps=FRAMES_A_SECOND,
        blur_fps=FRAMES_A_SECOND,  # the slider of a view and the keyboard are outside of it
        interactive_quality=70,
        rca_event_throttle_s=EVENT_SECONDS,
    )
    axial, coronal = ViewLayoutDefinition.axial_view(), ViewLayoutDefinition.coronal_view()
    sagittal, solid = ViewLayoutDefinition.sagittal_view(), ViewLayoutDefinition.threed_view()
    manager = LayoutManager(app.scene, app.view_manager, server)
    rows = [
        Layout(LayoutDirection.Horizontal, [axial, solid]),
        Layout(LayoutDirection.Horizontal, [coronal, sagittal]),
    ]
    manager.register_layout(FOUR, Layout(LayoutDirection.Vertical, rows))
    manager.register_layout(AXIAL, Layout(LayoutDirection.Vertical, [axial]))
    manager.set_layout(FOUR)
    link_views(app)
    return manager


def link_views(app: Any) -> None:
    """Zoom and layers go together, and Shift with the mouse moves the other views to the point under it."""
    scene = app.scene
    for i in range(scene.GetNumberOfNodesByClass("vtkMRMLSliceCompositeNode")):
        scene.GetNthNodeByClass(i, "vtkMRMLSliceCompositeNode").LinkedControlOn()
    crosshair = scene.GetFirstNodeByClass("vtkMRMLCrosshairNode")
    if crosshair is not None:
        crosshair.SetCrosshairBehavior(slicer.vtkMRMLCrosshairNode.OffsetJumpSlice)
        crosshair.SetCrosshairThickness(1)


def go_to(app: Any, ras: tuple[float, float, float]) -> None:
    """Lay all slices through a point (RAS, mm)."""
    for view in app.view_manager.get_slice_views():
        with view.trigger_modified_once():
            view.get_view_node().JumpSliceByOffsetting(*ras)
        view.schedule_render()


def _over_slice(server: Any, _view_id: str, view: Any) -> None:
    place = PLACES.get(view.get_singleton_tag(), view.get_singleton_tag())
    slider = connect_slice_view_slider_to_state(server, view)
    html.Div(f"{place} {{{{ images.length ? {slider.name.value}.toFixed(1) + ' mm' : '' }}}}", classes="tc-label")
    _reset_button(view, place)
    if place == "Axial":
        html.Div("{{ images.length ? '' : 'Open an image to see it here' }}", classes="tc-view-empty")
    with html.Div(classes="tc-slice", v_show=("images.length > 0",)):
        v3.VSlider(
            v_model=(slider.name.value,),
            min=(slider.name.min_value,),
            max=(slider.name.max_value,),
            step=(slider.name.step,),
            hide_details=True,
            density="compact",
            thumb_size=14,
            track_size=2,
            raw_attrs=[f'aria-label="{place} slice"', f'data-test="slice-{place.lower()}"'],
        )


def _over_3d(_server: Any, _view_id: str, view: Any) -> None:
    html.Div("3D", classes="tc-label")
    html.Div("{{ images.length && !shown_in_3d ? 'The outlined tumour appears here' : '' }}", classes="tc-view-empty")
    _reset_button(view, "3D")


def _reset_button(view: Any, place: str) -> None:
    click: Callable[..., Any] = view.reset_view
    with html.Div(style="position: absolute; top: 0; right: 0"):
        v3.VBtn(
            icon="mdi-fit-to-screen-outline",
            size="x-small",
            variant="text",
            color="white",
            click=click,
            raw_attrs=[f'aria-label="Fit {place} view"'],
            v_show=("images.length > 0",),
        )
