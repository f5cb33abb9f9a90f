//go:build !scanner

package cli

import (
	"context"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/scantling/scantling/infrastructure/identity"
	"github.com/scantling/scantling/infrastructure/kube"
	"github.com/scantling/scantling/model"
	"github.com/scantling/scantling/report"
)

func (a *app) identityCommand() *cobra.Command {
	return group(&cobra.Command{
		Use:   "identity",
		Short: "Who may do what under RBAC, and which identities are in use",

		Example: "  scantling cluster identity who-can get secrets -n shop -f k8s\n  scantling cluster identity report examples/shop/k8s",
	}, a.whoCanCommand(), a.canCommand(), a.identityReportCommand())
}

// asked is a question about rights as the command line puts it.
type asked struct {
	namespace string
	files     []string
}

// flags gives a command the switches of such a question. It takes its paths by
// --file, because its arguments are the request.
func (q *asked) flags(a *app, cmd *cobra.Command) *cobra.Command {
	flags := cmd.Flags()
	flags.StringVarP(&q.namespace, "namespace", "n", "", "namespace of the request (default none: a right in the whole cluster)")
	flags.StringArrayVarP(&q.files, "file", "f", nil, "manifests, snapshot or folder to read, - for standard input (repeatable; default the live cluster)")
	flags.StringVar(&a.access.Context, "context", "", "live cluster: context of the kubeconfig (default the current one)")
	flags.StringVar(&a.access.Kubeconfig, "kubeconfig", "", "live cluster: file to use in place of KUBECONFIG and ~/.kube/config")
	flags.StringArrayVar(&a.values, "values", nil, "values file for the charts that are read (repeatable, the last one wins)")
	return cmd
}

// request reads VERB RESOURCE [NAME].
func (q *asked) request(args []string) (identity.Request, error) {
	if len(args) < 2 || len(args) > 3 {
		return identity.Request{}, usage("name a verb and a resource, as get secrets, and at most one object: paths are named by --file")
	}
	r, cluster, err := identity.Resource(args[1])
	if err != nil {
		word, _, _ := strings.Cut(args[1], "/")
		return r, usage("%w%s", err, nearest(word, identity.ResourceNames()))
	}
	r.Verb = args[0]
	if cluster && q.namespace != "" {
		return r, usage("--namespace %s: %s is in no namespace", q.namespace, args[1])
	}
	r.Namespace = q.namespace
	if len(args) == 3 {
		if r.Path != "" {
			return r, usage("a path has no name: leave out %s", args[2])
		}
		r.Name = args[2]
	}
	return r, nil
}

// whoCan is what `cluster identity who-can` prints as JSON.
type whoCan struct {
	Schema   int         `json:"schema"`
	Tool     report.Tool `json:"tool"`
	Request  string      `json:"request"`
	Holders  []holder    `json:"holders"`
	Indirect []holder    `json:"indirect"`
	Ways     []way       `json:"ways"`

	Incomplete []model.Incomplete `json:"incomplete"`
}

// holder is somebody who may. Through is the group that gives it to him.
type holder struct {
	Subject string           `json:"subject"`
	Through string           `json:"through,omitempty"`
	Proofs  []identity.Proof `json:"proofs"`
}

// way is somebody who may not, and could come to it.
type way struct {
	Subject string           `json:"subject"`
	By      string           `json:"by"`
	As      string           `json:"as,omitempty"`
	Role    *identity.Named  `json:"role,omitempty"`
	Proofs  []identity.Proof `json:"proofs"`
}

func (a *app) whoCanCommand() *cobra.Command {
	var q asked
	cmd := &cobra.Command{
		Use:     "who-can VERB RESOURCE [NAME]",
		Short:   "Who may make a request, by which rule, and who could come to it",
		Example: "  scantling cluster identity who-can get secrets -n payments -f examples/shop/k8s\n  scantling cluster identity who-can create pods/exec",
		RunE: a.checked(func(ctx context.Context, args []string) error {
			r, err := q.request(args)
			if err != nil {
				return err
			}
			s, err := a.snapshot(ctx, q.files)
			if err != nil {
				return err
			}
			engine := identity.Build(s)
			doc := whoCan{
				Schema: report.Schema, Tool: a.tool(), Request: r.String(), Holders: []holder{}, Indirect: indirect(engine, r), Ways: []way{},
				Incomplete: append(touching(s), engine.Doubts(r)...),
			}
			for _, h := range engine.WhoCan(r) {
				doc.Holders = append(doc.Holders, holder{Subject: h.Subject.String(), Proofs: identity.Proofs(h.Grants)})
			}
			for _, w := range engine.Ways(r) {
				found := way{Subject: w.Subject.String(), By: w.By, Role: identity.NamedOf(w.Role), Proofs: identity.Proofs(w.Grants)}
				if w.As != (identity.Subject{}) {
					found.As = w.As.String()
				}
				doc.Ways = append(doc.Ways, found)
			}
			a.outcome(nil, len(doc.Incomplete), false)
			return a.show(doc, doc.text)
		}),
	}
	return q.flags(a, cmd)
}

// touching lists what was not read and could hold a role, a binding or a
// ServiceAccount: all but kinds that have nothing to do with RBAC.
func touching(s *kube.Snapshot) []model.Incomplete {
	out := []model.Incomplete{}
	for _, i := range s.Incomplete {
		listed, isList := strings.CutPrefix(i.What, "list ")
		listed, _, _ = strings.Cut(listed, ".")
		switch {
		case strings.HasPrefix(i.What, "kind "):
		case isList && listed != "roles" && listed != "clusterroles" && listed != "rolebindings" && listed != "clusterrolebindings" && listed != "serviceaccounts":
		default:
			out = append(out, i)
		}
	}
	return out
}

