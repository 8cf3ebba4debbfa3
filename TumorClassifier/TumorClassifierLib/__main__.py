"""`python -m TumorClassifierLib` is the command line, for interpreters without the `tumorclassifier` script."""

from .cli import main

if __name__ == "__main__":
    main()
