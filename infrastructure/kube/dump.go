package kube

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	utiljson "k8s.io/apimachinery/pkg/util/json"

	"github.com/scantling/scantling/model"
)

// DumpSuffix is how the name of a snapshot's file ends, so that it is found in
// a folder. One that is named by itself may be called anything.
const DumpSuffix = ".snapshot.gz"

// Bounds on reading a snapshot's file.
const (
	// maxLine is the size in bytes of the largest object. etcd takes 1.5 MiB.
	maxLine = 16 << 20
	// maxDumpMarks is how many values all objects may have. Those of 100,000
	// pods are 50 million.
	maxDumpMarks = 64 << 20
	// maxHeaderGaps is how many gaps of the snapshot's maker are told again.
	maxHeaderGaps = 10_000
)

// Origin says where a snapshot of a live cluster is from. What is "" or zero
// isn't known.
type Origin struct {
	Cluster    string    `json:"cluster,omitempty"`    // the cluster's name in the kubeconfig
	Server     string    `json:"server,omitempty"`     // the API server's version, as "v1.37.2"
	Time       time.Time `json:"time,omitzero"`        // of reading, UTC
	Namespaces []string  `json:"namespaces,omitempty"` // that namespaced kinds were read of; none means all
}

// header is the first line of a snapshot's file.
type header struct {
	Schema int    `json:"schema"`
	Kind   string `json:"kind"`
	*Origin
	Objects    int                `json:"objects"` // lines that follow
	Incomplete []model.Incomplete `json:"incomplete"`
}

const (
	dumpKind   = "ClusterSnapshot"
	dumpSchema = 1
)

// Write writes the snapshot as one file that Read takes: JSON lines under
// gzip, a header and then an object a line, in the order of Objects. It holds
// no values of Secrets. The same snapshot gives the same bytes.
func (s *Snapshot) Write(w io.Writer) error {
	defer tidy()()
	packed := gzip.NewWriter(w)
	if err := s.writeLines(packed); err != nil {
		return fmt.Errorf("writing a snapshot: %w", err)
	}
	if err := packed.Close(); err != nil {
		return fmt.Errorf("writing a snapshot: %w", err)
	}
	return nil
}

func (s *Snapshot) writeLines(w io.Writer) error {
	lines := bufio.NewWriterSize(w, 64<<10)
	encoder := json.NewEncoder(lines)
	encoder.SetEscapeHTML(false)
	head := header{Schema: dumpSchema, Kind: dumpKind, Origin: s.Origin, Objects: len(s.Objects), Incomplete: s.Incomplete}
	if head.Incomplete == nil {
		head.Incomplete = []model.Incomplete{}
	}
	if err := encoder.Encode(head); err != nil {
		return err
	}
	for _, o := range s.Objects {
		if err := encoder.Encode(o.data()); err != nil {
			return fmt.Errorf("%s: %w", o, err)
		}
	}
	return lines.Flush()
}

// isDump is true for text under gzip, the one form of a file that isn't text.
func isDump(text []byte) bool { return bytes.HasPrefix(text, []byte("\x1f\x8b")) }

// readDump reads a snapshot's file. Lines of positions are those of its JSON.
func readDump(file string, packed []byte) reading {
	defer tidy()()
	r := reading{lean: newLean()}
	text, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		r.fail(file, 0, "not readable as gzip: %v", err)
		return r
	}
	r.lines(file, text)
	return r
}

// lines reads what lies under gzip.
func (r *reading) lines(file string, text io.Reader) {
	lines := bufio.NewScanner(io.LimitReader(text, MaxTotal+1))
	lines.Buffer(make([]byte, 0, 64<<10), maxLine)
	if !lines.Scan() {
		r.fail(file, 0, "not readable as a snapshot: %s", ending(lines.Err()))
		return
	}
	var head header
	if err := json.Unmarshal(lines.Bytes(), &head); err != nil || head.Kind != dumpKind {
		r.fail(file, 0, "under gzip lies no snapshot of `scantling cluster snapshot`: not read")
		return
	}
	if head.Schema != dumpSchema {
		r.fail(file, 1, "a snapshot of schema %d, which a later version wrote: not read", head.Schema)
		return
	}
	r.origin = head.Origin
	r.told(file, head.Incomplete)
	at, size, values := 1, len(lines.Bytes()), 0
	for lines.Scan() {
		at++
		size += len(lines.Bytes()) + 1
		if values += marks(lines.Bytes()); values > maxDumpMarks {
			r.fail(file, at, "more than %d values: the rest isn't read", maxDumpMarks)
			return
		}
		r.line(file, at, lines.Bytes())
	}
	switch err := lines.Err(); {
	case err != nil:
		r.fail(file, at+1, "the snapshot isn't readable from here on: %s", ending(err))
	case size >= MaxTotal:
		r.fail(file, at, "more than %d bytes: the rest isn't read", MaxTotal)
	case at-1 != head.Objects:
		r.fail(file, at, "the snapshot has %d objects, its first line says %d", at-1, head.Objects)
	}
}

// told takes over what the snapshot's maker could not read.
func (r *reading) told(file string, list []model.Incomplete) {
	r.incomplete = append(r.incomplete, list[:min(len(list), maxHeaderGaps)]...)
	if more := len(list) - maxHeaderGaps; more > 0 {
		r.fail(file, 1, "%d more that could not be read when the snapshot was made", more)
	}
	r.gaps = len(r.incomplete)
}

// quick are the beginnings of the lines that come in thousands, as Write
// writes them.
var quick = map[string]func() runtime.Object{
	`{"apiVersion":"v1","kind":"Pod",`:             func() runtime.Object { return &corev1.Pod{} },
	`{"apiVersion":"apps/v1","kind":"ReplicaSet",`: func() runtime.Object { return &appsv1.ReplicaSet{} },
}

// behind takes a pod or ReplicaSet whose owner has been seen, without the
// detour over Raw, which it won't keep. Any doubt is left to the usual way.
func (r *reading) behind(file string, at int, text []byte) bool {
	for start, empty := range quick {
		if !bytes.HasPrefix(text, []byte(start)) {
			continue
		}
		o := &Object{Typed: empty(), Position: model.Position{File: file, Line: at}}
		if utiljson.Unmarshal(text, o.Typed) != nil {
			return false
		}
		named := o.Typed.(metav1.Object)
		o.APIVersion, o.Kind = o.Typed.GetObjectKind().GroupVersionKind().ToAPIVersionAndKind()
		o.Name, o.Namespace = named.GetName(), named.GetNamespace()
		if o.Name == "" || o.Namespace == "" || !r.lean.knows(o) {
			return false
		}
		r.read++
		r.objects = append(r.objects, r.lean.keep(o))
		return true
	}
	return false
}

// line takes one object.
func (r *reading) line(file string, at int, text []byte) {
	if r.behind(file, at, text) {
		return
	}
	scanned := scanJSON(file, text)
	if len(scanned.incomplete) > 0 || len(scanned.docs) != 1 || !isObject(scanned.docs[0].raw) {
		r.fail(file, at, "a line that is no Kubernetes object: not read")
		return
	}
	r.object(file, at, scanned.docs[0].raw)
}

// ending words why a text ended early.
func ending(err error) string {
	switch {
	case err == nil:
		return "it is empty"
	case errors.Is(err, io.ErrUnexpectedEOF):
		return "it ends early, as a copy that was broken off"
	case errors.Is(err, bufio.ErrTooLong):
		return fmt.Sprintf("a line of more than %d MiB", maxLine>>20)
	}
	return err.Error()
}
