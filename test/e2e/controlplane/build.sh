#!/usr/bin/env bash
# Builds kube-apiserver, kube-controller-manager, kube-scheduler and kwok, once
# for each version, into a cache folder outside the tree, and prints its path.
# Cold it takes about 20 CPU minutes; once the folder is there, nothing is
# built. A build that breaks off leaves no folder behind.
set -euo pipefail
cd "$(dirname "$0")"
export GOWORK=off
go=${GO:-go}

version() { awk -v module="$1" '$1 == module && $2 ~ /^v/ { print $2; exit }' go.mod; }
kubernetes=$(version k8s.io/kubernetes)
kwok=$(version sigs.k8s.io/kwok)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/scantling-e2e
done=$cache/kubernetes-$kubernetes-kwok-$kwok
if [ -d "$done" ]; then
	echo "$done"
	exit
fi

mkdir -p "$cache"
dir=$(mktemp -d "$cache/building.XXXXXX")
trap 'rm -rf "$dir"' EXIT
# As a release does it: what the programs say of themselves, and their user
# agents. The commit of the release isn't known here.
minor=${kubernetes#v1.}
flags="-s -w"
for package in k8s.io/component-base/version k8s.io/client-go/pkg/version; do
	flags+=" -X $package.gitVersion=$kubernetes -X $package.gitMajor=1 -X $package.gitMinor=${minor%%.*} -X $package.gitCommit="
done
for package in k8s.io/kubernetes/cmd/kube-apiserver k8s.io/kubernetes/cmd/kube-controller-manager \
	k8s.io/kubernetes/cmd/kube-scheduler sigs.k8s.io/kwok/cmd/kwok; do
	echo "building $package" >&2
	"$go" build -ldflags="$flags" -o "$dir/$(basename "$package")" "$package"
done

# What kwok plays of a node and of a pod, a file each.
stages=$("$go" list -m -f '{{.Dir}}' sigs.k8s.io/kwok)/kustomize/stage
mkdir "$dir/stages"
for stage in node/fast node/heartbeat-with-lease pod/fast; do
	for file in "$stages/$stage"/[a-z]*-*.yaml; do
		cp "$file" "$dir/stages/"
	done
done
chmod -R u+w,a+rX "$dir"
mv -T "$dir" "$done" 2>/dev/null || [ -d "$done" ]
echo "$done"
