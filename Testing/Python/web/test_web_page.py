"""The page as users meet it: a real server, a real browser, real images."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk

pytestmark = pytest.mark.slow
MODEL = "meningioma-vs-glioma"


def dice(a: np.ndarray, b: np.ndarray) -> float:
    return float(2 * (a & b).sum() / (a.sum() + b.sum()))


def choose_model(user: Any) -> None:
    user.click("step-3")
    user.page.click("[data-test=model]")
    user.page.click(f'.v-list-item:has-text("{MODEL}")')
    user.page.wait_for_function(
        f"document.querySelector('[data-test=model]').innerText.includes('{MODEL}')", timeout=20000
    )


def test_from_two_strokes_to_a_result_like_the_command_lines(
    server: Any,
    user_of: Callable[..., Any],
    data_dir: Path,
    tmp_path: Path,
    record_property: Callable[[str, object], None],
) -> None:
    # Right-handed, as a scene stores images: then the same voxels in the same order are classified on both ways.
    image, outlined = (
        sitk.ReadImage(str(data_dir / "pyradiomics_cases" / f"brain1_{what}.nrrd"))[:, ::-1, :]
        for what in ("image", "label")
    )
    file = tmp_path / "brain1_t1c.nrrd"
    sitk.WriteImage(image, str(file))
    label = sitk.GetArrayFromImage(outlined) > 0
    k = int(label.sum(axis=(1, 2)).argmax())
    j, i = np.nonzero(label[k])
    y, x, radius = j.mean(), i.mean(), np.hypot(j - j.mean(), i - i.mean()).max() + 3

    user = user_of(server.address)
    user.open(file)
    user.idle()
    user.click("to-outline")
    user.mark("inside")
    user.go_to_slice(image.TransformIndexToPhysicalPoint((0, 0, k))[2])
    user.stroke(image, [(x - 12, y, k), (x + 12, y, k), (x, y - 10, k), (x, y + 10, k)])
    user.mark("outside")
    turn = np.linspace(0, 2 * np.pi, 25)
    user.stroke(image, [(x + radius * np.cos(a), y + radius * np.sin(a), k) for a in turn])
    user.click("grow")
    user.page.wait_for_selector('[data-test=volume]:has-text("ml are outlined")', timeout=60000)

    choose_model(user)
    user.page.wait_for_selector("[data-test=classify]:not([disabled])", timeout=30000)
    plain = user.settled()
    user.click("classify")
    user.find("class", 180)
    user.idle()
    with_map = user.changed(plain, 0.5)

    user.page.locator("[data-test=opacity] [role=slider]").focus()
    for _ in range(8):
        user.page.keyboard.press("ArrowRight")
    opaque = user.changed(with_map, 0.1)
    user.page.locator("[data-test=map-shown] input").click()
    user.changed(opaque, 0.3)

    files = {kind: user.download(kind, tmp_path) for kind in ("report", "scene", "map", "segmentation", "features")}
    shown = json.loads(user.download("prediction", tmp_path).read_text())
    assert user.text("class") == shown["predicted"]
    grown = sitk.GetArrayFromImage(sitk.ReadImage(str(files["segmentation"]))) > 0
    record_property("dice", dice(grown, label))
    print(f"Dice of the grown tumour with brain1's label: {dice(grown, label):.3f}")
    assert dice(grown, label) > 0.4

    # A process of its own. The network's sums are single precision, in the order of its threads: worth 2e-8.
    command = [sys.executable, "-m", "TumorClassifierLib", "classify", "--model", MODEL, "--image", f"T1C={file}"]
    command += ["--mask", str(files["segmentation"]), "--out", str(tmp_path / "cli"), "--json"]
    told = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    assert told["predicted"] == shown["predicted"]
    for name, probability in told["probabilities"].items():
        assert shown["probabilities"][name] == pytest.approx(probability, abs=1e-7)
    assert "T1C.original_firstorder_Mean," in files["features"].read_text()
    assert "research use only" in files["report"].read_text().lower()
    assert sitk.GetArrayFromImage(sitk.ReadImage(str(files["map"]))).max() == pytest.approx(1.0, abs=1e-6)
    reopened(files["scene"])
    assert [problem for problem in user.problems if "Failed to load resource" not in problem] == []
    assert {url.split("/")[2] for url in user.requests if url.startswith(("http", "ws"))} == {
        server.address.split("/")[2]
    }


def reopened(scene: Path) -> None:
    """The scene opens elsewhere and holds image, outline, map and result; nothing in it says whose it is."""
    pytest.importorskip("slicer")
    from TumorClassifierLib.scene.headless import start
    from TumorClassifierLib.scene.storage import load_mrb

    opened = start().scene
    load_mrb(opened, scene)
    try:
        names = [opened.GetNthNode(n).GetName() for n in range(opened.GetNumberOfNodes())]
        segmentation = opened.GetFirstNodeByClass("vtkMRMLSegmentationNode").GetSegmentation()
        assert "Tumour" in [segmentation.GetNthSegment(n).GetName() for n in range(segmentation.GetNumberOfSegments())]
        assert opened.GetNumberOfNodesByClass("vtkMRMLScalarVolumeNode") >= 2
        assert any(name and "CAM" in name for name in names) and not any(name and "brain1" in name for name in names)
    finally:
        opened.Clear(0)


def test_cancel_reload_bad_and_large_files(server: Any, user_of: Callable[..., Any], tmp_path: Path) -> None:
    user = user_of(server.address, width=1024, height=768)
    (tmp_path / "bad.nrrd").write_bytes(b"NRRD0004\ntype: float\nnonsense\n")
    user.send(tmp_path / "bad.nrrd")
    assert user.text("error") and str(server.folder) not in user.text("error")
    (tmp_path / "picture.nrrd").write_bytes(b"GIF89a" + b"x" * 500)
    user.send(tmp_path / "picture.nrrd")
    user.page.wait_for_selector('[data-test=error]:has-text("is no .nrrd file")')
    with open(tmp_path / "large.nrrd", "wb") as stream:
        stream.truncate(41 << 20)
    user.send(tmp_path / "large.nrrd")
    user.page.wait_for_selector('[data-test=error]:has-text("40 MB are allowed")')

    user.phantom()
    user.click("step-3")
    user.click("classify")
    user.find("progress")
    user.click("cancel")
    user.page.wait_for_selector("[data-test=classify]", timeout=20000)
    user.click("step-4")
    assert user.page.locator("[data-test=class]").count() == 0

    user.page.reload()
    user.click("step-2")
    user.page.wait_for_selector('[data-test=volume]:has-text("ml are outlined")')
    assert user.settled().max() > 150, "the image is drawn again"
    user.click("step-1")
    user.click("new-case")
    user.find("phantom")


def test_two_users_never_see_each_others_case(server: Any, user_of: Callable[..., Any]) -> None:
    one, other = user_of(server.address), user_of(server.address)
    one.phantom()
    other.page.wait_for_timeout(1500)
    assert other.page.locator("[data-test=phantom]").count() == 1, "the other still has no image"
    assert other.settled().max() < one.settled().max()
    cookies = [user.context.cookies()[0]["value"] for user in (one, other)]
    assert cookies[0] != cookies[1] and all(len(cookie) >= 32 for cookie in cookies)
    assert other.context.request.get(server.address + "download/case.mrb").status == 404
    stranger = other.context.browser.new_context()
    assert stranger.request.get(server.address + "tumorclassifier/page.js").status == 410
    assert stranger.request.get(server.address + "download/case.mrb").status == 410
    assert stranger.request.post(server.address + "upload?kind=image", multipart={"file": "x"}).status in (403, 410)
    evil = {"Origin": "http://evil.example"}
    assert one.context.request.post(server.address + "upload?kind=image", headers=evil, data="x").status == 403
    assert stranger.request.get(server.address, headers={"Host": "evil.example"}).status == 403
    stranger.close()


def test_cases_after_one_another_take_no_more_memory(server: Any, user_of: Callable[..., Any]) -> None:
    before = set(server.sessions())
    user = user_of(server.address)
    (pid,) = set(server.sessions()) - before
    sizes = []
    for _ in range(5):
        user.phantom()
        user.click("new-case")
        user.find("phantom")
        user.idle()
        sizes.append(megabytes(pid))
    assert sizes[-1] < sizes[1] + 60, f"a drawn head is 8 MB and its nodes many; memory after each case: {sizes} MB"


def megabytes(pid: int) -> int:
    status = Path(f"/proc/{pid}/statm")
    if not status.exists():
        pytest.skip("the system does not say how much memory a process has")
    return int(status.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") >> 20


def test_a_server_that_stops_takes_everything_with_it_and_the_page_says_so(
    server_of: Callable[..., Any], user_of: Callable[..., Any], tmp_path: Path
) -> None:
    server = server_of(tmp_path)
    user = user_of(server.address)
    user.phantom()
    user.click("step-3")
    user.click("classify")
    user.find("progress")
    sessions = server.sessions()
    assert len(sessions) == 1
    assert server.stop(signal.SIGTERM) == 0
    user.page.wait_for_selector('.tc-gone:has-text("The server has stopped")', timeout=20000)
    ends = time.monotonic() + 10
    while any(alive(pid) for pid in sessions) and time.monotonic() < ends:
        time.sleep(0.2)
    assert not any(alive(pid) for pid in sessions)
    assert list(tmp_path.glob("tumorclassifier-web-*")) == []


def test_an_idle_session_ends_with_its_files_and_places_are_few(
    server_of: Callable[..., Any], user_of: Callable[..., Any], tmp_path: Path
) -> None:
    server = server_of(tmp_path, "--sessions", "1", "--idle", "0.1")
    try:
        user = user_of(server.address)
        full = user.context.browser.new_context()
        answer = full.request.get(server.address)
        assert answer.status == 503 and "places are taken" in answer.text()
        full.close()
        user.page.wait_for_selector('.tc-gone:has-text("This session has ended")', timeout=40000)
        assert server.sessions() == []
        assert list(next(tmp_path.glob("tumorclassifier-web-*")).iterdir()) == []
    finally:
        server.stop()


def test_elsewhere_than_on_loopback_a_token_is_needed(
    server_of: Callable[..., Any], tmp_path: Path, chromium: Any
) -> None:
    server = server_of(tmp_path, "--host", "0.0.0.0")
    try:
        assert "token=" in server.address
        address = server.address.replace("0.0.0.0", "127.0.0.1")
        context = chromium.new_context()
        for wrong in ("", "?token=", "?token=wrong"):
            assert context.request.get(address.split("?")[0] + wrong).status == 403
        assert context.request.get(address.split("?")[0] + "alive").status == 403
        assert server.sessions() == []
        moved = context.request.get(address, max_redirects=0)
        assert moved.status == 302 and "HttpOnly" in moved.headers["set-cookie"]
        assert context.request.get(address.split("?")[0] + "alive").status == 410, "known, but without a session"
        context.close()
    finally:
        server.stop()


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
