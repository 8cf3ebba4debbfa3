"""Long work in a process of its own, for every host: started, followed and ended from here.

    job = start({"work": "correct", "image": "t1c.nrrd", "engine": "fast"}, folder)
    for event in job.poll():  # never waits
        ...
    job.cancel()

The process is `python -m TumorClassifierLib.worker FOLDER`; `works` lists what it can be asked for.
"""

from .events import Event
from .job import Job, end_and_remove, end_job, start

__all__ = ["Event", "Job", "end_and_remove", "end_job", "start"]
