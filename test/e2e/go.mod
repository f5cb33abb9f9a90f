// End-to-end tests that need more than Go: their own module, so that the main
// one stays free of what they install. Standard library only.
module github.com/scantling/scantling/test/e2e

go 1.26.8
