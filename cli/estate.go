//go:build !scanner

package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/scantling/scantling/build/dockerfile"
	"github.com/scantling/scantling/build/lint"
	"github.com/scantling/scantling/config"
	"github.com/scantling/scantling/estate"
	"github.com/scantling/scantling/infrastructure/identity"
	"github.com/scantling/scantling/infrastructure/kube"
	"github.com/scantling/scantling/infrastructure/network"
	"github.com/scantling/scantling/infrastructure/paths"
	"github.com/scantling/scantling/infrastructure/posture"
	"github.com/scantling/scantling/model"
	"github.com/scantling/scantling/registry/advisory"
	"github.com/scantling/scantling/registry/image"
	"github.com/scantling/scantling/registry/vex"
	"github.com/scantling/scantling/report"
	"github.com/scantling/scantling/risk"
	"github.com/scantling/scantling/rule"
	"github.com/scantling/scantling/runtime/ingest"
	"github.com/scantling/scantling/store"
)

// reader reads one estate, stage by stage.
type reader struct {
	app      *app
	dir      string
	config   *config.Config
	found    found
	rules    *rule.Catalogue
	asOf     time.Time
	feeds    string // --advisories
	readings []model.Reading
	attacks  []estate.Attack
	clusters []readCluster
	missed   []model.Incomplete // of no stage
	noLogs   bool               // the runtime stage is left out

	joined *estate.Estate // what came of it
	ranked *risk.Assessment
	doc    report.Assessment
}

// read does all the reading and joins it. The order of stages is that of a
// container's life, but for the runtime, whose rights in use are needed last.
func (r *reader) read(ctx context.Context) (*estate.Estate, error) {
	for _, stage := range []func(context.Context) error{r.build, r.registry, r.infrastructure, r.runtime} {
		if err := stage(ctx); err != nil {
			return nil, err
		}
		if err := ctx.Err(); err != nil {
			return nil, failed("reading %s: %w", r.dir, err)
		}
	}
	for _, n := range r.found.left.notes(r.config.Exclude) {
		r.app.say("note: %s", n)
	}
	if err := r.anything(); err != nil {
		return nil, err
	}
	attack, err := estate.Merge(r.attacks)
	if err != nil {
		return nil, failed("joining the clusters: %w", err)
	}
	e := estate.Join(r.joinConfig(), attack, r.readings...)
	e.Miss(append(r.found.incomplete, r.missed...)...)
	for _, n := range e.Suppress(r.exceptions(), r.asOf) {
		r.app.say("note: %s", n)
	}
	return e, nil
}

// anything fails when there is nothing to assess at all.
func (r *reader) anything() error {
	for _, reading := range r.readings {
		if reading.Read > 0 || len(reading.Incomplete) > 0 {
			return nil
		}
	}
	f := r.found
	if len(f.dockerfiles)+len(f.images)+len(f.sboms)+len(f.manifests)+len(f.logs)+len(f.incomplete) > 0 {
		return nil
	}
	if len(r.missed) > 0 {
		return failed("%s: nothing to assess: %s: %s", r.dir, r.missed[0].What, r.missed[0].Why)
	}
	return failed("%s: nothing to assess: no Dockerfile, image, SBOM, Kubernetes manifest or audit log was found; scantling demo shows what comes of one", r.dir)
}

func (r *reader) joinConfig() estate.Config {
	cfg := estate.Config{Name: r.config.Estate, Sources: map[string]string{}}
	for _, i := range r.config.Images {
		cfg.Sources[i.Name] = filepath.Join(r.dir, i.Dockerfile)
	}
	return cfg
}

// exceptions are the accept entries and the disabled rules.
func (r *reader) exceptions() []model.Exception {
	out := r.config.Exceptions()
	for _, d := range r.config.Rules.Disable {
		out = append(out, model.Exception{Rule: d.ID, Reason: d.Reason, Owner: d.Owner, Expires: d.Expires})
	}
	return out
}

// below joins paths of the estate file with the folder.
func (r *reader) below(paths []string) []string {
	out := make([]string, len(paths))
	for i, p := range paths {
		out[i] = filepath.Join(r.dir, p)
	}
	return out
}

func (r *reader) build(ctx context.Context) error {
	files := r.found.dockerfiles
	if len(r.config.Build.Paths) > 0 {
		roots := r.below(r.config.Build.Paths)
		for _, root := range roots {
			if len(under(files, []string{root})) == 0 {
				r.missed = append(r.missed, model.Incomplete{What: root, Why: "named in build.paths of " + config.FileName + ", but no Dockerfile is there"})
			}
		}
		files = under(files, roots)
	}
	judge, errs := lint.Compile(r.rules, lint.Config{
		AllowBases: r.config.Build.BaseImages.Allow, AllowSources: r.config.Build.Sources.Allow,
		RequiredLabels: r.config.Build.Labels.Required, Now: r.asOf,
	})
	r.broken(errs)
	bar := r.app.progress("build", len(files))
	var parsed []*dockerfile.File
	for _, name := range files {
		f, err := dockerfile.Read(ctx, name, nil)
		if f != nil { // what is broken inside is in its problems
			parsed = append(parsed, f)
		} else {
			r.miss(name, err)
		}
		bar.step()
	}
	reading := judge.Reading(parsed)
	if len(files) > 0 {
		reading.Facts = append(reading.Facts, r.schema())
	}
	bar.end("%d Dockerfiles, %d findings", len(parsed), len(reading.Findings))
	r.readings = append(r.readings, reading)
	return nil
}

