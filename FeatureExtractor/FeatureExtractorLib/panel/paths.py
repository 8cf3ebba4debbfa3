"""Paths kept as texts in the parameter node, which has no connector for them that knows "no path"."""

from typing import Any


class _Bound:
    def __init__(self, widget: Any, panel: Any, name: str) -> None:
        self.widget, self.panel, self.name = widget, panel, name

    def on_changed(self, path: str) -> None:
        """The user chose a file."""
        node = self.panel.parameters
        if node is not None and node.getValue(self.name) != path:
            node.setValue(self.name, path)

    def update(self) -> None:
        """Show what the parameter node says."""
        node = self.panel.parameters
        path = node.getValue(self.name) if node is not None else ""
        if self.widget.currentPath != path:
            self.widget.currentPath = path


def bind_path(widget: Any, panel: Any, name: str) -> None:
    """Keep a ctkPathLineEdit and a text parameter alike, both ways; the panel's `update` shows the parameter."""
    bound = _Bound(widget, panel, name)
    widget.connect("currentPathChanged(QString)", bound.on_changed)
    panel.bound.append(bound)
