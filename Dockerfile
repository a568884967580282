# The action's image. No USER and no WORKDIR: the runner starts container actions as root, in the
# workspace that it mounts (GitHub docs, "Dockerfile support for GitHub Actions"). Java is not in here:
# the checks bring one along when a project's tests need local Spark.

# A release pins this to a digest; a build from a branch takes what the tag means today.
ARG BASE=python:3.12-slim-bookworm

# hadolint ignore=DL3006
FROM ${BASE} AS build

COPY requirements/runtime.txt /build/requirements.txt
# --without-pip: nothing is installed into this environment later. pip compiles what it installs.
RUN python -m venv --without-pip /opt/spark-deploy/venv \
    && python -m pip --python /opt/spark-deploy/venv install \
        --no-cache-dir --disable-pip-version-check --require-hashes -r /build/requirements.txt

COPY entrypoint.py LICENSE /opt/spark-deploy/
COPY deployer /opt/spark-deploy/deployer
RUN /opt/spark-deploy/venv/bin/python -m compileall -q /opt/spark-deploy/deployer

# hadolint ignore=DL3006
FROM ${BASE}

LABEL org.opencontainers.image.title="spark-deploy" \
      org.opencontainers.image.licenses="Apache-2.0"

# git: build backends such as setuptools-scm take the version from it, and requirements may name
# repositories. Any version of it will do.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends git \
    && rm -rf /var/lib/apt/lists/*

COPY --from=build /opt/spark-deploy /opt/spark-deploy

# -E: a workflow's `env: PYTHONPATH` must not put other code in front of ours. -u: the log shows each
# line when it is written.
ENTRYPOINT ["/opt/spark-deploy/venv/bin/python", "-E", "-s", "-u", "/opt/spark-deploy/entrypoint.py"]
