"""A server, a browser and a user who reads the page; all are skipped, visibly, where something is not installed."""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk

START = 90.0  # seconds


@pytest.fixture(scope="session")
def web_python(repository: Path) -> Path:
    """The Python that has trame-slicer."""
    chosen = os.environ.get("TUMORCLASSIFIER_WEB_PYTHON")
    python = Path(chosen) if chosen else repository / ".venv-web/bin/python"
    if not python.exists():
        pytest.skip(f"no {python}; run `make setup-web`")
    return python


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    """A headless Chromium."""
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if path is None:
        pytest.skip("no Chromium; install the package chromium")
    if find_spec("playwright") is None:
        pytest.skip("no playwright; run `make setup`")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


class Server:
    """`tumorclassifier web` in a process of its own."""

    def __init__(self, python: Path, folder: Path, *options: str) -> None:
        self.folder = folder
        self.log = folder / "server.log"
        command = [str(python), "-m", "TumorClassifierLib", "web", "--port", "0", *options]
        environment = {**os.environ, "TMPDIR": str(folder), "OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"}
        with open(self.log, "w") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, env=environment, cwd=folder)
        ends = time.monotonic() + START
        while "is at" not in self.log.read_text():
            assert self.process.poll() is None and time.monotonic() < ends, self.log.read_text()
            time.sleep(0.1)
        self.address = self.log.read_text().split("is at ")[1].split()[0]

    def stop(self, how: signal.Signals = signal.SIGTERM) -> int:
        """End it and wait."""
        if self.process.poll() is None:
            self.process.send_signal(how)
        return self.process.wait(20)

    def sessions(self) -> list[int]:
        """The processes of its users."""
        listed = subprocess.run(["ps", "-ww", "-eo", "pid,args"], capture_output=True, text=True, check=True).stdout
        lines = [line for line in listed.splitlines() if ".web.session" in line and str(self.folder) in line]
        return [int(line.split()[0]) for line in lines]


@pytest.fixture(scope="session")
def server_of(web_python: Path) -> Callable[..., Server]:
    """Starts a server; whoever does stops it."""
    return lambda folder, *options: Server(web_python, folder, *options)


