package kube

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/kubernetes/scheme"
	_ "k8s.io/client-go/plugin/pkg/client/auth" // the ways to log in that kubectl has
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/clientcmd/api"

	"github.com/scantling/scantling/model"
)

// Access says which cluster to read, and as whom. The zero value is what
// kubectl would use: KUBECONFIG, else ~/.kube/config, else the account of the
// pod that this runs in.
type Access struct {
	Kubeconfig string // a file; "" for the usual places
	Context    string // "" for the current one
	Namespace  string // reads namespaced kinds of this one alone; "" for all
	Agent      string // what the API server's audit log calls us
}

// Live is a connection to a cluster's API server. Nothing is sent before Read.
type Live struct {
	name      string // of the cluster, as the kubeconfig calls it
	namespace string
	host      string
	client    *rest.RESTClient
	patience  time.Duration // with what the server says of itself
}

// Bounds on the requests. The API server's own fairness is what protects it;
// the client's limit is only there to keep a fault from becoming a flood.
const (
	queriesPerSecond = 50
	queriesAtOnce    = 100
)

// Connect reads the kubeconfig as kubectl does. The error says what to do.
func Connect(a Access) (*Live, error) {
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	rules.ExplicitPath = a.Kubeconfig
	loader := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, &clientcmd.ConfigOverrides{CurrentContext: a.Context})
	raw, err := loader.RawConfig()
	if err != nil {
		return nil, fmt.Errorf("reading the kubeconfig: %w", err)
	}
	name, err := nameOf(&raw, a.Context)
	if err != nil {
		return nil, err
	}
	config, err := loader.ClientConfig()
	if clientcmd.IsEmptyConfig(err) {
		return nil, errors.New("no cluster to read: there is no kubeconfig in KUBECONFIG or ~/.kube/config, and this is no pod: name one with --kubeconfig, or name manifests to read")
	}
	if err != nil {
		return nil, fmt.Errorf("reading the kubeconfig: %w", err)
	}
	config.QPS, config.Burst = queriesPerSecond, queriesAtOnce
	config.UserAgent = cmp.Or(a.Agent, "scantling")
	config.WarningHandler = rest.NoWarnings{}
	config.NegotiatedSerializer = scheme.Codecs.WithoutConversion()
	config.Wrap(func(next http.RoundTripper) http.RoundTripper { return bounded{next} })
	client, err := rest.UnversionedRESTClientFor(config)
	if err != nil {
		return nil, fmt.Errorf("reading the kubeconfig: %w", err)
	}
	return &Live{name: name, namespace: a.Namespace, host: config.Host, client: client, patience: pageTime}, nil
}

// nameOf returns the cluster's name in the kubeconfig, "" inside a pod.
func nameOf(config *api.Config, context string) (string, error) {
	if len(config.Contexts) == 0 && context == "" {
		return "", nil
	}
	used := cmp.Or(context, config.CurrentContext)
	if used == "" {
		return "", fmt.Errorf("the kubeconfig has no current context: name one of %s with --context", list(slices.Sorted(maps.Keys(config.Contexts))))
	}
	c := config.Contexts[used]
	if c == nil {
		if len(config.Contexts) == 0 {
			return "", fmt.Errorf("there is no context %q: no kubeconfig in KUBECONFIG or ~/.kube/config names any", used)
		}
		return "", fmt.Errorf("the kubeconfig has no context %q: %s", used, nearest(used, slices.Sorted(maps.Keys(config.Contexts))))
	}
	return c.Cluster, nil
}

// list names the first few of many.
func list(names []string) string {
	if len(names) > 5 {
		return strings.Join(names[:5], ", ") + ", …"
	}
	return strings.Join(names, ", ")
}

// nearest names the one of several that was most likely meant, else a few.
func nearest(word string, names []string) string {
	if n := model.Nearest(word, names); n != "" {
		return fmt.Sprintf("the nearest is %q", n)
	}
	return "there is " + list(names)
}

// maxAnswer is the size in bytes of the largest answer that is read, after
// decompression. A page of 500 ordinary pods has 3 MB, a page of one object
// never more than the 1.5 MiB that etcd takes. What is decoded may be larger
// many times over: a server that means harm can cost some GiB of memory.
const maxAnswer = 16 << 20

var errAnswer = fmt.Errorf("an answer of more than %d MiB", maxAnswer>>20)

// bounded keeps every answer below maxAnswer.
type bounded struct{ next http.RoundTripper }

func (b bounded) RoundTrip(r *http.Request) (*http.Response, error) {
	answer, err := b.next.RoundTrip(r)
	if err == nil {
		answer.Body = &boundedBody{answer.Body, maxAnswer}
	}
	return answer, err
}

type boundedBody struct {
	io.ReadCloser
	left int
}

func (b *boundedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p[:min(len(p), b.left+1)])
	if b.left -= n; b.left < 0 {
		return 0, errAnswer
	}
	return n, err
}

// discover asks for what the server is and serves.
func (l *Live) discover(ctx context.Context) (version string, kinds []served, incomplete gaps, err error) {
	client := discovery.NewDiscoveryClient(l.client)
	soon, cancel := context.WithTimeout(ctx, l.patience)
	defer cancel()
	groups, lists, err := client.ServerGroupsAndResourcesWithContext(soon)
	var partly *discovery.ErrGroupDiscoveryFailed
	if err != nil && !errors.As(err, &partly) {
		return "", nil, nil, l.explain(ctx, err)
	}
	if partly == nil {
		partly = &discovery.ErrGroupDiscoveryFailed{}
	}
	if info, err := client.ServerVersionWithContext(soon); err == nil {
		version = info.GitVersion
	}
	kinds, incomplete = plan(groups, lists, partly.Groups)
	return version, kinds, incomplete, nil
}

// explain turns the error of a whole cluster into one that says what to do.
func (l *Live) explain(ctx context.Context, err error) error {
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("reading the cluster at %s: %w", l.host, ctx.Err())
	case apierrors.IsUnauthorized(err):
		return fmt.Errorf("the cluster at %s refuses these credentials: log in again, or choose others with --context: %w", l.host, err)
	case apierrors.IsForbidden(err):
		return fmt.Errorf("the cluster at %s lets this account read nothing: %s: %w", l.host, askForRole, err)
	}
	return fmt.Errorf("the cluster at %s can't be read: is it up, can it be reached from here, is it the right --context? %w", l.host, err)
}

// askForRole is what to do about a right that is missing.
const askForRole = "grant the role that `scantling cluster role` prints"
