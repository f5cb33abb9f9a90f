//go:build !scanner

package cli

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/scantling/scantling/infrastructure/cloud"
	"github.com/scantling/scantling/infrastructure/identity"
	"github.com/scantling/scantling/infrastructure/kube"
	"github.com/scantling/scantling/model"
	"github.com/scantling/scantling/report"
)

// identities is what `cluster identity report` prints as JSON.
type identities struct {
	Schema     int                `json:"schema"`
	Tool       report.Tool        `json:"tool"`
	Identities []identityRow      `json:"identities"`
	Unused     []bindingRow       `json:"unusedBindings"`
	Missing    []bindingRow       `json:"missingSubjects"`
	Cloud      []cloudRow         `json:"cloud"`
	Incomplete []model.Incomplete `json:"incomplete"`
}

type identityRow struct {
	Subject   string            `json:"subject"`
	Object    *identity.Named   `json:"object,omitempty"` // the ServiceAccount, where one was read
	Default   bool              `json:"default"`
	Shared    bool              `json:"shared"`
	Workloads []workloadRow     `json:"workloads"`
	Powers    []powerRow        `json:"powers"`
	Bindings  []*identity.Named `json:"bindings"`
	Twins     []string          `json:"twins"` // accounts of the same name elsewhere that may do the same
}

type workloadRow struct {
	Workload string     `json:"workload"`
	At       string     `json:"at"`
	Token    bool       `json:"token"`  // one that the API server accepts is mounted
	Source   string     `json:"source"` // the object that decides
	Field    string     `json:"field"`
	Files    []tokenRow `json:"files"`
}

type tokenRow struct {
	Kind       string   `json:"kind"`
	Account    string   `json:"account"`
	Containers []string `json:"containers"`
	Path       string   `json:"path"`
	Field      string   `json:"field"`
	Audience   string   `json:"audience,omitempty"`
	Server     bool     `json:"server"`
	Seconds    int64    `json:"seconds"` // 0: it never ends
	Secret     string   `json:"secret,omitempty"`
}

type powerRow struct {
	Power     string         `json:"power"`
	Namespace string         `json:"namespace,omitempty"`
	Names     []string       `json:"names,omitempty"`
	Proof     identity.Proof `json:"proof"`
}

type bindingRow struct {
	Binding *identity.Named `json:"binding"`
	Subject string          `json:"subject,omitempty"`
	Why     string          `json:"why"`
}

type cloudRow struct {
	cloud.Link
	Power *cloud.Power `json:"power,omitempty"` // of the identity of the cloud that is reached
}

func (a *app) identityReportCommand() *cobra.Command {
	var exports []string
	cmd := &cobra.Command{
		Use:     "report [PATH…]",
		Short:   "Every identity in use: who shares it, what it may do, its tokens, its cloud roles",
		Example: "  scantling cluster identity report examples/shop/k8s\n  scantling cluster identity report --cloud exports/",
		RunE: a.checked(func(ctx context.Context, args []string) error {
			s, err := a.snapshot(ctx, args)
			if err != nil {
				return err
			}
			engine := identity.Build(s)
			doc := identities{Schema: report.Schema, Tool: a.tool(), Unused: []bindingRow{}, Missing: []bindingRow{}, Incomplete: missedOf(s, engine.Incomplete())}
			doc.fill(engine)
			depends, err := a.joinCloud(ctx, s, exports, &doc)
			if err != nil {
				return err
			}
			a.outcome(nil, len(doc.Incomplete)+depends, false)
			return a.show(doc, doc.text)
		}),
	}
	cmd.Flags().StringArrayVar(&exports, "cloud", nil, cloudUsage)
	return a.reads(cmd)
}

// joinCloud adds the links with the cloud, and counts those that depend.
func (a *app) joinCloud(ctx context.Context, s *kube.Snapshot, exports []string, doc *identities) (depends int, err error) {
	export, missed, err := readCloud(ctx, exports)
	if err != nil {
		return 0, err
	}
	links, more := export.Links(s)
	doc.Cloud = []cloudRow{}
	doc.Incomplete = append(append(doc.Incomplete, missed...), more...)
	for _, l := range links {
		row := cloudRow{Link: l}
		if l.To.Kind == cloud.KindCloud {
			p := export.Power(l.To.Name)
			row.Power = &p
		}
		if l.Depends != "" && len(exports) > 0 { // who names no export asks nothing of the cloud
			depends++
		}
		doc.Cloud = append(doc.Cloud, row)
	}
	return depends, nil
}

// fill puts what the engine knows into rows.
func (d *identities) fill(e *identity.Engine) {
	d.Identities = []identityRow{}
	for _, u := range e.Uses() {
		row := identityRow{
			Subject: u.Subject.String(), Object: identity.NamedOf(u.Object), Default: u.Default(), Shared: len(u.Workloads) > 1,
			Workloads: []workloadRow{}, Powers: []powerRow{}, Bindings: []*identity.Named{}, Twins: []string{},
		}
		for _, w := range u.Workloads {
			row.Workloads = append(row.Workloads, workloadOf(e, w))
		}
		for _, p := range u.Powers {
			row.Powers = append(row.Powers, powerRow{p.Name, p.Namespace, p.Names, p.Grant.Proof()})
		}
		for _, b := range u.Bindings {
			row.Bindings = append(row.Bindings, identity.NamedOf(b))
		}
		for _, t := range u.Twins {
			row.Twins = append(row.Twins, t.String())
		}
		d.Identities = append(d.Identities, row)
	}
	for _, i := range e.Idle() {
		d.Unused = append(d.Unused, bindingRow{Binding: identity.NamedOf(i.Binding), Why: i.Why})
	}
	for _, m := range e.Missing() {
		d.Missing = append(d.Missing, bindingRow{identity.NamedOf(m.Binding), m.Subject.String(), m.Why})
	}
}

