//go:build !scanner

package cli

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/rogpeppe/go-internal/diff"
	"github.com/spf13/cobra"

	"github.com/scantling/scantling/infrastructure/amend"
	"github.com/scantling/scantling/infrastructure/kube"
	"github.com/scantling/scantling/infrastructure/paths"
	"github.com/scantling/scantling/model"
	"github.com/scantling/scantling/report"
	"github.com/scantling/scantling/splice"
)

// readCluster is one cluster that was read, with its attack graph.
type readCluster struct {
	snapshot *kube.Snapshot
	model    *paths.Model
}

func (a *app) doCommand() *cobra.Command {
	var flags estateFlags
	var dry bool
	cmd := &cobra.Command{
		Use:     "do N|ID [DIR]",
		Short:   "Carry out one action of the plan in the estate's files",
		Long:    "Do carries out an action where it is a change of manifests in the folder: a privilege that\ngoes, an identity of its own, policies that are added, a binding that is deleted. It edits\nthose files and reads the estate again. --dry-run prints the change and makes none. It\nnever talks to a cluster: for objects without a file it prints the command. For other\nactions it says what a person has to do, and ends with exit code 1.",
		Example: "  scantling do split-identity-808e218a examples/shop --dry-run\n  scantling do delete-binding-8626aae2 . --data ~/.local/share/scantling",
		Args:    cobra.RangeArgs(1, 2),
		RunE: a.checked(func(ctx context.Context, args []string) error {
			return a.do(ctx, args[0], folder(args[1:]), flags, dry)
		}),
		ValidArgsFunction: a.completeSteps,
	}
	flags.addInputs(cmd)
	cmd.Flags().BoolVar(&dry, "dry-run", false, "print what would change, and change nothing")
	return cmd
}

// edit is one file of the estate before and after.
type edit struct {
	name     string // below the estate's folder
	file     string // as it was read
	old, new []byte // new is nil where no document is left
}

func (a *app) do(ctx context.Context, which, dir string, flags estateFlags, dry bool) error {
	r, err := a.read(ctx, dir, flags)
	if err != nil {
		return err
	}
	n, err := stepOf(r.ranked, which)
	if err != nil {
		return err
	}
	doc := report.Do{
		Schema: report.Schema, Tool: a.tool(), Step: r.doc.Plan[n-1], DryRun: dry,
		Files: []report.FileChange{}, Commands: []report.Command{}, ByHand: []string{}, Undo: []string{},
		Load: report.DoLoad{Before: r.doc.Load, Expected: r.ranked.Alone(n)}, Incomplete: r.doc.Incomplete,
	}
	a.code = exitFailed // until it is done, or shown to be possible
	action := r.patched(r.ranked.Plan[n-1].Action)
	if !slices.Contains(amend.Types, action.Type) {
		doc.ByHand = r.byHand(action)
		return a.show(doc, doc.Text)
	}
	edits, err := r.edits(ctx, action, &doc)
	if err != nil {
		return err
	}
	switch {
	case dry:
		a.code = exitClean
		return a.show(doc, doc.Text)
	case len(edits) == 0:
		doc.ByHand = append(doc.ByHand, "apply it yourself: no file of this estate holds what has to change")
		return a.show(doc, doc.Text)
	}
	if err := a.carryOut(ctx, r, edits, &doc); err != nil {
		return err
	}
	again, err := a.read(ctx, dir, flags)
	if err != nil {
		return err
	}
	a.code = exitClean
	if doc.Load.After = again.doc.Load; doc.Load.Missed() {
		a.code = exitFailed
	}
	doc.Incomplete = again.doc.Incomplete
	return a.show(doc, doc.Text)
}

// patched is an action with its change as text also where only the cluster's
// model can word it.
func (r *reader) patched(action model.Action) model.Action {
	if action.Type != model.SplitIdentity || len(action.Assets) == 0 {
		return action
	}
	for _, c := range r.clusters {
		if text := c.model.SplitPatch(action.Assets[0]); text != "" {
			action.Patch = text
		}
	}
	return action
}

// snapshotOf is the cluster in which an action's first asset lives.
func (r *reader) snapshotOf(action model.Action) *kube.Snapshot {
	for _, c := range r.clusters {
		if len(action.Assets) > 0 && strings.HasPrefix(action.Assets[0].Key, c.snapshot.Cluster+"/") {
			return c.snapshot
		}
	}
	return nil
}

