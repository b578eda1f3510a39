# Not tried yet: no image has been built from this file.
# The study in a container, at the versions of the lock:
#   docker build -t freeconv .
#   docker run --rm -it -v "$PWD/studies:/freeconv/studies" freeconv \
#     snakemake --directory studies/demo --configfile params.yaml
# With an NVIDIA GPU: --build-arg LOCK=requirements-cuda.lock, and `docker run --gpus all`.
FROM python:3.13-slim-bookworm
ARG LOCK=requirements.lock
RUN apt-get update \
    && apt-get install --yes --no-install-recommends git make \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /freeconv
COPY pyproject.toml README.md LICENSE Makefile requirements.lock requirements-cuda.lock ./
COPY src src
RUN make setup PYTHON=python3 LOCK=$LOCK && .venv/bin/python -m uv cache clean
ENV PATH=/freeconv/.venv/bin:$PATH
COPY . .
CMD ["snakemake"]
