"""`python -m freeconv`: the command line, also under a debugger."""

from freeconv.cli import main

if __name__ == "__main__":
    main()