// edits works out the new text of each file that an action touches, and tells
// the report. There are none where a part of the action has no file: half an
// action is worse than none.
func (r *reader) edits(ctx context.Context, action model.Action, doc *report.Do) ([]edit, error) {
	snapshot := r.snapshotOf(action)
	if snapshot == nil {
		return nil, failed("the cluster of action %s was not read", action.ID)
	}
	changes, err := amend.Plan(snapshot, action)
	if err != nil {
		return nil, failed("%w", err)
	}
	amend.Order(changes)
	root, err := os.OpenRoot(r.dir)
	if err != nil {
		return nil, failed("reading %s: %s", r.dir, cause(err))
	}
	defer root.Close()
	var edits []edit
	for i := range changes {
		c := &changes[i]
		if c.File == "" || r.outside(c) {
			doc.Commands = append(doc.Commands, report.Command{Object: c.String(), Run: c.Command, Input: c.Text, Why: c.Why})
			continue
		}
		if edits, err = r.apply(ctx, root, edits, c); err != nil {
			return nil, err
		}
	}
	if len(doc.Commands) > 0 {
		for i := range changes { // all of it, then
			if c := &changes[i]; c.Why == "" {
				doc.Commands = append(doc.Commands, report.Command{Object: c.String(), Run: c.Command, Input: c.Text})
			}
		}
		return nil, nil
	}
	for _, e := range edits {
		doc.Files = append(doc.Files, report.FileChange{File: e.file, Removed: e.new == nil, Diff: e.difference()})
	}
	doc.ByHand = append(doc.ByHand, rollout(action, changes)...)
	return edits, nil
}

// outside says why a file is none that may be edited: one that lies outside of
// the estate's folder.
func (r *reader) outside(c *amend.Change) bool {
	if rel, err := filepath.Rel(r.dir, c.File); err != nil || !filepath.IsLocal(rel) {
		c.Why = c.File + " lies outside of the estate"
		return true
	}
	return false
}

// apply makes one change in the text of its file.
func (r *reader) apply(ctx context.Context, root *os.Root, edits []edit, c *amend.Change) ([]edit, error) {
	at := slices.IndexFunc(edits, func(e edit) bool { return e.file == c.File })
	if at < 0 {
		name, _ := filepath.Rel(r.dir, c.File) // outside has looked at it
		text, _, err := readFile(root, name)
		if err != nil {
			return nil, failed("reading %s: %s", c.File, cause(err))
		}
		at, edits = len(edits), append(edits, edit{name: name, file: c.File, old: text, new: text})
	}
	text, err := c.Apply(ctx, edits[at].new)
	if err != nil {
		return nil, failed("%w\nnothing was changed; do it by hand: scantling why shows the patch", err)
	}
	if edits[at].new = text; len(splice.Split(text)) == 0 {
		if r.names(edits[at].name) {
			return nil, failed("%s would hold nothing more, and scantling.yaml names it: take out both by hand", c.File)
		}
		edits[at].new = nil
	}
	return edits, nil
}

// names reports whether the estate file names a manifest by itself.
func (r *reader) names(name string) bool {
	for _, c := range r.config.Clusters {
		if slices.ContainsFunc(c.Manifests, func(m string) bool { return filepath.Clean(m) == name }) {
			return true
		}
	}
	return false
}

// shown is the file's name in a patch: as it was read where patch takes that
// name, which must lie below the current folder, else below the estate's.
func (e *edit) shown() string {
	if filepath.IsLocal(e.file) {
		return e.file
	}
	return filepath.ToSlash(e.name)
}

// patchCommand is the call of patch that finds the files of the edits.
func (r *reader) patchCommand(e *edit, rest string) string {
	if filepath.IsLocal(e.file) {
		return "patch -p1 " + rest
	}
	return "patch -p1 -d " + r.dir + " " + rest
}

// difference is a unified difference without values of Secrets.
func (e *edit) difference() string {
	from, to := "a/"+e.shown(), "b/"+e.shown()
	if e.new == nil {
		to = "/dev/null"
	}
	return string(diff.Diff(from, splice.Mask(e.old), to, splice.Mask(e.new)))
}

