"""`python -m freeconv`: the command line, as `freeconv`; under a debugger `python -m pdb -m freeconv`."""

from freeconv.cli import main

if __name__ == "__main__":
    main()
