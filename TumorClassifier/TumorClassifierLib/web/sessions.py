"""The users' processes: one each, with a scene and a folder of its own, begun, watched and ended here."""

import asyncio
import json
import logging
import os
import secrets
import sys
import time
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path

from FeatureExtractorLib.errors import InputError

from ..worker.process_tree import end_tree
from .incoming import remove
from .limits import Limits
from .session import KEY_HEADER, KEY_VARIABLE, LIMITS_VARIABLE

log = logging.getLogger(__name__)
START_SECONDS = 90.0
END_SECONDS = 3.0
LOOK_EVERY = 2.0


class Full(InputError):
    """There is no place for another user."""


@dataclass
class Session:
    """One user. name: the secret in the user's cookie; active: when the user did something last; sockets: open pages;
    seen: when a page was open last."""

    name: str
    key: str
    folder: Path
    process: asyncio.subprocess.Process
    port: int
    active: float = field(default_factory=time.monotonic)
    seen: float = field(default_factory=time.monotonic)
    sockets: int = 0

    @property
    def headers(self) -> dict[str, str]:
        """What the process wants to see of the server."""
        return {KEY_HEADER: self.key}

    @property
    def running(self) -> bool:
        """Whether the process is there."""
        return self.process.returncode is None

    @property
    def uploads(self) -> Path:
        """Where files wait to be opened."""
        return self.folder / "uploads"

    def touch(self) -> None:
        """The user has done something."""
        self.active = self.seen = time.monotonic()

    def kept_bytes(self) -> int:
        """Of uploads that wait."""
        return sum(file.stat().st_size for file in self.uploads.rglob("*") if file.is_file())

    def megabytes(self) -> int:
        """Memory of the process; 0 where the system does not say."""
        with suppress(OSError, ValueError, IndexError):
            pages = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
            return pages * os.sysconf("SC_PAGE_SIZE") >> 20
        return 0


class Sessions:
    """All users' processes. folder: theirs are made below it."""

    def __init__(self, folder: Path, limits: Limits) -> None:
        self._folder, self._limits = folder, limits
        self._sessions: dict[str, Session] = {}
        self._starting = 0

    def __len__(self) -> int:
        return len(self._sessions) + self._starting

    def get(self, name: str) -> Session | None:
        """The session of that cookie; None where there is none, or it has ended."""
        session = self._sessions.get(name)
        return session if session is not None and session.running else None

    async def begin(self) -> Session:
        """Start a process for one more user; raises Full, and InputError where it does not start."""
        if len(self) >= self._limits.sessions:
            raise Full(
                f"All {self._limits.sessions} places are taken; try again when somebody has finished. A place becomes "
                f"free {self._limits.away_minutes:g} minutes after its page was closed."
            )
        self._starting += 1
        try:
            session = await self._start()
        finally:
            self._starting -= 1
        self._sessions[session.name] = session
        log.info("A session began (%d of %d).", len(self), self._limits.sessions)
        return session

    async def _start(self) -> Session:
        name, key = secrets.token_urlsafe(24), secrets.token_urlsafe(24)
        folder = self._folder / secrets.token_hex(8)
        (folder / "uploads").mkdir(parents=True)
        (folder / "temporary").mkdir()
        variables = {
            KEY_VARIABLE: key,
            LIMITS_VARIABLE: json.dumps(asdict(self._limits)),
            "TMPDIR": str(folder / "temporary"),
            "PYTHONUNBUFFERED": "1",
        }
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            f"{__package__}.session",
            str(folder),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env={**os.environ, **variables},
            start_new_session=True,
        )
        assert process.stdout is not None
        try:
            line = await asyncio.wait_for(process.stdout.readline(), START_SECONDS)
            port = int(json.loads(line)["port"])
        except (TimeoutError, ValueError, KeyError) as error:
            await _end(process)
            remove(folder)
            raise InputError("A session could not be started; the server's own messages say why.") from error
        return Session(name, key, folder, process, port)

    async def end(self, session: Session) -> None:
        """End a user's process and remove all files."""
        self._sessions.pop(session.name, None)
        await _end(session.process)
        remove(session.folder)
        log.info("A session ended (%d left).", len(self))

    async def end_all(self) -> None:
        """When the server stops."""
        await asyncio.gather(*(self.end(session) for session in list(self._sessions.values())))

    async def watch(self) -> None:
        """End, for ever, sessions that nobody uses, that have grown too large or whose process has gone."""
        while True:
            await asyncio.sleep(LOOK_EVERY)
            for session in list(self._sessions.values()):
                if reason := self._why_end(session):
                    log.info("A session is ended: %s.", reason)
                    await self.end(session)

    def _why_end(self, session: Session) -> str:
        now, limits = time.monotonic(), self._limits
        if not session.running:
            return "its process has gone"
        if now - session.active > 60 * limits.idle_minutes:
            return f"nothing happened for {limits.idle_minutes:g} minutes"
        if not session.sockets and now - session.seen > 60 * limits.away_minutes:
            return f"its page has been closed for {limits.away_minutes:g} minutes"
        if session.megabytes() > limits.memory_megabytes:
            return f"it took more than {limits.memory_megabytes} MB of memory"
        return ""


async def _end(process: asyncio.subprocess.Process) -> None:
    """Ask by closing its input, then insist."""
    if process.stdin is not None:
        process.stdin.close()
    with suppress(TimeoutError):
        await asyncio.wait_for(process.wait(), END_SECONDS)
    end_tree(process.pid)
    with suppress(ProcessLookupError):
        await process.wait()
