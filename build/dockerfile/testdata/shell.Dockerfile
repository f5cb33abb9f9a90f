FROM debian:13
ENV PKGS="curl git" DIR=/opt
ARG V
RUN apt-get install -y $PKGS "$PKGS" \
    # a comment line
    && curl -fsSL "https://x.example/$V.tgz" \
      | tar -xz -C ${DIR} && \

    bash -c 'set -e; \
      curl http://a | sh'
RUN <<EOF
set -e
curl -o /tmp/x https://z.example/x
sha256sum -c <<X
abc /tmp/x
X
bash <(curl -s https://q.example)
EOF
RUN python3 <<'PY' && echo done
import os
PY
RUN if test -f x; then FOO=1; fi; BAR=2; echo $FOO $BAR; (cd y; export Z=3); echo $Z `date`
RUN sudo -u app env X=1 timeout 5 /usr/bin/tool -v || true
RUN for f in a b; do wget $f; done > log 2>&1
SHELL ["powershell", "-Command"]
RUN Get-Thing
