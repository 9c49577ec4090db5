# docker build -t smsbridge .
# docker run --rm --network host smsbridge demo

FROM python:3.13-slim-bookworm AS build
WORKDIR /src
RUN python -m venv /opt/smsbridge
COPY pyproject.toml README.md LICENSE ./
COPY src ./src
RUN /opt/smsbridge/bin/pip install --no-cache-dir --no-compile '.[speed,postgres]'

FROM python:3.13-slim-bookworm
LABEL org.opencontainers.image.title="smsbridge" \
      org.opencontainers.image.description="Texts from SMS carriers into agent desktops, and the replies back" \
      org.opencontainers.image.licenses="Apache-2.0"
RUN groupadd --gid 10001 smsbridge \
 && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /data --shell /usr/sbin/nologin smsbridge \
 && install --directory --owner=10001 --group=10001 --mode=0700 /data \
 && install --directory --mode=0755 /etc/smsbridge
COPY --from=build /opt/smsbridge /opt/smsbridge
ENV PATH="/opt/smsbridge/bin:$PATH" \
    PYTHONUNBUFFERED=1 \
    SMSBRIDGE__DATA_DIR=/data \
    SMSBRIDGE__SERVER__HOST=0.0.0.0
USER 10001:10001
WORKDIR /data
VOLUME /data
EXPOSE 8398
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=12s --start-period=20s --retries=3 CMD ["smsbridge", "readyz"]
ENTRYPOINT ["smsbridge"]
CMD ["serve", "--config", "/etc/smsbridge/smsbridge.toml"]
