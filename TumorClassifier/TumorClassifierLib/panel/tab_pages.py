"""Tabs in a scrolled panel: as high as the page that is shown."""

from typing import Any

import qt


def fit_shown_page(tabs: Any) -> None:
    """Let no hidden page of a QTabWidget hold its place open below the shown one."""
    for i in range(tabs.count):
        policy = qt.QSizePolicy.Preferred if i == tabs.currentIndex else qt.QSizePolicy.Ignored
        tabs.widget(i).setSizePolicy(qt.QSizePolicy.Preferred, policy)
    tabs.updateGeometry()
