"""Training: compiled stacks of networks, the loop, and where it stands."""
