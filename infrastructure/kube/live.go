package kube

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strconv"
	"time"

	"golang.org/x/sync/errgroup"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/scantling/scantling/model"
)

// Bounds on reading a live cluster.
const (
	// pageSize is the number of objects that one request asks for.
	pageSize = 500
	// pageTime is how long one page may take.
	pageTime = time.Minute
	// kindsAtOnce is how many kinds are read side by side. Each holds one page.
	kindsAtOnce = 4
	// maxObjects of one kind: four times the pods of the largest cluster that
	// Kubernetes is tested with.
	maxObjects = 600_000
	// maxHollow is how many pages of one kind may hold nothing: no server has
	// a reason for one.
	maxHollow = 100
)

type gaps = []model.Incomplete

// Read reads the cluster into a snapshot. A kind that can't be read is named
// in Snapshot.Incomplete. The error is non-nil only when nothing at all can be
// read or ctx ends.
func (l *Live) Read(ctx context.Context, cluster string) (*Snapshot, error) {
	defer tidy()()
	version, kinds, incomplete, err := l.discover(ctx)
	if err != nil {
		return nil, err
	}
	readings, failures := make([]reading, len(kinds)), make([]error, len(kinds))
	var group errgroup.Group
	group.SetLimit(kindsAtOnce)
	for i, k := range kinds {
		group.Go(func() error {
			readings[i], failures[i] = l.kind(ctx, k)
			return nil
		})
	}
	_ = group.Wait() // what failed is in failures
	if err := ctx.Err(); err != nil {
		return nil, l.explain(ctx, err)
	}
	var first error
	read := false
	for i, err := range failures {
		if err == nil {
			read = true
			continue
		}
		read = read || len(readings[i].objects) > 0
		first = errors.Join(first, err)
		incomplete = append(incomplete, model.Incomplete{What: "list " + kinds[i].name(), Why: l.why(kinds[i], err)})
	}
	if !read {
		if first == nil {
			first = errors.New("it serves none of the kinds that are read")
		}
		return nil, l.explain(ctx, oneOf(failures, first))
	}
	origin := &Origin{Cluster: l.name, Server: version, Time: time.Now().UTC().Truncate(time.Second)}
	if l.namespace != "" {
		origin.Namespaces = []string{l.namespace}
		if err := l.onlyNamespace(readings, failures); err != nil {
			return nil, err
		}
	}
	s := assemble(cluster, readings, incomplete)
	s.Origin = origin
	return s, nil
}

// onlyNamespace drops the other namespaces: nothing in them was read, so
// nothing can be said of them. It refuses one that isn't there, which would
// look clean; where they could not be listed, all or in part, that is said
// already.
func (l *Live) onlyNamespace(readings []reading, failures []error) error {
	var names []string
	partly := false
	for i := range readings {
		readings[i].objects = slices.DeleteFunc(readings[i].objects, func(o *Object) bool {
			if o.Kind != "Namespace" {
				return false
			}
			names = append(names, o.Name)
			partly = failures[i] != nil
			return o.Name != l.namespace
		})
	}
	if partly || len(names) == 0 || slices.Contains(names, l.namespace) {
		return nil
	}
	return fmt.Errorf("there is no namespace %q: %s", l.namespace, nearest(l.namespace, names))
}

// oneOf is the first failure, for many kinds fail for one reason.
func oneOf(failures []error, otherwise error) error {
	for _, err := range failures {
		if err != nil {
			return err
		}
	}
	return otherwise
}

// why words the failure of one kind, and what to do.
func (l *Live) why(k served, err error) string {
	where := ""
	switch {
	case k.namespaced && l.namespace != "":
		where = " in namespace " + l.namespace
	case k.namespaced:
		where = " in all namespaces"
	}
	switch {
	case apierrors.IsForbidden(err):
		return "this account may not list them" + where + ": " + askForRole
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Sprintf("no answer within %v", pageTime)
	case errors.Is(err, errAnswer):
		return err.Error() + ": the rest isn't read"
	case apierrors.IsResourceExpired(err), apierrors.IsGone(err):
		return "the list changed faster than it could be read, twice: what is there may be old or missing"
	}
	return err.Error()
}

// kind reads all pages of one kind. A list that grew too old on the way is
// read once more from its start, so that what is kept is of one moment.
func (l *Live) kind(ctx context.Context, k served) (reading, error) {
	r, err := l.pages(ctx, k)
	if apierrors.IsResourceExpired(err) || apierrors.IsGone(err) {
		r, err = l.pages(ctx, k)
	}
	return r, err
}

func (l *Live) pages(ctx context.Context, k served) (reading, error) {
	r := reading{lean: newLean()}
	next, limit, hollow := "", pageSize, 0
	for {
		body, err := l.page(ctx, k, next, limit)
		if errors.Is(err, errAnswer) && limit > 1 {
			limit = max(1, limit/10)
			continue
		}
		if err != nil {
			return r, err
		}
		before, had := next, len(r.objects)
		if next, err = k.decode(&r, body); err != nil {
			return r, err
		}
		if len(r.objects) == had {
			hollow++
		}
		switch {
		case next == "":
			return r, nil
		case hollow > maxHollow:
			return r, fmt.Errorf("more than %d pages with nothing in them: the rest isn't read", maxHollow)
		case next == before:
			return r, errors.New("the cluster repeats a page: the rest isn't read")
		case len(r.objects) >= maxObjects:
			return r, fmt.Errorf("more than %d objects: the rest isn't read", maxObjects)
		}
	}
}

// accepts are the forms to ask for, best first. Of Secrets only those without
// values are named: a server that has neither refuses.
var accepts = map[form]string{
	typed: "application/vnd.kubernetes.protobuf,application/json",
	whole: "application/json",
	bare:  "application/json;as=Table;v=v1;g=meta.k8s.io,application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io",
}

// page asks for one page and returns it undecoded.
func (l *Live) page(ctx context.Context, k served, next string, limit int) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, pageTime)
	defer cancel()
	request := l.client.Get().AbsPath(k.path(l.namespace)).Param("limit", strconv.Itoa(limit)).SetHeader("Accept", accepts[k.form])
	if next != "" {
		request = request.Param("continue", next)
	}
	if k.form == bare {
		request = request.Param("includeObject", "Metadata")
	}
	stream, err := request.Stream(ctx)
	if err != nil {
		return nil, err
	}
	defer stream.Close() //nolint:errcheck // only read from
	return io.ReadAll(stream)
}

// position names an object as the API server does, for there is no file.
func (k served) position(namespace, name string) string {
	return path.Join(k.path(namespace), name)
}
