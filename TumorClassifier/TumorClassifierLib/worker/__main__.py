"""`python -m TumorClassifierLib.worker FOLDER` does what FOLDER/request.json asks for."""

import sys
from pathlib import Path

if __name__ == "__main__":  # not in the processes that this one starts
    from TumorClassifierLib.worker.child import main

    sys.exit(main(Path(sys.argv[1])))