// schema is the ladder's evidence that labels are governed.
func (r *reader) schema() model.Fact {
	f := model.Fact{
		Kind: model.Meets, Asset: model.Ref{Kind: model.Cluster, Key: r.config.Estate}, Value: "labels.schema",
		P: 1, Origin: model.User, Source: config.FileName,
	}
	if len(r.config.Build.Labels.Required) == 0 {
		f.Kind = model.Lacks
		f.Evidence = []model.Evidence{{What: "build.labels.required of " + config.FileName + " names no label"}}
	}
	return f
}

// under keeps the paths that are one of the roots or below one.
func under(paths, roots []string) []string {
	return slices.DeleteFunc(slices.Clone(paths), func(p string) bool {
		return !slices.ContainsFunc(roots, func(root string) bool {
			rel, err := filepath.Rel(root, p)
			return err == nil && filepath.IsLocal(rel)
		})
	})
}

// broken reports rules that don't compile: the others run.
func (r *reader) broken(errs []error) {
	for _, err := range errs {
		r.missed = append(r.missed, r.app.broken(err))
	}
}

func (r *reader) miss(what string, err error) {
	r.missed = append(r.missed, model.Incomplete{What: what, Why: cause(err)})
}

func (r *reader) registry(ctx context.Context) error {
	images, incomplete, err := openImages(ctx, r.found.images)
	if err != nil {
		return err
	}
	r.missed = append(r.missed, incomplete...)
	bar := r.app.progress("registry", layersOf(images))
	var invs []*image.Inventory
	var data *store.Store
	if len(images) > 0 {
		if data = r.app.layersKept(ctx); data != nil {
			defer data.Close()
		}
	}
	reader := r.app.imageReader(bar.step, data)
	for _, img := range images {
		inv, err := reader.Inventory(ctx, img)
		if err != nil {
			return failed("reading image %s: %w", img.Name(), err)
		}
		invs = append(invs, inv)
	}
	bills, incomplete := readSBOMs(r.found.sboms, invs)
	invs = append(invs, bills...)
	r.missed = append(r.missed, incomplete...)
	db, err := r.advisories(ctx, invs)
	if err != nil {
		return err
	}
	judge, errs := advisory.Compile(r.rules)
	r.broken(errs)
	said, err := r.statements(ctx)
	if err != nil {
		return err
	}
	reading := judge.Reading(invs, db, advisory.Config{RequiredLabels: r.config.Build.Labels.Required, Now: r.asOf, VEX: said})
	missed, err := r.app.enrich(ctx, "", r.advisoriesDir(), reading.Weaknesses)
	if err != nil {
		return err
	}
	r.missed = append(r.missed, missed...)
	reading.Weaknesses = counted(reading.Weaknesses) // what is not affected is no way in; its finding stays
	bar.end("%d images, %d matches", len(invs), len(reading.Weaknesses))
	r.readings = append(r.readings, reading)
	return nil
}

// advisories loads the feeds that the inventories need. Without a folder of
// them every image is unknown.
func (r *reader) advisories(ctx context.Context, invs []*image.Inventory) (*advisory.DB, error) {
	db, incomplete, err := r.app.loadAdvisories(ctx, r.advisoriesDir(), invs)
	r.missed = append(r.missed, incomplete...)
	return db, err
}

// advisoriesDir is the folder of advisories: the one of the switch, of the
// estate file, or the one that was found.
func (r *reader) advisoriesDir() string {
	if r.feeds == "" && r.config.Advisories != "" {
		return filepath.Join(r.dir, r.config.Advisories)
	}
	return cmp.Or(r.feeds, r.found.advisories)
}

// statements reads the VEX documents that the estate file names.
func (r *reader) statements(ctx context.Context) (*vex.Set, error) {
	if len(r.config.VEX) == 0 {
		return nil, nil
	}
	set, missed, err := vex.Read(ctx, r.below(r.config.VEX)...)
	if err != nil {
		return nil, failed("%w", err)
	}
	r.missed = append(r.missed, missed...)
	return set, nil
}

