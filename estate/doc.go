// Package estate joins what the stages hand over: source, image, workload,
// identity, node and event are placed under one key each, so that an advisory
// in an image, the exposure of the workload that runs it and the rights of
// its service account can be seen together. What cannot be placed is kept and
// counted, never dropped.
package estate
