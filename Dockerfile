# Sightline in a container: docker build -t sightline . (for an NVIDIA GPU: --build-arg VARIANT=cuda -t sightline:cuda)
# By itself it refuses to serve without TLS and tokens, as it can't know who reaches its port: compose.yaml and
# docs/deploy.md show how to start it.

ARG PYTHON=3.13

FROM node:22-slim AS npm

FROM python:${PYTHON}-slim AS build
# What the pages take from npm is put into the wheel (packaging/npm/vendor.py).
COPY --from=npm /usr/local/bin/node /usr/local/bin/node
COPY --from=npm /usr/local/lib/node_modules /usr/local/lib/node_modules
RUN ln -s ../lib/node_modules/npm/bin/npm-cli.js /usr/local/bin/npm
WORKDIR /source
COPY . .
RUN pip wheel --no-cache-dir --no-deps --wheel-dir /wheels .

FROM python:${PYTHON}-slim AS install
ARG VARIANT=cpu
COPY --from=build /wheels /wheels
RUN python -m venv /opt/sightline && /opt/sightline/bin/pip install --no-cache-dir /wheels/*.whl
# The two builds of ONNX Runtime share one import name: only one may be there. CUDA's and cuDNN's libraries come with it.
RUN if [ "$VARIANT" = cuda ]; then \
      /opt/sightline/bin/pip uninstall --yes onnxruntime && \
      /opt/sightline/bin/pip install --no-cache-dir "onnxruntime-gpu[cuda,cudnn]"; \
    elif [ "$VARIANT" != cpu ]; then echo "VARIANT is '$VARIANT': expected cpu or cuda" >&2; exit 1; fi

FROM python:${PYTHON}-slim
ARG VARIANT=cpu
LABEL org.opencontainers.image.title="Sightline" org.opencontainers.image.licenses="Apache-2.0"
RUN useradd --system --uid 10001 --create-home --home-dir /var/lib/sightline sightline
COPY --from=install /opt/sightline /opt/sightline
COPY deploy/healthcheck.py /opt/sightline/healthcheck.py
ENV PATH=/opt/sightline/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    SIGHTLINE_HOST=0.0.0.0 \
    SIGHTLINE_DATA=/var/lib/sightline/data \
    SIGHTLINE_CACHE=/var/lib/sightline/cache
USER sightline
WORKDIR /var/lib/sightline
VOLUME /var/lib/sightline
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=3s --start-period=60s \
    CMD ["python", "/opt/sightline/healthcheck.py"]
ENTRYPOINT ["sightline"]
CMD ["serve"]
