"""Arithmetic of results: kernel distances, medians, intervals, the paper's numbers, verdicts."""
