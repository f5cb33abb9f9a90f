FROM debian:13
RUNN echo hi
ENV
COPY onlyone
USER app
FROM a b c
USER root
RUN echo (
LABEL x="y
