"""The host's side of a worker process, against programs that behave well, badly, or not at all."""

import gc
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from FeatureExtractorLib.errors import InputError
from TumorClassifierLib.worker import Event, end_and_remove, start
from TumorClassifierLib.worker.events import event_of, line_of
from TumorClassifierLib.worker.job import LOG_LINES, MOST_WAITING, default_python

DONE = "print(json.dumps({'kind': 'done', 'fraction': 1.0, 'data': {'answer': 42}}), flush=True)"
Script = Callable[[str], str]
Follow = Callable[..., list[Any]]


def test_events_come_in_order_and_what_is_no_event_is_log(script: Script, tmp_path: Path, followed: Follow) -> None:
    program = script(
        "print(json.dumps({'kind': 'progress', 'stage': 'reading', 'fraction': 0.5}))\n"
        "print('a library says hello')\nprint('{\"kind\": \"unheard-of\"}')\nprint('[1, 2]')\n"
        "print(json.dumps({'kind': 'data', 'data': {'case': 'a'}}))\n" + DONE
    )
    job = start({"work": "any"}, tmp_path / "run", program)
    events = followed(job)
    assert [event.kind for event in events] == ["progress", "log", "log", "log", "data", "done"]
    assert events[0] == Event("progress", "reading", 0.5)
    assert events[1].text == "a library says hello" and events[4].data == {"case": "a"}
    assert events[-1].data == {"answer": 42}
    assert not job.running and job.poll() == [] and job.seconds == job.seconds > 0
    assert json.loads((tmp_path / "run" / "request.json").read_text()) == {"work": "any"}
    assert job.out == tmp_path / "run" / "out"


@pytest.mark.parametrize(
    ("lines", "sentence"),
    [
        ("os.kill(os.getpid(), signal.SIGSEGV)", "ended by SIGSEGV, so there is no result"),
        ("os.kill(os.getpid(), signal.SIGKILL)", "ended by SIGKILL, perhaps for want of memory"),
        ("sys.exit(3)", "ended with the code 3 before its work was done"),
        ("raise RuntimeError('of a library')", "ended with the code 1"),
        ("os.close(1); sys.exit(0)", "ended with the code 0"),
        ('sys.stdout.buffer.write(b\'{"kind": "do\'); sys.stdout.flush(); os._exit(0)', "ended with the code 0"),
    ],
)
def test_a_process_that_dies_is_a_failure_with_its_last_words(
    script: Script, tmp_path: Path, followed: Follow, lines: str, sentence: str
) -> None:
    events = followed(
        start({"work": "any"}, tmp_path / "run", script(f"print('last words', file=sys.stderr)\n{lines}"))
    )
    assert [event.kind for event in events].count("failed") == 1
    assert sentence in events[-1].text and "last words" in events[-1].details
    if "RuntimeError" in lines:
        assert "RuntimeError: of a library" in events[-1].details


def test_a_full_pipe_stops_nobody_and_fills_no_memory(script: Script, tmp_path: Path, followed: Follow) -> None:
    """3 MB on each stream, which no pipe holds, while the host looks elsewhere."""
    program = script(
        "for i in range(30_000):\n"
        "    print('x' * 100)\n    print('y' * 100, file=sys.stderr)\n"
        "print('z' * 3_000_000)\nprint('the last line', file=sys.stderr)\n"
        "print(json.dumps({'kind': 'failed', 'text': 'It failed.'}), flush=True)"
    )
    job = start({"work": "any"}, tmp_path / "run", program)
    deadline = time.monotonic() + 60
    while job.running and time.monotonic() < deadline:
        time.sleep(0.05)
    events = followed(job)
    assert len(events) <= MOST_WAITING + 1
    assert max(len(event.text) for event in events) <= 1000
    assert events[-1].text == "It failed." and "the last line" in events[-1].details
    assert len(events[-1].details.splitlines()) == LOG_LINES


