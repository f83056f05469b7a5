# Sightline in a container: docker build -t sightline .
#   --build-arg VARIANT=cuda -t sightline:cuda    for an NVIDIA GPU
#   --build-arg VARIANT=cluster -t sightline:cluster    with Ray, for several machines
#   --build-arg VARIANT=full -t sightline:full    with PyTorch, which most profiles need to be exported
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
ENV PIP_NO_CACHE_DIR=1 PIP_CONSTRAINT=/constraints.txt
COPY constraints.txt /constraints.txt
COPY --from=build /wheels /wheels
RUN python -m venv /opt/sightline
# full: PyTorch's build for processors comes first, as the default one brings gigabytes of CUDA.
# cuda: the two builds of ONNX Runtime share one import name, so only one may be there. CUDA's libraries come with it.
RUN set -eu; pip=/opt/sightline/bin/pip; wheel=$(ls /wheels/*.whl); \
    case "$VARIANT" in \
      cpu) $pip install "${wheel}[openvino,hubs]";; \
      cluster) $pip install "${wheel}[openvino,cluster,hubs]";; \
      full) $pip install --index-url https://download.pytorch.org/whl/cpu torch torchvision; \
        $pip install "${wheel}[openvino,torch,hubs]";; \
      cuda) $pip install "${wheel}[hubs]"; $pip uninstall --yes onnxruntime; $pip install "onnxruntime-gpu[cuda,cudnn]";; \
      *) echo "VARIANT is '$VARIANT': expected cpu, cluster, cuda or full" >&2; exit 1;; \
    esac

FROM python:${PYTHON}-slim
LABEL org.opencontainers.image.title="Sightline" org.opencontainers.image.licenses="Apache-2.0"
RUN useradd --system --uid 10001 --create-home --home-dir /var/lib/sightline sightline
COPY --from=install /opt/sightline /opt/sightline
COPY deploy/healthcheck.py /opt/sightline/healthcheck.py
ENV PATH=/opt/sightline/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    SIGHTLINE_HOST=0.0.0.0 \
    SIGHTLINE_DATA=/var/lib/sightline/data \
    SIGHTLINE_CACHE=/var/lib/sightline/cache
# Your settings, models and clips are mounted here: sightline.toml is read from it, and its paths begin in it.
WORKDIR /config
USER sightline
VOLUME /var/lib/sightline
# Pages, TCP clients, WebRTC
EXPOSE 8000 9000 8189/udp
HEALTHCHECK --interval=10s --timeout=3s --start-period=60s \
    CMD ["python", "/opt/sightline/healthcheck.py"]
ENTRYPOINT ["sightline"]
CMD ["serve"]
