# The scanner edition as an image, for the job of a pipeline that judges
# Dockerfiles and images and does nothing else: 27 MB, on an empty base for the
# reasons that Dockerfile beside it gives. That base has no roots of trust: for
# a registry or a source over https mount a file of them and name it in
# SSL_CERT_FILE. What is synced or indexed needs a volume, named by --data.
#
#   make scanner && docker build -f deploy/scanner.Dockerfile -t scantling-scanner .
#   docker run --rm --network none --read-only --volume "$PWD:/src:ro" scantling-scanner
FROM scratch

LABEL org.opencontainers.image.title="Scantling, scanner edition" \
      org.opencontainers.image.description="Judges Dockerfiles and images" \
      org.opencontainers.image.source="https://github.com/scantling/scantling" \
      org.opencontainers.image.licenses="Apache-2.0"

COPY dist/scanner/scantling /scantling

# A number, because scratch has no names: nobody's on most systems.
USER 65532:65532
WORKDIR /src
ENTRYPOINT ["/scantling"]
CMD ["lint", "."]
