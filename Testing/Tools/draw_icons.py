"""Draw the icons' PNG files, 128 × 128 pixels, from their hand-written SVG files with Qt, as Slicer draws them.

    pip install PySide6-Essentials
    QT_QPA_PLATFORM=offscreen python Testing/Tools/draw_icons.py
"""

import shutil
from pathlib import Path

from PySide6.QtGui import QGuiApplication, QImage, QPainter
from PySide6.QtSvg import QSvgRenderer

REPOSITORY = Path(__file__).resolve().parents[2]
SIDE = 128


def draw(svg: Path) -> Path:
    """Draw an SVG file into the PNG file of the same name beside it."""
    image = QImage(SIDE, SIDE, QImage.Format.Format_ARGB32)
    image.fill(0)
    painter = QPainter(image)
    QSvgRenderer(str(svg)).render(painter)
    painter.end()
    png = svg.with_suffix(".png")
    image.save(str(png))
    return png


def main() -> None:
    application = QGuiApplication([])
    for module in ("FeatureExtractor", "TumorClassifier"):
        svg = REPOSITORY / module / "Resources" / "Icons" / f"{module}.svg"
        print(draw(svg).relative_to(REPOSITORY))
    # The extension's icon, which the Extension Index downloads, is that of its main module.
    for picture in (svg, svg.with_suffix(".png")):
        shutil.copyfile(picture, REPOSITORY / "Resources" / picture.name)
    application.quit()


if __name__ == "__main__":
    main()
