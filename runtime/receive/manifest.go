package receive

import (
	"bytes"
	"errors"
	"io"
	"path"
	"slices"

	"go.yaml.in/yaml/v3"
)

// Server is the command line of an API server, as its Pod has it.
type Server struct {
	Name string   // of the Pod
	Args []string // the command, and its arguments
}

// pod is what is read of a manifest: a Pod, or a list of them.
type pod struct {
	Metadata struct{ Name string }
	Spec     struct {
		Containers []struct{ Command, Args []string }
	}
	Items []pod
}

// Servers finds the API servers in the manifest of a static Pod, or in a list
// of Pods as `kubectl get pods -o yaml` prints it. JSON will do too.
func Servers(manifest []byte) ([]Server, error) {
	var out []Server
	dec := yaml.NewDecoder(bytes.NewReader(manifest))
	for {
		var p pod
		err := dec.Decode(&p)
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return nil, err
		}
		for _, p := range append(p.Items, p) {
			for _, c := range p.Spec.Containers {
				line := slices.Concat(c.Command, c.Args)
				if slices.ContainsFunc(line, func(word string) bool { return path.Base(word) == "kube-apiserver" }) {
					out = append(out, Server{p.Metadata.Name, line})
				}
			}
		}
	}
}
