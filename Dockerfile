# The action's image. No USER and no WORKDIR: the runner starts container actions as root, in the
# workspace that it mounts (GitHub docs, "Dockerfile support for GitHub Actions"). docs/image.md says
# what is in it and why, with figures, and how to build it behind a proxy.
#
# Targets: `slim`, the default, deploys and checks, and fetches a Java when a project's tests want Spark;
# `full` has that Java.

# A release pins this to a digest; a build from a branch takes what the tag means today.
ARG BASE=python:3.12-slim-bookworm

# hadolint ignore=DL3006
FROM ${BASE} AS build

COPY requirements/runtime.txt /build/requirements.txt
# --without-pip: nothing is installed into this environment later. Secrets of the build, a proxy's
# certificates and an index of packages, are files that no layer holds.
RUN --mount=type=secret,id=ca-bundle --mount=type=secret,id=index-url \
    if [ -s /run/secrets/ca-bundle ]; then export PIP_CERT=/run/secrets/ca-bundle; fi \
    && if [ -s /run/secrets/index-url ]; then PIP_INDEX_URL="$(cat /run/secrets/index-url)" && export PIP_INDEX_URL; fi \
    && python -m venv --without-pip /opt/spark-deploy/venv \
    && python -m pip --python /opt/spark-deploy/venv install --no-compile \
        --no-cache-dir --disable-pip-version-check --require-hashes -r /build/requirements.txt \
    && /opt/spark-deploy/venv/bin/python -m compileall -q --invalidation-mode unchecked-hash /opt/spark-deploy/venv

COPY entrypoint.py post.py LICENSE /app/
COPY deployer /app/deployer
RUN /opt/spark-deploy/venv/bin/python -m compileall -q --invalidation-mode unchecked-hash /app

# hadolint ignore=DL3006
FROM ${BASE} AS slim

LABEL org.opencontainers.image.title="spark-deploy" \
      org.opencontainers.image.licenses="Apache-2.0"

# git: build backends such as setuptools-scm take the version from it, and requirements may name
# repositories. Any version of it will do.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends git \
    && rm -rf /var/lib/apt/lists/* \
    && find /var/cache/apt /var/cache/debconf /var/log -type f -delete

# A project's code runs as this user (ADR 18). Where it may not go: what the runner mounts lies below /github,
# Docker's socket in /run. Its number is one that neither Debian nor systemd gives to anybody.
RUN groupadd --gid 61000 spark-deploy-project \
    && useradd --uid 61000 --gid 61000 --key UID_MAX=61000 --no-log-init --no-create-home \
        --home-dir /nonexistent --shell /usr/sbin/nologin spark-deploy-project \
    && mkdir /github && chmod 0700 /github /run

# What seldom changes comes first: an update of spark-deploy is then the small last layers.
COPY --from=build /opt/spark-deploy/venv /opt/spark-deploy/venv
COPY --from=build /app /opt/spark-deploy
# The official image has its standard library without bytecode, so each start would compile it anew.
RUN ["/opt/spark-deploy/venv/bin/python", "-E", "-s", "-c", "import sys; sys.path.insert(0, '/opt/spark-deploy'); import deployer.main; from deployer.platforms.databricks import connect; connect.sdk.config_class()"]

# -E: a workflow's `env: PYTHONPATH` must not put other code in front of ours. -u: the log shows each
# line when it is written.
ENTRYPOINT ["/opt/spark-deploy/venv/bin/python", "-E", "-s", "-u", "/opt/spark-deploy/entrypoint.py"]

FROM slim AS full

# The same Java that the checks would fetch, pinned by the same hashes.
RUN --mount=type=secret,id=ca-bundle --mount=type=secret,id=index-url \
    if [ -s /run/secrets/ca-bundle ]; then export SSL_CERT_FILE=/run/secrets/ca-bundle; fi \
    && if [ -s /run/secrets/index-url ]; then UV_DEFAULT_INDEX="$(cat /run/secrets/index-url)" && export UV_DEFAULT_INDEX; fi \
    && UV_NO_CACHE=1 PYTHONPATH=/opt/spark-deploy /opt/spark-deploy/venv/bin/python -s -c "import os, pathlib; from deployer.checks.java import provide_java; print(provide_java(os.environ, pathlib.Path('/opt/java')))" \
    && ln -s /opt/java/java-* /opt/java/home
ENV JAVA_HOME=/opt/java/home

# The last stage is what a plain build makes.
FROM slim