// rollout is what an edit of files leaves to do in the cluster.
func rollout(action model.Action, changes []amend.Change) []string {
	if action.Type == model.DeleteBinding {
		return []string{"roll it out: " + changes[0].Command + " (an apply of the files deletes nothing)"}
	}
	out := []string{"roll it out as you roll out these files, with kubectl apply or your pipeline"}
	switch action.Type {
	case model.AddPolicy:
		out = append(out, "callers from other namespaces that are needed take a rule of their own; the ingress controller's namespace is admitted where an Ingress leads, and the plan counts it only once it is")
	case model.SplitIdentity:
		out = append(out, "the new ServiceAccount has no rights: give it those of the old ones that the workload uses")
	}
	return out
}

// carryOut writes all files, or none.
func (a *app) carryOut(ctx context.Context, r *reader, edits []edit, doc *report.Do) error {
	if err := ctx.Err(); err != nil {
		return failed("editing %s: %w", r.dir, err)
	}
	root, err := os.OpenRoot(r.dir)
	if err != nil {
		return failed("editing %s: %s", r.dir, cause(err))
	}
	defer root.Close()
	if a.data != "" {
		if err := r.keepWayBack(a.data, edits, doc); err != nil {
			return err
		}
	}
	for i, e := range edits {
		err := replaceFile(root, e.name, e.old, e.new)
		if err == nil {
			continue
		}
		for _, back := range edits[:i] {
			if err := replaceFile(root, back.name, back.new, back.old); err != nil {
				fmt.Fprintf(a.Err, "error: %s\n", report.Clean("putting "+back.file+" back: "+cause(err)))
			}
		}
		return failed("editing %s: %s", e.file, cause(err))
	}
	doc.Done = true
	for _, e := range edits {
		doc.Undo = append(doc.Undo, "git checkout -- "+e.file+" (where it was committed), or the difference above backwards: "+r.patchCommand(&e, "-R"))
		a.say("changed: %s", e.file)
	}
	return nil
}

// keepWayBack writes a patch that undoes the edits into a folder. It holds
// the files' real lines, so only its owner may read it.
func (r *reader) keepWayBack(data string, edits []edit, doc *report.Do) error {
	if err := os.MkdirAll(data, 0o700); err != nil {
		return failed("making %s: %s", data, cause(err))
	}
	root, err := os.OpenRoot(data)
	if err != nil {
		return failed("opening %s: %s", data, cause(err))
	}
	defer root.Close()
	var patch []byte
	for _, e := range edits {
		from := "a/" + e.shown()
		if e.new == nil {
			from = "/dev/null"
		}
		patch = append(patch, diff.Diff(from, e.new, "b/"+e.shown(), e.old)...)
	}
	name := "undo-" + doc.Step.Action.ID + ".patch"
	if err := writeFile(root, name, patch, 0o600); err != nil {
		return failed("writing %s: %s", filepath.Join(data, name), cause(err))
	}
	doc.Undo = append(doc.Undo, r.patchCommand(&edits[0], "< "+filepath.Join(data, name)))
	return nil
}

// byHand says what a person has to do for an action that no edit of files
// carries out.
func (r *reader) byHand(action model.Action) []string {
	var out []string
	switch action.Type {
	case model.UpgradeComponent:
		out = append(out, "put the change into "+r.sourceOf(action)+":", "    "+strings.TrimSpace(action.Patch), "rebuild the image, roll it out, and assess again: what an image holds is seen only in the image")
		if action.Patch == "" {
			out = slices.Delete(out, 1, 2)
		}
	case model.RebuildBase:
		out = append(out, "rebuild the image from "+r.sourceOf(action)+" on a fresh build of its base, and roll it out")
	case model.EnableLog:
		out = append(out, "turn the log on where it is written, and name it under logs: in scantling.yaml; scantling why shows the change")
	case model.AddRule, model.TestRule:
		out = append(out, "write the rule with its cases into a folder of yours, and name it under rules.dirs in scantling.yaml; scantling rules test runs them")
	case model.TestPlaybook:
		out = append(out, "practise it with the people who would do it")
	case model.RetireImage:
		out = append(out, "delete the image from its registry, once nothing outside of this estate pulls it")
	default:
		out = append(out, "scantling why shows what is known about this change")
	}
	return out
}

// sourceOf names the Dockerfile of an action's image, where it is known.
func (r *reader) sourceOf(action model.Action) string {
	for _, f := range r.joined.FactsOf(model.BuiltBy) {
		if slices.Contains(action.Assets, f.Asset) {
			return f.Object.Key
		}
	}
	return "the image's Dockerfile"
}
