"""Starting a process so that it and all it starts can be ended together, on every system."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

WINDOWS = sys.platform == "win32"
PAUSE = 0.02  # seconds between two looks at whether a process has ended


def start_tree(command: Sequence[str], environment: Mapping[str, str], folder: Path) -> "subprocess.Popen[bytes]":
    """Start a process in `folder`, its three streams piped, as the head of a tree of its own; raises OSError."""
    options: dict[str, object] = {"start_new_session": True}
    if WINDOWS:
        options = {
            "creationflags": _windows("CREATE_NEW_PROCESS_GROUP", "CREATE_NO_WINDOW", "BELOW_NORMAL_PRIORITY_CLASS")
        }
    return subprocess.Popen(  # type: ignore[call-overload]
        list(command),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=dict(environment),
        cwd=folder,
        **options,
    )


def end_tree(pid: int) -> None:
    """End a process that `start_tree` started and whatever it has started, at once; nothing where they have ended.

    On POSIX the session's group is killed; on Windows, which knows no such group, taskkill walks from parent to child.
    """
    if WINDOWS:
        taskkill(pid)
        return
    with contextlib.suppress(ProcessLookupError, PermissionError):  # macOS says the latter of one that is a zombie
        os.killpg(pid, signal.SIGKILL)


def taskkill(pid: int) -> None:
    """End a process and its descendants on Windows."""
    subprocess.run(
        ["taskkill", "/T", "/F", "/PID", str(pid)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        check=False,
        creationflags=_windows("CREATE_NO_WINDOW"),
    )


def await_end(process: "subprocess.Popen[bytes]", seconds: float) -> bool:
    """Whether the process ends within so many seconds.

    Its number stays its own until `Popen.wait` is called, where the system can look without asking for it back, so
    that what it left behind can be ended by that number, and never a stranger.
    """
    deadline = time.monotonic() + seconds
    while not _has_ended(process):
        if time.monotonic() > deadline:
            return False
        time.sleep(PAUSE)
    return True


def _has_ended(process: "subprocess.Popen[bytes]") -> bool:
    if not hasattr(os, "waitid"):  # on Windows a handle keeps the number; macOS has it since Python 3.13
        return process.poll() is not None
    if process.returncode is not None:
        return True
    return os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def _windows(*names: str) -> int:
    """Flags that only Windows has, and its Python names."""
    return sum(int(getattr(subprocess, name, 0)) for name in names)