func (r *reader) infrastructure(ctx context.Context) error {
	clusters := r.config.Clusters
	if len(clusters) == 0 {
		clusters = []config.Cluster{{Name: config.DefaultCluster}}
	}
	judge, errs := posture.Compile(r.rules)
	r.broken(errs)
	for _, c := range clusters {
		if c.Context != "" && len(c.Manifests) == 0 {
			err := r.cluster(c.Name, judge, func() (*kube.Snapshot, error) {
				return r.app.live(ctx, c.Name, kube.Access{Context: c.Context})
			})
			if err != nil {
				return err
			}
			continue
		}
		files := r.manifestsOf(c)
		if len(files) == 0 {
			r.readings = append(r.readings, model.Reading{Stage: model.Infrastructure, Why: "no Kubernetes manifest was found"})
			continue
		}
		err := r.cluster(c.Name, judge, func() (*kube.Snapshot, error) {
			s, err := r.app.manifests(r.dir).Read(ctx, c.Name, files)
			if err == nil && len(c.Manifests) > 0 && len(s.Objects)+len(s.Incomplete) == 0 {
				err = errors.New("no Kubernetes object was found in the manifests that " + config.FileName + " names")
			}
			return s, err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// cluster reads and judges one cluster.
func (r *reader) cluster(name string, judge *posture.Judge, read func() (*kube.Snapshot, error)) error {
	bar := r.app.progress("infrastructure", 4)
	s, err := read()
	if err != nil {
		r.miss("cluster "+name, err)
		return nil
	}
	r.app.tellOrigin(s)
	r.readings = append(r.readings, model.Reading{Stage: model.Infrastructure, Read: len(s.Objects), Incomplete: s.Incomplete})
	bar.step()
	reading := judge.Judge(s)
	reading.Read = 0 // the same objects
	bar.step()
	net := network.Build(s)
	id := identity.Build(s)
	bar.step()
	m, err := paths.Build(s, net, id)
	if err != nil {
		return failed("building the attack graph of cluster %s: %w", name, err)
	}
	r.readings = append(r.readings, reading, net.Reading(), id.Reading(), m.Reading())
	r.attacks = append(r.attacks, attackOf(m))
	r.clusters = append(r.clusters, readCluster{s, m})
	bar.end("cluster %s: %d objects, %d workloads, %d findings", name, len(s.Objects), len(s.Workloads), len(reading.Findings))
	return nil
}

// attackOf hands the attack graph over with its names.
func attackOf(m *paths.Model) estate.Attack {
	return estate.Attack{Graph: m.Graph(), Vertices: m.Vertices(), Facts: m.Facts(), Step: m.Step}
}

func (r *reader) runtime(ctx context.Context) error {
	if r.noLogs {
		return nil
	}
	logs := r.logs()
	d, err := r.app.detector(r.rules)
	if err != nil {
		return err
	}
	r.missed = append(r.missed, d.broken...)
	bar := r.app.progress("runtime", 2*len(logs))
	reading, err := d.reading(ctx, r.config.LogCluster(), logs, bar)
	if err != nil {
		return err
	}
	bar.end("%d events, %d alerts", reading.Read, len(reading.Alerts))
	r.readings = append(r.readings, reading, d.coverage(r.techniques(), reading))
	return nil
}

// logs are those that the estate file names with their kind, else the audit
// logs and the others that were found.
func (r *reader) logs() []config.Log {
	var out []config.Log
	if len(r.config.Logs) == 0 {
		for _, name := range slices.Concat(r.found.logs, r.found.otherLogs) {
			out = append(out, config.Log{Path: name})
		}
		return out
	}
	for _, l := range r.config.Logs {
		name := filepath.Join(r.dir, l.Path)
		if !slices.Contains(ingest.Kinds(), l.Kind) {
			r.missed = append(r.missed, model.Incomplete{What: name, Why: fmt.Sprintf("no kind of log is named %q: the kinds are %s", l.Kind, strings.Join(ingest.Kinds(), ", "))})
			continue
		}
		if info, err := os.Stat(name); err == nil && !info.Mode().IsRegular() { // to open a pipe might never end
			r.missed = append(r.missed, model.Incomplete{What: name, Why: "a log that is no regular file: not read"})
			continue
		}
		if l.Kind == ingest.Kind {
			l.Kind = "" // it may stand in the records of a cloud, which the first one tells
		}
		out = append(out, config.Log{Kind: l.Kind, Path: name})
	}
	return out
}

// techniques are those that the attack graphs use, sorted.
func (r *reader) techniques() []string {
	var out []string
	for _, a := range r.attacks {
		for _, f := range a.Facts {
			if f.Attack != "" {
				out = append(out, f.Attack)
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// settings are the user's decisions for the ranking.
func (r *reader) settings() risk.Settings {
	s := risk.Settings{Accept: r.config.Exceptions(), AsOf: r.asOf}
	for _, j := range r.config.Jewels {
		s.Jewels = append(s.Jewels, risk.Jewel{Name: j.Name, Match: j.Match.Ref(r.config.LogCluster()), Value: j.Value})
	}
	if r.config.Risk.Line != nil {
		line := risk.FromFloat(*r.config.Risk.Line)
		s.Line = &line
	}
	return s
}
