"""One thread for everything that computes, so that sums come out the same on every machine."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import SimpleITK as sitk


@contextmanager
def one_thread() -> Iterator[None]:
    """A block in which ITK, BLAS, OpenMP and, where it is loaded, torch use one thread; as before afterwards.

    ITK's N4 and BLAS add up in the order of their threads: the last digits depend on how many there are. Cohorts are
    made fast by many cases at once instead.
    """
    from threadpoolctl import threadpool_limits

    torch = sys.modules.get("torch")
    itk_threads = sitk.ProcessObject.GetGlobalDefaultNumberOfThreads()
    torch_threads = torch.get_num_threads() if torch else 0
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(1)
    try:
        with threadpool_limits(limits=1):
            if torch:
                torch.set_num_threads(1)
            yield
    finally:
        sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(itk_threads)
        if torch:
            torch.set_num_threads(torch_threads)