@pytest.fixture(scope="session")
def server(server_of: Callable[..., Server], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server for many tests."""
    started = server_of(tmp_path_factory.mktemp("server"), "--upload", "40", "--sessions", "8")
    yield started
    started.stop()


class User:
    """Somebody at the page. problems: what the browser complained of."""

    def __init__(self, chromium: Any, address: str, width: int = 1280, height: int = 800) -> None:
        self.context = chromium.new_context(viewport={"width": width, "height": height}, accept_downloads=True)
        self.page = self.context.new_page()
        self.problems: list[str] = []
        self.requests: list[str] = []
        self.page.on("pageerror", lambda error: self.problems.append(str(error)))
        self.page.on("console", lambda said: self.problems.append(said.text) if said.type == "error" else None)
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.goto(address, timeout=START * 1000)
        self.page.wait_for_selector("[data-test=step-1]", timeout=START * 1000)

    def close(self) -> None:
        """Leave."""
        self.context.close()

    def find(self, name: str, seconds: float = 60.0) -> Any:
        """A part of the page by its name for tests, when it is there."""
        return self.page.wait_for_selector(f"[data-test={name}]", timeout=seconds * 1000)

    def click(self, name: str) -> None:
        """Press a button, when it can be pressed."""
        self.page.click(f"[data-test={name}]", timeout=60000)

    def text(self, name: str) -> str:
        """What a part of the page says."""
        return str(self.find(name).inner_text())

    def send(self, file: Path, opener: str = "Choose an image file") -> None:
        """Choose a file as a user does."""
        with self.page.expect_file_chooser() as chooser:
            self.page.locator(f'[aria-label="{opener}"], button:has-text("{opener}")').first.click()
        chooser.value.set_files(file)

    def open(self, file: Path) -> None:
        """Open the first image of a case."""
        self.send(file)
        self.find("to-outline")

    def phantom(self) -> None:
        """Open the drawn head."""
        self.click("phantom")
        self.find("to-outline")
        self.idle()

    def idle(self) -> None:
        """Wait until nothing is being done."""
        self.page.wait_for_function("document.querySelector('[data-test=busy]').innerText === ''", timeout=60000)

    def download(self, kind: str, folder: Path) -> Path:
        """Take a file of the result."""
        with self.page.expect_download(timeout=60000) as download:
            self.click(f"download-{kind}")
        path = folder / download.value.suggested_filename
        download.value.save_as(path)
        return path

    def view(self, name: str = "Axial") -> dict[str, float]:
        """Where a slice view is on the screen."""
        image = self.page.locator(f'[aria-label="{name} slice"]').first
        place = image.locator('xpath=ancestor::div[contains(@class,"layout-grid-item")]').bounding_box()
        return dict(place)

    def pixels(self, name: str = "Axial") -> np.ndarray:
        """What a view shows, without the words and the slider over it: (rows, columns, 3)."""
        place = self.view(name)
        clip = {"x": place["x"], "y": place["y"] + 34, "width": place["width"] - 40, "height": place["height"] - 80}
        from io import BytesIO

        from PIL import Image

        return np.asarray(Image.open(BytesIO(self.page.screenshot(clip=clip))).convert("RGB")).astype(int)

    def settled(self, name: str = "Axial", seconds: float = 20.0) -> np.ndarray:
        """The view's pixels once they no longer change."""
        ends, before = time.monotonic() + seconds, self.pixels(name)
        while time.monotonic() < ends:
            self.page.wait_for_timeout(400)
            after = self.pixels(name)
            if np.abs(after - before).mean() < 0.05:
                return after
            before = after
        return before

    def changed(self, before: np.ndarray, least: float, name: str = "Axial", seconds: float = 30.0) -> np.ndarray:
        """The view's pixels once they differ from earlier ones by `least` on average (0–255) and rest."""
        ends = time.monotonic() + seconds
        while True:
            after = self.settled(name)
            if np.abs(after - before).mean() > least:
                return after
            assert time.monotonic() < ends, f"the view has not changed by {least}"

    def go_to_slice(self, mm: float, name: str = "Axial") -> None:
        """Move a view's slider with the arrow keys to the slice nearest to a position."""
        thumb = self.page.locator(f"[data-test=slice-{name.lower()}] [role=slider]")
        thumb.focus()
        for _ in range(200):
            now = float(thumb.get_attribute("aria-valuenow") or 0)
            step = 1 if now < mm else -1
            self.page.keyboard.press("ArrowRight" if step > 0 else "ArrowLeft")
            self.page.wait_for_timeout(60)
            after = float(thumb.get_attribute("aria-valuenow") or 0)
            if abs(after - mm) >= abs(now - mm):
                self.page.keyboard.press("ArrowLeft" if step > 0 else "ArrowRight")
                self.page.wait_for_timeout(400)
                return
        raise AssertionError("the slice was not reached")

    def stroke(self, image: sitk.Image, points: list[tuple[float, float, float]], name: str = "Axial") -> None:
        """Draw through points (voxel indices) of the axial slice that is shown, fitted into its view."""
        place, before = self.view(name), self.settled(name)
        size = [n * s for n, s in zip(image.GetSize(), image.GetSpacing(), strict=True)]
        mm = max(size[0] / place["width"], size[1] / place["height"])
        middle = image.TransformContinuousIndexToPhysicalPoint([(n - 1) / 2 for n in image.GetSize()])
        for number, index in enumerate(points):
            x, y, _ = image.TransformContinuousIndexToPhysicalPoint(index)
            at = (
                place["x"] + place["width"] / 2 + (x - middle[0]) / mm,
                place["y"] + place["height"] / 2 + (y - middle[1]) / mm,
            )
            self.page.mouse.move(*at, steps=1 if number == 0 else 4)
            self.page.wait_for_timeout(40)
            if number == 0:
                self.page.mouse.down()
                self.page.wait_for_timeout(60)
        self.page.wait_for_timeout(200)
        self.page.mouse.up()
        self.page.mouse.move(place["x"] + 12, place["y"] + 60)  # off the stroke: what is seen then has been painted
        self.changed(before, 0.02, name)

    def mark(self, where: str) -> None:
        """Take the brush for strokes, and wait until it is in the hand."""
        self.click(f"mark-{where}")
        self.page.wait_for_selector(f"[data-test=mark-{where}].v-btn--variant-flat", timeout=30000)
        self.settled()


@pytest.fixture
def user_of(chromium: Any) -> Iterator[Callable[..., User]]:
    """A user at a server's page, who leaves at the end."""
    users: list[User] = []

    def come(address: str, **size: int) -> User:
        users.append(User(chromium, address, **size))
        return users[-1]

    yield come
    for user in users:
        user.close()
