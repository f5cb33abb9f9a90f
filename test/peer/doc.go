// Package peer holds the build stage against BuildKit's own linter, called as
// a library on the same files in the same process. It is a module of its own:
// that linter brings some three hundred packages along, which the main module
// is to stay free of.
package peer
