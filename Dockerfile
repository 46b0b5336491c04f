# Sluicegate in a container. Build: docker build -t sluicegate .
#   Try:  docker run --rm --read-only --tmpfs /tmp -p 127.0.0.1:8080:8080 sluicegate demo
#   Run:  see deploy/README.md
ARG PYTHON=3.11-slim-bookworm

FROM python:${PYTHON} AS build
ENV PIP_NO_CACHE_DIR=1 \
    PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /src
# Dependencies first: this layer is built again only when pyproject.toml changes.
COPY pyproject.toml ./
RUN python -m venv /opt/sluicegate \
 && python -c "import tomllib; p = tomllib.load(open('pyproject.toml', 'rb'))['project']; o = p['optional-dependencies']; print(*p['dependencies'], *o['redis'], *o['otel'], sep='\n')" \
      > /requirements.txt \
 && /opt/sluicegate/bin/pip install -r /requirements.txt
COPY README.md LICENSE NOTICE ./
COPY policies ./policies
COPY proxy ./proxy
RUN python -m pip wheel --no-deps --wheel-dir /wheels . \
 && /opt/sluicegate/bin/pip install --no-deps /wheels/*.whl \
 && /opt/sluicegate/bin/pip check

FROM python:${PYTHON}
LABEL org.opencontainers.image.title="Sluicegate" \
      org.opencontainers.image.description="Inference-time leakage firewall for fine-tuned models" \
      org.opencontainers.image.licenses="Apache-2.0"
# /data: the index, read-only when serving. /state: keys and trail. /tmp: the only other place that is written to.
RUN groupadd --gid 10001 sluicegate \
 && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /tmp --shell /usr/sbin/nologin sluicegate \
 && install -d -o 10001 -g 10001 -m 0750 /data /state
COPY --from=build /opt/sluicegate /opt/sluicegate
ENV PATH=/opt/sluicegate/bin:$PATH \
    HOME=/tmp \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    LITELLM_LOCAL_MODEL_COST_MAP=True \
    SLUICEGATE_HOST=0.0.0.0 \
    SLUICEGATE_PORT=8080 \
    SLUICEGATE_INDEX=/data/training.idx \
    SLUICEGATE_STATE=/state/sluicegate.sqlite
WORKDIR /data
# By number, so that Kubernetes can see that it is not root.
USER 10001:10001
EXPOSE 8080 9464
HEALTHCHECK --interval=15s --timeout=5s --start-period=60s --retries=3 \
  CMD ["python", "-c", "import os, urllib.request as u; u.urlopen(f'http://127.0.0.1:{os.environ[\"SLUICEGATE_PORT\"]}/healthz', timeout=4)"]
ENTRYPOINT ["sluicegate"]
CMD ["serve"]
