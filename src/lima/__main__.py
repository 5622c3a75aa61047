"""`python -m lima` is the command `lima`."""

from lima.cli import main

if __name__ == "__main__":
    main()
