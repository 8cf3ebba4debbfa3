"""The page in the browser: a third host beside Slicer and the command line.

`front` is the server that browsers talk to. It gives every user a process (`session`) with a scene of its own, in
which `actions` and their helpers do what the page's buttons ask for; the work itself is done by the worker.
"""
