"""The one exception that users are meant to see."""


class FreeconvError(Exception):
    """A wrong parameter or a broken file, told in one line.

    The message names the key or file, what was expected, what was received and what to do. The command line
    prints it without a traceback and exits with code 1.
    """
