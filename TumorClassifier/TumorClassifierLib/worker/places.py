"""What lies where in the folder of a run."""

REQUEST = "request.json"
OUT = "out"  # complete or not there
UNFINISHED = "unfinished"
TEMPORARY = "temporary"  # of the process and the libraries it uses
START = b"start\n"  # what a host says first; only then does the end of its pipe mean that it is gone
