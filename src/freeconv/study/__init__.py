"""What is asked: parameters, the grid of runs, job specs, paths, code hashes."""
