module github.com/scantling/scantling/test/e2e

go 1.26.8

require github.com/scantling/scantling v0.0.0

require (
	github.com/google/go-containerregistry v0.22.1 // indirect
	github.com/klauspost/compress v1.20.2 // indirect
	github.com/opencontainers/go-digest v1.0.0 // indirect
	github.com/opencontainers/image-spec v1.1.1 // indirect
	golang.org/x/sync v0.23.0 // indirect
)

replace github.com/scantling/scantling => ../..
