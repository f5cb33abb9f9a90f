package istio

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/scantling/scantling/infrastructure/network/ends"
	"github.com/scantling/scantling/infrastructure/network/policy"
)

// readPorts reads port numbers.
func readPorts(texts []string) ([]ends.Span, error) {
	var list []ends.Span
	for _, text := range texts {
		n, err := strconv.Atoi(text)
		if err != nil || n < 0 || n > ends.MaxPort {
			return nil, fmt.Errorf("port %q is none", text)
		}
		if n > 0 {
			list = append(list, ends.Span{Low: n, High: n})
		}
	}
	return ends.Merge(list), nil
}

// notTCP lets through what a mesh doesn't see.
func notTCP() policy.Rule {
	return policy.Rule{
		Action: policy.Accept, Order: orderPast, Field: "spec",
		Ports: []policy.Port{{Protocol: "UDP", Low: 1, High: ends.MaxPort}, {Protocol: "SCTP", Low: 1, High: ends.MaxPort}},
	}
}

// bypass gives the ports of a pod at which nothing of the mesh is in the way,
// as its annotations say.
func (e *end) bypass(plane string) ([]ends.Span, error) {
	if plane == ambient {
		if e.annotations[ambientBypass] == "true" {
			return ends.AllPorts, nil
		}
		return nil, nil
	}
	excluded, err := readPorts(fields(e.annotations[excludedPorts]))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", excludedPorts, err)
	}
	if text, has := e.annotations[includedPorts]; has && text != "*" {
		included, err := readPorts(fields(text))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", includedPorts, err)
		}
		excluded = ends.Merge(append(excluded, ends.Without(ends.AllPorts, included)...))
	}
	return excluded, nil
}

// fields splits a list at commas.
func fields(text string) []string {
	return strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == ' ' })
}

// spanText writes spans as "1-79 443".
func spanText(spans []ends.Span) string {
	texts := make([]string, len(spans))
	for i, s := range spans {
		texts[i] = strconv.Itoa(s.Low)
		if s.High > s.Low {
			texts[i] += "-" + strconv.Itoa(s.High)
		}
	}
	return strings.Join(texts, " ")
}