def test_cancel_ends_the_whole_tree_and_leaves_nothing_half_written(
    script: Script, tmp_path: Path, followed: Follow, left_over: Callable[..., list[int]]
) -> None:
    """A process that hears nothing, with a child and a grandchild that hear nothing either."""
    deaf = "import signal, subprocess, sys, time; [signal.signal(s, signal.SIG_IGN) for s in (1, 2, 15)]; "
    program = script(
        "os.makedirs('unfinished'); open('unfinished/half', 'w').write('half')\n"
        f"deaf = {deaf!r}\n"
        'deaf += \'subprocess.Popen(["sleep", "1000"]); time.sleep(1000)\'\n'
        "subprocess.Popen([sys.executable, '-c', deaf])\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "print(json.dumps({'kind': 'progress', 'stage': 'deaf'}), flush=True)\ntime.sleep(1000)"
    )
    job = start({"work": "any"}, tmp_path / "run", program)
    followed(job, lambda event: event.stage == "deaf")
    asked = time.monotonic()
    job.cancel()
    job.cancel()
    assert time.monotonic() - asked < 0.5  # it does not wait
    events = followed(job)
    assert [event.kind for event in events if event.final] == ["cancelled"]
    assert left_over(tmp_path / "run") == []
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == ["request.json"]


def test_what_is_done_stays_done(
    script: Script, tmp_path: Path, followed: Follow, left_over: Callable[..., list[int]]
) -> None:
    """A process that hangs after its last word is ended, with what it left behind; a late cancel changes nothing."""
    program = script(f"subprocess.Popen(['sleep', '1000'])\n{DONE}\ntime.sleep(1000)")
    job = start({"work": "any"}, tmp_path / "run", program)
    (last,) = followed(job)
    assert last.kind == "done"
    job.cancel()
    time.sleep(0.05)
    assert job.poll() == [] and left_over(tmp_path / "run") == []


def test_a_forgotten_job_hangs_up(script: Script, tmp_path: Path, left_over: Callable[..., list[int]]) -> None:
    job = start({"work": "any"}, tmp_path / "run", script("sys.stdin.read()"))
    del job
    gc.collect()
    assert left_over(tmp_path / "run") == []


def test_cancel_hangs_up_without_the_help_of_a_thread(
    script: Script, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, left_over: Callable[..., list[int]]
) -> None:
    """Inside Slicer a thread may get no turn any more, when the panel has gone."""
    job = start({"work": "any"}, tmp_path / "run", script("sys.stdin.read()"))
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", lambda thread: None)
        job.cancel()
    assert left_over(tmp_path / "run") == []


@pytest.mark.parametrize("deaf", [False, True])
def test_a_job_is_ended_and_its_files_are_gone(
    script: Script, tmp_path: Path, followed: Follow, left_over: Callable[..., list[int]], deaf: bool
) -> None:
    """Also those that it was writing at that moment, and where it does not hear."""
    program = script(
        "import threading\ndef write():\n    i = 0\n    while True:\n        i += 1\n"
        "        os.makedirs('unfinished', exist_ok=True)\n        open(f'unfinished/{i % 50}', 'w').write('image')\n"
        "threading.Thread(target=write, daemon=True).start()\n"
        "print(json.dumps({'kind': 'progress', 'stage': 'writing'}), flush=True)\n"
        + ("time.sleep(1000)" if deaf else "sys.stdin.read()")
    )
    job = start({"work": "any"}, tmp_path / "case" / "run", program)
    followed(job, lambda event: event.stage == "writing")
    end_and_remove(job, tmp_path / "case", 20.0)  # a busy machine is slow
    assert not job.running and not (tmp_path / "case").exists()
    assert left_over(tmp_path / "case" / "run") == [] and not (tmp_path / "case").exists()
    end_and_remove(None, None)  # nothing to do


def test_many_jobs_leave_no_threads_and_no_files(script: Script, tmp_path: Path, followed: Follow) -> None:
    program = script(DONE)
    followed(start({"work": "any"}, tmp_path / "first", program))
    time.sleep(0.1)
    before = threading.active_count(), len(os.listdir("/proc/self/fd")) if Path("/proc/self/fd").exists() else 0
    jobs = [start({"work": "any"}, tmp_path / f"run{i}", program) for i in range(5)]
    for job in jobs:  # at once
        followed(job)
    deadline = time.monotonic() + 10
    while threading.active_count() > before[0] and time.monotonic() < deadline:
        time.sleep(0.05)
    del job, jobs
    gc.collect()
    after = threading.active_count(), len(os.listdir("/proc/self/fd")) if Path("/proc/self/fd").exists() else 0
    assert after[0] <= before[0] and after[1] <= before[1] + 10  # the fixture keeps the jobs, but no open pipes


