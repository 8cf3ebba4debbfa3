"""Pieces of work spread over processes of this computer; the death of one of them costs nothing but time."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from multiprocessing.connection import Connection, wait
from typing import Any

from .errors import TumorClassifierError

ATTEMPTS = 2


@dataclass(frozen=True)
class Died:
    """Instead of an answer: the process that worked on the piece ended before it answered, ATTEMPTS times."""

    how: str


def in_processes(function: Callable[[Any], Any], pieces: Iterable[Any], jobs: int) -> Iterator[tuple[Any, Any]]:
    """Every piece with `function` of it, or with Died, as they get done, from up to `jobs` processes.

    function: importable by name; pieces and answers can be pickled. A TumorClassifierError that it raises is raised
    here. Pieces are taken as they are needed, and a process has one at a time. Closing the iterator, or an exception
    such as KeyboardInterrupt in it, ends the processes at once; if this process is killed they end themselves. Not for
    Slicer's own process, where every new process would be another Slicer.
    """
    pieces = iter(pieces)
    workers: list[_Worker] = []
    try:
        for piece in islice(pieces, jobs):
            workers.append(_Worker(function))
            workers[-1].give(piece)
        while workers:
            for pipe in wait([worker.pipe for worker in workers]):
                worker = next(worker for worker in workers if worker.pipe is pipe)
                done, answer = worker.piece, worker.answer()
                if isinstance(answer, Died) and worker.attempt < ATTEMPTS:
                    worker.give(done, worker.attempt + 1)
                    continue
                try:
                    worker.give(next(pieces))
                except StopIteration:
                    workers.remove(worker)
                    worker.end()
                yield done, answer
    finally:
        for worker in workers:
            worker.end()


class _Worker:
    """A process that answers one piece after the other; a new one takes its place when it has died.

    There is a pipe to each: the death of a process closes its end, and blames no piece but its own.
    """

    def __init__(self, function: Callable[[Any], Any]) -> None:
        self._function = function
        self.piece: Any = None
        self.attempt = 0
        self._start()

    def _start(self) -> None:
        # Forked copies of a process that has threads (ITK's, BLAS's) can hang; a spawned one starts afresh.
        context = multiprocessing.get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, self._function), daemon=True)
        self._process.start()
        theirs.close()

    def give(self, piece: Any, attempt: int = 1) -> None:
        """Hand over a piece; its answer, or the process's death, makes `pipe` ready."""
        self.piece, self.attempt = piece, attempt
        try:
            if not self._process.is_alive():
                raise BrokenPipeError
            self.pipe.send(piece)
        except (BrokenPipeError, ConnectionError):  # it died between two pieces: nobody's fault
            self.end()
            self._start()
            self.pipe.send(piece)

    def answer(self) -> Any:
        """The answer for the piece; raises the TumorClassifierError that the function raised."""
        try:
            answer = self.pipe.recv()
        except (EOFError, OSError):
            self._process.join()
            return Died(_how(self._process.exitcode))
        if isinstance(answer, TumorClassifierError):
            raise answer
        return answer

    def end(self) -> None:
        """End the process, whatever it is doing."""
        self._process.kill()
        self._process.join()
        self.pipe.close()


def _serve(pipe: Connection, function: Callable[[Any], Any]) -> None:
    """What a worker process does until its pipe is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole terminal; the parent ends us
    threading.Thread(target=_end_with_parent, daemon=True).start()
    while True:
        try:
            piece = pipe.recv()
        except EOFError:
            return
        try:
            answer = function(piece)
        except TumorClassifierError as error:
            answer = error
        pipe.send(answer)


def _end_with_parent() -> None:
    """A parent that was killed cannot end us, and nobody would ever hear the answer."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _how(code: int | None) -> str:
    if code is None or code >= 0:
        return f"it ended with the code {code}"
    try:
        return f"it was ended by {signal.Signals(-code).name}"
    except ValueError:
        return f"it was ended by the signal {-code}"
