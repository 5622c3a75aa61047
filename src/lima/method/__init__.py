"""The method, one file per section of the paper; `lima.py` is its figure as code and the page to read first."""