def test_the_process_can_import_us_and_writes_into_its_folder_only(
    script: Script, tmp_path: Path, followed: Follow, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(["elsewhere", "", "there"]))
    program = script(
        "names = ('PYTHONPATH', 'TMPDIR', 'TEMP', 'TMP', 'PYTHONUTF8', 'PYTHONSAFEPATH')\n"
        "told = {name: os.environ.get(name) for name in names} | {'here': os.getcwd(), 'arguments': sys.argv[1:]}\n"
        "told['session'] = os.getsid(0) == os.getpid()\n"
        "print(json.dumps({'kind': 'done', 'data': told}), flush=True)"
    )
    folder = tmp_path / "run ä"
    (last,) = followed(start({"work": "any"}, folder, program))
    paths = last.data["PYTHONPATH"].split(os.pathsep)
    assert paths[-2:] == ["elsewhere", "there"]
    assert (Path(paths[0]) / "TumorClassifierLib").is_dir() and (Path(paths[1]) / "FeatureExtractorLib").is_dir()
    assert {last.data[name] for name in ("TMPDIR", "TEMP", "TMP")} == {str(folder / "temporary")}
    assert last.data["here"] == str(folder) and last.data["session"]
    assert last.data["arguments"] == ["-m", "TumorClassifierLib.worker", str(folder)]


def test_what_cannot_be_started_is_refused_in_a_sentence(script: Script, tmp_path: Path, followed: Follow) -> None:
    with pytest.raises(InputError, match="cannot be started by /no/python"):
        start({"work": "any"}, tmp_path / "a", "/no/python")
    with pytest.raises(InputError, match="not plain JSON"):
        start({"work": "any", "value": float("nan")}, tmp_path / "b")
    with pytest.raises(InputError, match="not plain JSON"):
        start({"work": object()}, tmp_path / "c")
    assert not (tmp_path / "b").exists() and not (tmp_path / "c").exists()
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be written"):
        start({"work": "any"}, tmp_path / "file" / "run")
    followed(start({"work": "any", "path": tmp_path}, tmp_path / "run", script(DONE)))
    with pytest.raises(InputError, match="has been used for another run"):
        start({"work": "any"}, tmp_path / "run")


