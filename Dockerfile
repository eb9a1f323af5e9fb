# One image for every Python part of EchoLead; compose gives each its command.
FROM node:24.11-bookworm-slim AS script
WORKDIR /build
COPY tracking/package.json tracking/package-lock.json tracking/.npmrc ./
RUN npm ci --no-audit --no-fund
COPY tracking/ ./
RUN npm run build

FROM python:3.11-slim-bookworm
WORKDIR /app
ENV PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 ECHOLEAD_DATA_DIR=/data
COPY requirements/ requirements/
RUN pip install --no-cache-dir --no-deps --require-hashes -r requirements/base.txt
COPY . .
COPY --from=script /build/dist tracking/dist
RUN pip install --no-cache-dir --no-deps --no-build-isolation --editable . \
    && useradd --system --uid 10001 --home-dir /data echolead \
    && install -d -o echolead -g echolead /data
USER echolead
VOLUME /data
ENTRYPOINT ["echolead"]
