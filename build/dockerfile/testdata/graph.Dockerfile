# syntax=docker/dockerfile:1.7
ARG BASE=alpine
ARG TAG
ARG REG=registry.example/${BASE}
FROM ${REG}:${TAG:-3.19} AS build
ARG PKGS="curl git"
ARG V
ENV A=1 B=$C
ENV A=2 C=$A
ARG TARGETARCH
WORKDIR /src
WORKDIR app
ONBUILD RUN make $A
COPY --from=nginx:1.2 /a /b
COPY --from=late /a /b
ADD --checksum=sha256:abc https://example.com/a.tgz /x
ADD https://example.com/a.git#v1 /y
FROM build
USER me:me
LABEL org.opencontainers.image.source=https://example.com/$C
EXPOSE 443 80/tcp
ENTRYPOINT ["/app", "--serve"]
HEALTHCHECK CMD curl -f http://localhost || exit 1
FROM --platform=$BUILDPLATFORM scratch AS late
COPY a /
RUN --mount=type=bind,from=busybox,target=/m ["/m/sh", "-c", "cp /m/a /a"]