func workloadOf(e *identity.Engine, w *kube.Workload) workloadRow {
	mount := e.Token(w)
	row := workloadRow{Workload: w.Kind + " " + w.Namespace + "/" + w.Name, Token: mount.Mounted, Source: mount.Source, Field: mount.Field, Files: []tokenRow{}}
	if named := identity.NamedOf(w.Object); named != nil {
		row.At = named.At
	}
	for _, f := range e.TokenFiles(w) {
		row.Files = append(row.Files, tokenRow{
			f.Kind, f.Account.String(), f.Containers, f.Path, f.Field, f.Audience, f.Server, f.Seconds, f.Secret,
		})
	}
	return row
}

func (d identities) text(w io.Writer, paint report.Paint) error {
	l := &printer{w: w, paint: paint}
	for _, row := range d.Identities {
		if len(row.Workloads) > 0 || len(row.Bindings) > 0 {
			row.text(l, paint)
		}
	}
	d.bindings(l, paint)
	if len(d.Cloud) > 0 {
		l.line("%s", paint(report.Title, "CLOUD"))
	}
	for _, c := range d.Cloud {
		c.text(l, paint)
	}
	l.missed(d.Incomplete)
	return l.err
}

func (r identityRow) text(l *printer, paint report.Paint) {
	var marks []string
	if r.Default {
		marks = append(marks, "the default account of its namespace")
	}
	if r.Shared {
		marks = append(marks, fmt.Sprintf("shared by %d workloads", len(r.Workloads)))
	}
	if len(r.Twins) > 0 {
		marks = append(marks, "may do the same as "+strings.Join(r.Twins, ", "))
	}
	title := paint(report.Title, report.Clean(r.Subject))
	if len(marks) > 0 {
		title += "  " + paint(report.Caution, report.Clean(strings.Join(marks, ", ")))
	}
	l.line("%s", title)
	for _, w := range r.Workloads {
		token := "no token is mounted"
		if w.Token {
			token = "a token is mounted"
		}
		l.line("  %s: %s (%s)", report.Clean(w.Workload), token, report.Clean(w.Source+" "+w.Field))
		for _, f := range w.Files {
			l.line("    %s", paint(report.Faint, report.Clean(f.String())))
		}
	}
	for _, p := range r.Powers {
		l.line("  %s", report.Clean(p.String()))
		l.proofs([]identity.Proof{p.Proof})
	}
}

// String is a token's file on one line.
func (f tokenRow) String() string {
	life, whom := fmt.Sprintf("%d s", f.Seconds), "for the API server"
	if f.Seconds == 0 {
		life = "never ends"
	}
	if f.Audience != "" {
		whom = "for " + f.Audience
	}
	return fmt.Sprintf("%s token of %s at %s, %s, %s, in %s", f.Kind, f.Account, f.Path, whom, life, strings.Join(f.Containers, ", "))
}

// String is a power and where it counts.
func (p powerRow) String() string {
	text := "may " + p.Power
	if len(p.Names) > 0 {
		text += " (" + strings.Join(p.Names, ", ") + " alone)"
	}
	if p.Namespace != "" {
		return text + " in namespace " + p.Namespace
	}
	return text + " in the whole cluster"
}

// bindings lists those that give nothing, and those that name nobody.
func (d identities) bindings(l *printer, paint report.Paint) {
	for _, list := range []struct {
		title string
		rows  []bindingRow
	}{{"BINDINGS THAT NOTHING USES", d.Unused}, {"SUBJECTS THAT ARE NOT THERE", d.Missing}} {
		if len(list.rows) > 0 {
			l.line("%s", paint(report.Title, list.title))
		}
		for _, r := range list.rows {
			subject := ""
			if r.Subject != "" {
				subject = " names " + r.Subject
			}
			l.line("  %s", report.Clean(fmt.Sprintf("%s (%s)%s: %s", r.Binding.Object, r.Binding.At, subject, r.Why)))
		}
	}
}

func (c cloudRow) text(l *printer, paint report.Paint) {
	line := fmt.Sprintf("%s → %s  %s", c.From, c.To, c.How)
	if c.Reach != "" {
		line += " for " + c.Reach
	}
	if c.Power != nil {
		line += "  " + c.Power.Level + ": " + c.Power.Why
	}
	l.line("  %s", report.Clean(line))
	for _, p := range c.Proof {
		l.line("    %s", paint(report.Faint, report.Clean(p.Document+" "+p.Field+" "+p.Value)))
	}
	if c.Depends != "" {
		l.line("    %s", paint(report.Caution, report.Clean("depends: "+c.Depends)))
	}
}
