"""Pages in a browser: `make test-browser`; skipped where there is no Chromium."""
