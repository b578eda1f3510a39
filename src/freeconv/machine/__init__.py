"""The machine that a job runs on: devices, locks, processes, clock, downloads, installed packages."""
