# syntax=docker/dockerfile:1

# The wheels are made and installed here; pip, its cache and any compiler stay behind.
FROM python:3.11-slim-bookworm AS builder
WORKDIR /build
RUN python -m venv --without-pip /opt/automation
COPY pyproject.toml README.md LICENSE ./
COPY src ./src
RUN pip wheel --no-cache-dir --disable-pip-version-check --wheel-dir /wheels '.[postgres]' \
    && pip --python /opt/automation/bin/python install --no-cache-dir --disable-pip-version-check --no-index --find-links /wheels 'automation-consumer[postgres]'

FROM python:3.11-slim-bookworm
LABEL org.opencontainers.image.title="automation-consumer" \
      org.opencontainers.image.licenses="Apache-2.0"
ENV PATH=/opt/automation/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
# A number, so that Kubernetes can see that it is not root. The folder is for the journal: mount a volume there.
RUN groupadd --gid 10001 automation \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /var/lib/automation --shell /usr/sbin/nologin automation \
    && install -d -o 10001 -g 10001 -m 0750 /var/lib/automation
COPY --from=builder /opt/automation /opt/automation
WORKDIR /var/lib/automation
USER 10001:10001
EXPOSE 8080
# The pages are served on the loopback address by default, which is where this looks.
HEALTHCHECK --interval=10s --timeout=5s --start-period=20s --retries=3 \
    CMD ["python", "-c", "import http.client, sys; page = http.client.HTTPConnection('127.0.0.1', 8080, timeout=4); page.request('GET', '/-/healthy'); sys.exit(page.getresponse().status != 200)"]
ENTRYPOINT ["automation-consumer"]
CMD ["run", "-c", "/etc/automation"]
