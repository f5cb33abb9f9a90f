#!/usr/bin/env bash
# Builds osv-scanner, the peer of the registry stage, once into a cache folder
# outside the tree, and prints its path.
set -euo pipefail
version=v2.4.0 # the last that reads an offline copy of the bucket in place and needs no newer Go
cache=${XDG_CACHE_HOME:-$HOME/.cache}/scantling-peer/osv-scanner-$version
if [ ! -x "$cache/osv-scanner" ]; then
	mkdir -p "$cache"
	GOWORK=off GOFLAGS=-mod=mod GOBIN=$cache "${GO:-go}" install "github.com/google/osv-scanner/v2/cmd/osv-scanner@$version" >&2
fi
echo "$cache/osv-scanner"
