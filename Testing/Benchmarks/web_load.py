"""Memory of the page's processes: twenty cases in one session, three sessions at once, ten one after another.

    python Testing/Benchmarks/web_load.py

Needs `make setup-web` and Chromium. Prints megabytes of resident memory; a share of them, the libraries' code, is
shared between sessions and counted in each.
"""

import importlib.util
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[2]
CASES, AT_ONCE, IN_TURN = 20, 3, 10


def helpers() -> Any:
    """The server and the user of the tests."""
    path = REPOSITORY / "Testing/Python/web/conftest.py"
    spec = importlib.util.spec_from_file_location("web_conftest", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def megabytes(pid: int) -> int:
    """Resident memory of a process."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4096 >> 20


def main() -> None:
    """Run all three."""
    import shutil

    from playwright.sync_api import sync_playwright

    web = helpers()
    python = REPOSITORY / ".venv-web/bin/python"
    chromium = shutil.which("chromium")
    if chromium is None or not python.exists():
        print("The page is not measured: Chromium or .venv-web is missing.")
        return
    with sync_playwright() as playwright, tempfile.TemporaryDirectory() as folder:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        server = web.Server(python, Path(folder), "--sessions", "4")
        try:
            twenty_cases(web, browser, server)
            at_once(web, browser, server)
        finally:
            server.stop()
        in_turn(web, browser, python, Path(folder))
        browser.close()


def twenty_cases(web: Any, browser: Any, server: Any) -> None:
    user = web.User(browser, server.address)
    (pid,) = server.sessions()
    sizes = []
    for number in range(CASES):
        user.phantom()
        if number % 5 == 0:
            user.click("step-3")
            user.page.wait_for_selector("[data-test=classify]:not([disabled])", timeout=60000)
            user.click("classify")
            user.find("class", 300)
            user.idle()
        sizes.append(megabytes(pid))
        user.click("step-1")
        user.click("new-case")
        user.find("phantom")
        user.idle()
    print(f"twenty cases, every fifth classified: {sizes} MB after each; server {megabytes(server.process.pid)} MB")
    user.close()


def at_once(web: Any, browser: Any, server: Any) -> None:
    users = [web.User(browser, server.address) for _ in range(AT_ONCE)]
    for user in users:
        user.phantom()
    print(f"{AT_ONCE} sessions at once and the one before: {[megabytes(pid) for pid in server.sessions()]} MB")
    for user in users:
        user.close()


def in_turn(web: Any, browser: Any, python: Path, folder: Path) -> None:
    server = web.Server(python, folder, "--sessions", "1", "--idle", "0.15")
    sizes = []
    try:
        for _ in range(IN_TURN):
            user = web.User(browser, server.address)
            user.close()
            while server.sessions():
                time.sleep(1)
            sizes.append(megabytes(server.process.pid))
    finally:
        server.stop()
    print(f"{IN_TURN} sessions one after another: server {sizes} MB after each, {server.sessions()} left")


if __name__ == "__main__":
    sys.exit(main())
