# syntax=docker/dockerfile:1
# The studio as a container; docs/hosting.md says how to build and run it.
#   docker build -t sign-studio --build-arg CPU_INDEX=… .  for a computer without an NVIDIA card
#   docker build -t sign-studio --build-arg DEVICE=cuda .  for one with it
ARG PYTHON=3.11
FROM python:${PYTHON}-slim-bookworm

# cpu or cuda. What pip finds by itself works on both, and brings 4 GB of CUDA along, so cuda takes that, and cpu does
# without CPU_INDEX: the address of PyTorch's builds for CPU, which its page on installing names. torch and torchvision
# come from there together, because the two do not load when they come from different places.
ARG DEVICE=cpu
ARG CPU_INDEX=

ENV PYTHONUNBUFFERED=1 \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_ROOT_USER_ACTION=ignore

# The caches of apt and pip are mounts: there for the next build, and not in the image. `docker-clean` would empty them.
COPY packages.txt /app/
RUN --mount=type=cache,target=/var/cache/apt,sharing=locked \
    --mount=type=cache,target=/var/lib/apt,sharing=locked \
    rm -f /etc/apt/apt.conf.d/docker-clean && \
    apt-get update -q && xargs -a /app/packages.txt apt-get install -y -q --no-install-recommends

# What is installed changes less often than the program, so it comes first.
COPY requirements.txt /app/
RUN --mount=type=cache,target=/root/.cache/pip \
    if [ "$DEVICE" = cpu ] && [ -n "$CPU_INDEX" ]; then \
        grep -E '^torch(vision)?[>=<]' /app/requirements.txt > /tmp/torch.txt && \
        pip install -r /tmp/torch.txt --index-url "$CPU_INDEX"; \
    fi
RUN --mount=type=cache,target=/root/.cache/pip \
    pip install -r /app/requirements.txt

# Nobody who gets in can change the program: it belongs to root, and only /data to the user who runs it.
RUN useradd --uid 1000 --create-home studio && install -d -o studio -g studio /data

COPY app.py pyproject.toml README.md LICENSE /app/
COPY assets /app/assets
COPY models /app/models
COPY studio /app/studio
WORKDIR /app
RUN --mount=type=cache,target=/root/.cache/pip \
    pip install --no-deps -e /app && python -m compileall -q /app/models /app/studio

# Training runs, and weights that are fetched, go to the volume and outlive the container.
ENV GRADIO_SERVER_NAME=0.0.0.0 \
    GRADIO_SERVER_PORT=7860 \
    SIGN_STUDIO_DATA=/data \
    SIGN_STUDIO_RUNS=/data/runs \
    HF_HOME=/data/huggingface
VOLUME ["/data"]
EXPOSE 7860
USER 1000:1000
HEALTHCHECK --interval=30s --timeout=10s --start-period=120s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request; urllib.request.urlopen('http://127.0.0.1:' + os.environ['GRADIO_SERVER_PORT'], timeout=8)"]
CMD ["python", "app.py"]
