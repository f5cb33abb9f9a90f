package ingest

import (
	"bytes"
	"fmt"
	"path"
	"strings"
	"time"

	"github.com/scantling/scantling/model"
)

// criFormat is what containers write, as the kubelet's log files have it:
// "TIME stdout|stderr P|F MESSAGE", where P is a part that goes on in the next
// line of that output. Source: github.com/kubernetes/design-proposals-archive,
// node/kubelet-cri-logging.md.
//
// The pod is known from the file's path alone, as the kubelet names it. What a
// message says is its writer's word: it is never read as a log of another
// kind, or a container could forge audit events.
var criFormat = format{
	name: "cri",
	text: func(line []byte) bool { _, why := criLine(line); return why == "" },
	open: func() reader { return &criReader{} },
}

// containerLine is the JSON form of a container's message.
type containerLine struct {
	Time      string `json:"time"`
	Stream    string `json:"stream"`
	Message   string `json:"message"`
	Namespace string `json:"namespace,omitempty"`
	Pod       string `json:"pod,omitempty"`
	Container string `json:"container,omitempty"`
	access           // where the message is a line of an access log
}

type criPart struct {
	time, output string
	text         []byte
	more         bool // a part follows
}

// criLine splits one line. why is set when it is none.
func criLine(line []byte) (p criPart, why string) {
	words := bytes.SplitN(line, []byte(" "), 4)
	if len(words) < 3 {
		return p, "not a line in CRI format: fewer than three words"
	}
	p.time, p.output = string(words[0]), string(words[1])
	tag, _, _ := strings.Cut(string(words[2]), ":")
	if len(words) == 4 {
		p.text = words[3]
	}
	if _, err := time.Parse(time.RFC3339Nano, p.time); err != nil {
		return p, "not a line in CRI format: it does not begin with a time"
	}
	switch {
	case p.output != "stdout" && p.output != "stderr":
		return p, "not a line in CRI format: neither of stdout nor of stderr"
	case tag != "P" && tag != "F":
		return p, "not a line in CRI format: neither a part (P) nor the end (F) of a message"
	}
	p.more = tag == "P"
	return p, ""
}

type criReader struct{ joiner }

func (c *criReader) read(s *stream, r record) (string, error) {
	part, why := criLine(r.raw)
	if why != "" {
		return why, nil
	}
	p := c.output(part.output)
	p.add(r, part.time, part.text)
	if part.more {
		return "", nil
	}
	return "", s.message(p, "cri", part.output)
}

// message hands over a message of a container that is complete.
func (s *stream) message(p *pending, source, output string) error {
	defer p.done()
	if p.tooLong {
		return s.lost(p.line, fmt.Sprintf("message is longer than %d bytes", maxMessage), p.whole(), true)
	}
	of := placeOf(s.name)
	line := containerLine{
		Time: p.time, Stream: output, Message: strings.ToValidUTF8(string(p.text), "\uFFFD"),
		Namespace: of.namespace, Pod: of.pod, Container: of.container,
	}
	line.access = accessLine(line.Message)
	return s.emit(model.Event{
		Source:    source,
		Time:      instant(p.time),
		Container: of.id,
		Assets:    distinct(of.workload(s.cfg.cluster())),
		Raw:       object(line),
		Original:  bytes.Clone(p.whole()),
	})
}

// place is the container that a log file belongs to, as far as its path tells.
type place struct{ namespace, pod, container, id string }

func (p place) workload(cluster string) model.Ref {
	if p.namespace == "" {
		return model.Ref{}
	}
	return ofKind(cluster, "Pod", p.namespace, p.pod)
}

// placeOf reads the paths of the kubelet and of Docker:
// …/pods/NAMESPACE_POD_UID/CONTAINER/N.log, …/containers/POD_NAMESPACE_CONTAINER-ID.log
// and …/containers/ID/ID-json.log. No name of Kubernetes holds an underscore.
func placeOf(file string) place {
	file = strings.TrimSuffix(path.Clean(strings.ReplaceAll(file, `\`, "/")), ".gz")
	dir, name := path.Split(file)
	name, _, _ = strings.Cut(name, ".log")
	up := strings.Split(strings.Trim(dir, "/"), "/")
	last := up[len(up)-1]
	if id, ok := strings.CutSuffix(name, "-json"); ok && isContainerID(id) {
		return place{id: id}
	}
	if words := strings.Split(name, "_"); len(words) == 3 && last == "containers" {
		if at := strings.LastIndexByte(words[2], '-'); at > 0 && isContainerID(words[2][at+1:]) {
			return place{namespace: words[1], pod: words[0], container: words[2][:at], id: words[2][at+1:]}
		}
	}
	if len(up) < 2 || up[max(0, len(up)-3)] != "pods" {
		return place{}
	}
	if words := strings.Split(up[len(up)-2], "_"); len(words) == 3 {
		return place{namespace: words[0], pod: words[1], container: last}
	}
	return place{}
}

// isContainerID reports whether s is an id as runtimes give them: 64
// hexadecimal digits.
func isContainerID(s string) bool {
	return len(s) == 64 && strings.Trim(s, "0123456789abcdef") == ""
}
