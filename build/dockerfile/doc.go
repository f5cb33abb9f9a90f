// Package dockerfile reads Dockerfiles into one evaluated build graph: stages
// with their bases, the values that ARG and ENV have at each instruction, the
// commands that each RUN starts, and every input from outside. It never
// judges. What can't be known without building (an argument without a
// default, a variable of the base image, the output of a command) is kept as
// unknown text with the reason, and what can't be read is a Problem with its
// line.
//
// The grammar is BuildKit's: this package is the only one that imports its
// parser, and the meaning of ARG, ENV, stages and ONBUILD follows
// frontend/dockerfile/dockerfile2llb of v0.34.2 (Dockerfile reference:
// https://docs.docker.com/reference/dockerfile/). RUN text is read with
// mvdan.cc/sh as bash, which is a superset of what sh accepts in practice.
//
// All input is hostile. A File is immutable once Parse has returned it and is
// safe to share between goroutines.
package dockerfile
