# One image for every Python part of EchoLead; compose gives each its command.
# Empty, or `@sha256:…` of the images on the machine that builds (docs/guides/production.md).
ARG NODE_DIGEST=
ARG PYTHON_DIGEST=
FROM node:24.11-bookworm-slim${NODE_DIGEST} AS script
WORKDIR /build/tracking
COPY tracking/package.json tracking/package-lock.json tracking/.npmrc ./
RUN npm ci --no-audit --no-fund
COPY dbt_project/seeds/excluded_referrers.csv ../dbt_project/seeds/
COPY tracking/ ./
RUN npm run build

FROM python:3.11-slim-bookworm${PYTHON_DIGEST}
WORKDIR /app
ENV PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 ECHOLEAD_DATA_DIR=/data
COPY requirements/ requirements/
RUN pip install --no-cache-dir --no-deps --require-hashes -r requirements/base.txt
COPY . .
COPY --from=script /build/tracking/dist tracking/dist
RUN pip install --no-cache-dir --no-deps --no-build-isolation --editable . \
    && useradd --system --uid 10001 --home-dir /data echolead \
    && install -d -o echolead -g echolead /data \
    && install -d -o echolead -g echolead -m 0700 /data/dagster
USER echolead
VOLUME /data
ENTRYPOINT ["echolead"]
