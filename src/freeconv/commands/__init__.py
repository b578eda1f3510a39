"""What each command does, one module per command: it reads files, calls what computes, and writes files."""
