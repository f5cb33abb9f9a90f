module github.com/scantling/scantling/test/e2e

go 1.26.8

require github.com/scantling/scantling v0.0.0

replace github.com/scantling/scantling => ../..