def test_inside_slicer_it_is_pythonslicer(script: Script, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SLICER_HOME", raising=False)
    assert default_python() == sys.executable
    monkeypatch.setenv("SLICER_HOME", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InputError, match=r"PythonSlicer is neither on the path nor in .*install Slicer anew"):
        default_python()
    for folder in (tmp_path / "bin", tmp_path):  # the one that is on the path comes first
        folder.mkdir(exist_ok=True)
        launcher = folder / ("PythonSlicer.exe" if os.name == "nt" else "PythonSlicer")
        launcher.write_text("")
        launcher.chmod(0o755)
        assert default_python() == str(launcher)


def test_on_windows_the_tree_is_ended_by_taskkill(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Only the commands that Windows would be given: it cannot run here."""
    from TumorClassifierLib.worker import process_tree

    commands: list[Any] = []
    monkeypatch.setattr(process_tree, "WINDOWS", True)
    for name, value in (("CREATE_NEW_PROCESS_GROUP", 512), ("CREATE_NO_WINDOW", 1 << 27)):
        monkeypatch.setattr(subprocess, name, value, raising=False)
    monkeypatch.setattr(subprocess, "BELOW_NORMAL_PRIORITY_CLASS", 0x4000, raising=False)
    monkeypatch.setattr(subprocess, "run", lambda command, **options: commands.append((command, options)))
    monkeypatch.setattr(subprocess, "Popen", lambda command, **options: commands.append((command, options)))
    process_tree.start_tree(["PythonSlicer.exe", "-m", "x"], {"A": "b"}, tmp_path)
    process_tree.end_tree(1234)
    (started, options), (killed, _) = commands
    assert started == ["PythonSlicer.exe", "-m", "x"] and options["env"] == {"A": "b"} and options["cwd"] == tmp_path
    assert options["creationflags"] == 512 | 1 << 27 | 0x4000 and "start_new_session" not in options
    assert killed == ["taskkill", "/T", "/F", "/PID", "1234"]


def test_ending_what_has_ended_is_no_error() -> None:
    from TumorClassifierLib.worker.process_tree import end_tree

    child = subprocess.Popen([sys.executable, "-c", ""], start_new_session=True)
    child.wait()
    end_tree(child.pid)


def test_lines_carry_what_json_lacks_as_null() -> None:
    import numpy as np

    event = Event("data", data={"loss": float("nan"), "folds": (1, 2.5), "path": Path("a"), "n": np.float64(0.5)})
    assert event_of(line_of(event)).data == {"loss": None, "folds": [1, 2.5], "path": "a", "n": 0.5}
    assert event_of(b"\xff\xfe no text\n").kind == "log"
    assert event_of(b'{"kind": "progress", "fraction": "many"}').kind == "log"
    assert event_of(b"[" * 100_000).kind == "log"


def test_a_launcher_between_changes_nothing(
    script: Script, tmp_path: Path, followed: Follow, left_over: Callable[..., list[int]]
) -> None:
    """As PythonSlicer, which starts the real Python and waits for it; that one waits for a file that nobody writes."""
    launcher = script("sys.exit(subprocess.call([sys.executable, *sys.argv[1:]]))")
    (last, *_) = reversed(followed(start({"work": "correct", "image": "none.nrrd"}, tmp_path / "a", launcher)))
    assert last.kind == "failed" and last.text.startswith("none.nrrd does not exist")
    os.mkfifo(tmp_path / "never.nrrd")
    job = start({"work": "correct", "image": str(tmp_path / "never.nrrd")}, tmp_path / "b", launcher)
    followed(job, lambda event: event.stage == "reading")
    assert len(left_over(tmp_path / "b", 0.0)) == 2
    job.cancel()
    assert followed(job)[-1].kind == "cancelled" and left_over(tmp_path / "b") == []


def test_without_a_host_the_end_of_the_input_means_nothing(tmp_path: Path) -> None:
    """As whoever tries it by hand, or where a launcher keeps the pipe to itself."""
    (tmp_path / "request.json").write_text('{"work": "dream"}')
    command = [sys.executable, "-m", "TumorClassifierLib.worker", str(tmp_path)]
    child = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=120)
    events = [event_of(line) for line in child.stdout.splitlines()]
    assert child.returncode == 1 and events[-1].kind == "failed" and "no work called 'dream'" in events[-1].text


@pytest.mark.parametrize("refusals", [0, 2, 9])
def test_on_windows_a_scanner_may_hold_the_outputs_for_a_moment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refusals: int
) -> None:
    from TumorClassifierLib.worker import child

    asked: list[Path] = []

    def replace(source: Path, target: Path) -> None:
        asked.append(target)
        if len(asked) <= refusals:
            raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(child, "WINDOWS", True)
    monkeypatch.setattr(child.os, "replace", replace)
    monkeypatch.setattr(child.time, "sleep", lambda seconds: None)
    if refusals == 9:
        with pytest.raises(InputError, match="cannot be written"):
            child._move(tmp_path / "a", tmp_path / "b")
    else:
        child._move(tmp_path / "a", tmp_path / "b")
        assert len(asked) == refusals + 1


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="a host that is killed at once is of POSIX")
def test_the_process_ends_with_its_host(tmp_path: Path, left_over: Callable[..., list[int]]) -> None:
    """The real worker waits in the middle of a read when its host is killed."""
    fifo = tmp_path / "never.nrrd"
    os.mkfifo(fifo)
    host = (
        "import sys, time\nfrom pathlib import Path\nfrom TumorClassifierLib.worker import start\n"
        "job = start({'work': 'correct', 'image': sys.argv[1]}, Path(sys.argv[2]))\n"
        "while not any(event.stage == 'reading' for event in job.poll()): time.sleep(0.01)\n"
        "print('reading', flush=True)\ntime.sleep(1000)"
    )
    command = [sys.executable, "-c", host, str(fifo), str(tmp_path / "run")]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stdout.readline() == b"reading\n"
        process.kill()
    assert left_over(tmp_path / "run") == []
    assert not (tmp_path / "run" / "out").exists()


def test_the_newest_word_on_a_stage_is_told_however_fast_it_came() -> None:
    """Two cases that end together must not leave the host with the word on the first."""
    words = "[channel.progress(f'extracting · {i} of 9 cases', i / 10) for i in range(1, 6)]"
    program = f"import time; from TumorClassifierLib.worker.child import Channel; channel = Channel(); {words}; "
    program += "channel.progress('writing', 0.0); channel.progress('writing · a', 0.1); time.sleep(0.5)"
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert [json.loads(line)["stage"] for line in told.splitlines()] == [
        "extracting · 1 of 9 cases",
        "writing",
        "writing · a",
    ]
    slow = program.replace("channel.progress('writing'", "time.sleep(0.5); channel.progress('writing'", 1)
    told = subprocess.run([sys.executable, "-c", slow], capture_output=True, text=True, check=True).stdout
    assert [json.loads(line)["stage"] for line in told.splitlines()][:2] == [
        "extracting · 1 of 9 cases",
        "extracting · 5 of 9 cases",
    ]
