"""Pieces of work spread over a Dask cluster."""

import logging
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import CancelledError
from contextlib import ExitStack, contextmanager
from itertools import islice
from typing import TYPE_CHECKING, Any

from .errors import EngineUnavailable, InputError
from .processes import ATTEMPTS, Died

if TYPE_CHECKING:
    from distributed import Client

LOCAL = "local"
PATIENCE = 60.0  # seconds that a cluster may be without any worker


def in_cluster(
    function: Callable[[Any], Any], pieces: Iterable[Any], address: str, jobs: int
) -> Iterator[tuple[Any, Any]]:
    """Every piece with `function` of it, or with Died, as they get done, on a Dask cluster.

    address: of a running scheduler, such as "tcp://host:8786", whose workers see the same files under the same names
    and have the same packages; "local" starts `jobs` workers on this computer and ends them afterwards. The cluster
    never has more pieces than workers. A piece whose worker died is tried again, at "local" once and on other clusters
    as often as they are set to. Raises EngineUnavailable without Dask, InputError when the cluster cannot be reached
    or has no workers any more, and whatever `function` raises.
    """
    try:
        from distributed import KilledWorker, wait
    except ImportError as error:
        raise EngineUnavailable(
            "Dask is not installed; install the extra dask of this package, or use jobs on this computer instead."
        ) from error
    pieces = iter(pieces)
    running: dict[Any, Any] = {}
    with _client(address, jobs) as client:
        try:
            while True:
                room = max(1, len(client.nthreads())) - len(running)
                sent = islice(pieces, max(0, room))
                running |= {client.submit(function, piece, pure=False): piece for piece in sent}
                if not running:
                    return
                try:
                    done = wait(list(running), timeout=PATIENCE, return_when="FIRST_COMPLETED").done
                except TimeoutError:
                    if not client.nthreads():
                        raise _lost(address) from None
                    continue
                for future in done:
                    piece = running.pop(future)
                    try:
                        answer = future.result()
                    except KilledWorker:
                        answer = Died("its worker in the cluster died")
                    future.release()
                    yield piece, answer
        except (CancelledError, OSError) as error:  # the scheduler has gone, and with it all that was running
            raise _lost(address) from error


@contextmanager
def _client(address: str, jobs: int) -> "Iterator[Client]":
    import dask
    from distributed import Client, LocalCluster

    with ExitStack() as stack:
        for name in ("distributed", "distributed.client"):  # what matters of their logs is said in a sentence of ours
            log = logging.getLogger(name)
            stack.callback(log.setLevel, log.level)
            log.setLevel(logging.CRITICAL)
        if address == LOCAL:
            stack.enter_context(dask.config.set({"distributed.scheduler.allowed-failures": ATTEMPTS - 1}))
            cluster = LocalCluster(n_workers=jobs, threads_per_worker=1, processes=True, dashboard_address=None)
            client = stack.enter_context(Client(stack.enter_context(cluster)))
        else:
            try:
                client = stack.enter_context(Client(address, timeout=PATIENCE / 4))
                client.wait_for_workers(1, timeout=PATIENCE)
            except (OSError, ValueError, TimeoutError) as error:
                raise InputError(
                    f"The Dask cluster at {address} cannot be used ({error}); check its address and its workers."
                ) from error
        yield client


def _lost(address: str) -> InputError:
    return InputError(
        f"The Dask cluster at {address} has gone or has no workers any more; start it again, and then this command, "
        "which goes on where it stopped."
    )
