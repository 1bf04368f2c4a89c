# One node in a container: two stages, so that neither compiler nor build tools are in the image that runs.
#   docker build -t pushmesh .
#   docker run -v pushmesh-data:/var/lib/pushmesh -p 8080:8080 -p 4001:4001 -p 1883:1883 pushmesh
# The first start makes the node's key and configuration in the volume. Tell it the names that clients dial, since a log-in names
# one of them: -e PUSHMESH_API_PUBLIC_HOSTS=node.example:8080
FROM python:3.11-slim AS build
# One dependency of py-libp2p has no wheel and is built from C against GMP.
RUN apt-get update \
    && apt-get install -y --no-install-recommends gcc libc6-dev libgmp-dev \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY requirements/ requirements/
RUN python -m venv /build \
    && /build/bin/pip install --no-cache-dir --require-hashes --only-binary :all: -r requirements/tools.txt \
    && python -m venv --without-pip /opt/pushmesh \
    && /build/bin/uv pip install --no-cache --python /opt/pushmesh --require-hashes \
        --build-constraints requirements/tools.txt -r requirements/run.txt
COPY pyproject.toml README.md ./
COPY configs/ configs/
COPY protocol/ protocol/
COPY node/ node/
RUN /build/bin/python -m hatchling build --target wheel --directory /dist \
    && /build/bin/uv pip install --no-cache --python /opt/pushmesh --no-deps /dist/*.whl

FROM python:3.11-slim
RUN apt-get update \
    && apt-get install -y --no-install-recommends libgmp10 \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --home-dir /var/lib/pushmesh --create-home pushmesh
COPY --from=build /opt/pushmesh /opt/pushmesh
ENV PATH=/opt/pushmesh/bin:$PATH PYTHONUNBUFFERED=1 PUSHMESH_API_HOST=0.0.0.0 PUSHMESH_MQTT_HOST=0.0.0.0
USER pushmesh
WORKDIR /var/lib/pushmesh
VOLUME /var/lib/pushmesh
# HTTP, WebSocket and SSE; libp2p; MQTT
EXPOSE 8080 4001 1883
HEALTHCHECK --interval=15s --timeout=5s --start-period=30s --retries=3 \
    CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8080/healthz', timeout=4)"]
# With words it is the command of that name; without, it is a node.
ENTRYPOINT ["sh", "-c", "[ $# -eq 0 ] || exec pushmesh \"$@\"; [ -e data/pushmesh.toml ] || pushmesh init; exec pushmesh run", "pushmesh"]
