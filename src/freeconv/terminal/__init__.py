"""What a terminal shows of a study: Snakemake's run, live or in plain lines, and the same from its files."""
