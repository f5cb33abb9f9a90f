# escape=`
FROM debian:13
RUN echo one `
  two && `
  three