// indirect lists the known identities that a group alone lets make a request.
func indirect(e *identity.Engine, r identity.Request) []holder {
	out := []holder{}
	known := e.Accounts()
	for _, s := range e.Subjects() {
		if s.Kind != "ServiceAccount" {
			known = append(known, s)
		}
	}
	for _, s := range known {
		_, grants := e.Can(s, r)
		through := ""
		for _, g := range grants {
			if g.Subject == s {
				through = ""
				break
			}
			through = g.Subject.String()
		}
		if through != "" {
			out = append(out, holder{Subject: s.String(), Through: grants[0].Subject.String(), Proofs: identity.Proofs(grants)})
		}
	}
	return out
}

func (d whoCan) text(w io.Writer, paint report.Paint) error {
	l := &printer{w: w, paint: paint}
	l.line("%s", paint(report.Title, report.Clean("MAY "+d.Request)))
	for _, h := range d.Holders {
		l.line("  %s", report.Clean(h.Subject))
		l.proofs(h.Proofs)
	}
	if len(d.Indirect) > 0 {
		l.line("%s", paint(report.Title, "MAY BY A GROUP"))
	}
	for _, h := range d.Indirect {
		l.line("  %s", report.Clean(h.Subject+" through "+h.Through))
	}
	if len(d.Ways) > 0 {
		l.line("%s", paint(report.Title, "COULD COME TO IT"))
	}
	for _, x := range d.Ways {
		l.line("  %s", report.Clean(x.title()))
		l.proofs(x.Proofs)
	}
	l.missed(d.Incomplete)
	return l.err
}

// title says who does what.
func (x way) title() string {
	switch x.By {
	case identity.ByImpersonate:
		return x.Subject + " may impersonate " + x.As
	case identity.ByToken:
		return x.Subject + " may ask for a token of " + x.As
	case identity.ByWorkload:
		return x.Subject + " may run a pod as " + x.As
	case identity.ByBind:
		return x.Subject + " may bind " + x.Role.Object
	}
	return x.Subject + " may write it into " + x.Role.Object
}

// canReport is what `cluster identity can` prints as JSON.
type canReport struct {
	Schema     int                `json:"schema"`
	Tool       report.Tool        `json:"tool"`
	Subjects   []string           `json:"subjects"`
	Request    string             `json:"request"`
	Answer     string             `json:"answer"` // yes, no, unknown
	Proofs     []identity.Proof   `json:"proofs"`
	Incomplete []model.Incomplete `json:"incomplete"`
}

func (a *app) canCommand() *cobra.Command {
	var q asked
	var as string
	var groups []string
	cmd := &cobra.Command{
		Use:     "can VERB RESOURCE [NAME]",
		Short:   "Whether somebody may make a request, and by which rule",
		Example: "  scantling cluster identity can --as shop/storefront get secrets -n shop -f examples/shop/k8s\n  scantling cluster identity can --as eve --as-group ops delete nodes",
		RunE: a.checked(func(ctx context.Context, args []string) error {
			r, err := q.request(args)
			if err != nil {
				return err
			}
			who, err := subjects(as, groups)
			if err != nil {
				return err
			}
			s, err := a.snapshot(ctx, q.files)
			if err != nil {
				return err
			}
			doc := a.can(identity.Build(s), s, who, r)
			a.outcome(nil, len(doc.Incomplete), false)
			return a.show(doc, doc.text)
		}),
	}
	cmd.Flags().StringVar(&as, "as", "", "who asks: NAMESPACE/NAME of a ServiceAccount, user:NAME, group:NAME, or a user's name")
	cmd.Flags().StringArrayVar(&groups, "as-group", nil, "a group that the user is in, beside those that it is in by its nature (repeatable)")
	return q.flags(a, cmd)
}

// subjects reads --as and --as-group.
func subjects(as string, groups []string) ([]identity.Subject, error) {
	who, err := identity.ParseSubject(as)
	if err != nil {
		return nil, usage("--as: %w", err)
	}
	out := []identity.Subject{who}
	for _, g := range groups {
		if g == "" {
			return nil, usage("--as-group: a group has a name")
		}
		out = append(out, identity.Group(g))
	}
	return out, nil
}

// can asks for each of the subjects that one caller is. A yes is proven, so
// that nothing that was not read can touch it.
func (a *app) can(e *identity.Engine, s *kube.Snapshot, who []identity.Subject, r identity.Request) canReport {
	doc := canReport{
		Schema: report.Schema, Tool: a.tool(), Request: r.String(), Answer: "no", Proofs: []identity.Proof{}, Incomplete: []model.Incomplete{},
	}
	seen := map[string]bool{}
	for _, w := range who {
		doc.Subjects = append(doc.Subjects, w.String())
		_, grants := e.Can(w, r)
		for _, p := range identity.Proofs(grants) {
			if !seen[p.String()] {
				seen[p.String()] = true
				doc.Proofs = append(doc.Proofs, p)
			}
		}
	}
	if len(doc.Proofs) > 0 {
		doc.Answer = "yes"
		return doc
	}
	doc.Incomplete = append(touching(s), e.Doubts(r, who...)...)
	if len(doc.Incomplete) > 0 {
		doc.Answer = "unknown"
	}
	return doc
}

func (d canReport) text(w io.Writer, paint report.Paint) error {
	role := map[string]report.Role{"yes": report.Good, "no": report.Bad, "unknown": report.Caution}[d.Answer]
	l := &printer{w: w, paint: paint}
	l.line("%s: %s", report.Clean(strings.Join(d.Subjects, ", ")+" "+d.Request), paint(role, d.Answer))
	l.proofs(d.Proofs)
	l.missed(d.Incomplete)
	return l.err
}
