package advisory

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/scantling/scantling/model"
	"github.com/scantling/scantling/registry/image"
)

// baseName is the label in which builders keep the reference of the base
// (image-spec, annotations.md).
const baseName = "org.opencontainers.image.base.name"

// plan lists the actions for one image: an upgrade for each component that has
// a fix, and a rebuild on a fresh base where the base brought such components.
func plan(inv *image.Inventory, m *matching, all []*image.Inventory) []model.Action {
	groups := map[string][]match{}
	for _, one := range m.found {
		if one.weakness.Fixable() {
			w := one.weakness
			groups[w.Ecosystem+" "+w.Package+" "+w.Version] = append(groups[w.Ecosystem+" "+w.Package+" "+w.Version], one)
		}
	}
	var out []model.Action
	for _, name := range sortedKeys(groups) {
		out = append(out, upgrades(inv, groups[name])...)
	}
	if a, ok := rebuild(inv, m, all); ok {
		out = append(out, a)
	}
	return out
}

// upgrades plans one component of one version: the lowest version that removes
// all its weaknesses, which is one action. Where no single version does, the
// one that removes most comes first and the rest gets its own.
func upgrades(inv *image.Inventory, left []match) []model.Action {
	var out []model.Action
	for len(left) > 0 {
		to, gone, rest := bestVersion(left)
		if len(gone) == 0 {
			return out // each weakness has a fix of its own, so this can't be
		}
		out = append(out, upgrade(inv, to, gone))
		left = rest
	}
	return out
}

// bestVersion picks, of all fixed versions, the one that clears most of the
// weaknesses, the lowest among equals.
func bestVersion(list []match) (to string, gone, rest []match) {
	var entries []*Affected
	var mended []*mending
	for i := range list {
		entries = append(entries, list[i].entries...)
		mended = append(mended, newMending(&list[i]))
	}
	for _, candidate := range fixes(entries, list[0].weakness.Version) {
		var cleared, kept []match
		target := newTarget(candidate)
		for i, one := range list {
			if mended[i].by(target) {
				cleared = append(cleared, one)
			} else {
				kept = append(kept, one)
			}
		}
		if len(cleared) > len(gone) {
			to, gone, rest = candidate, cleared, kept
		}
	}
	return to, gone, rest
}

func upgrade(inv *image.Inventory, to string, gone []match) model.Action {
	w := gone[0].weakness
	assets := []model.Ref{inv.Ref()}
	var names, removes []string
	for _, one := range gone {
		assets = append(assets, model.Ref{Kind: model.Component, Key: one.weakness.Component})
		names = append(names, one.pkg.Name)
		removes = append(removes, one.weakness.ID())
	}
	slices.SortFunc(assets, model.Ref.Compare)
	assets = slices.Compact(assets)
	removes = union(removes, nil)
	evidence := []model.Evidence{
		{What: "installed", Where: w.Path, Value: w.Package + " " + w.Version},
		{What: "brought by layer", Where: inv.Name, Value: w.Layer},
		{What: "removes", Where: w.Source, Value: advisories(gone)},
	}
	if sum := gone[0].pkg.SHA256; sum != "" {
		evidence = append(evidence, model.Evidence{What: "file", Where: w.Path, Value: "sha256:" + sum})
	}
	return model.Action{
		// The version is part of the identity: one component may need two.
		ID:       model.ActionID(model.UpgradeComponent, append(slices.Clone(assets), model.Ref{Kind: model.Component, Key: to})...),
		Type:     model.UpgradeComponent,
		Title:    fmt.Sprintf("upgrade %s %s → %s in %s", w.Package, w.Version, to, inv.Name),
		Assets:   assets,
		Removes:  removes,
		Patch:    upgradePatch(w.Ecosystem, w.Package, to, union(names, nil)),
		Evidence: evidence,
	}
}

// plainWord is what names and versions are made of. Those of advisories and
// images are foreign, and a line that is pasted must not end early.
var plainWord = regexp.MustCompile(`^[0-9A-Za-z@_][0-9A-Za-z@_./+:~^-]*$`)

// upgradePatch is the line that makes the change: of a Dockerfile for system
// packages, a command for those of languages. Maven has no command for it, and
// a name or version that a shell could take for more has none either.
func upgradePatch(ecosystem, name, to string, packages []string) string {
	if slices.ContainsFunc(append([]string{name, to}, packages...), func(word string) bool { return !plainWord.MatchString(word) }) {
		return ""
	}
	list := strings.Join(packages, " ")
	switch baseOf(ecosystem) {
	case "Debian", "Ubuntu":
		return "RUN apt-get update && apt-get install -y --only-upgrade " + list + " && rm -rf /var/lib/apt/lists/*"
	case "Alpine", "Wolfi", "Chainguard":
		return "RUN apk upgrade --no-cache " + list
	case "Go":
		if name == "stdlib" {
			return "go get go@" + to
		}
		return "go get " + name + "@v" + strings.TrimPrefix(to, "v")
	case "npm":
		return "npm install " + name + "@" + to
	case "PyPI":
		return "pip install '" + name + ">=" + to + "'"
	case "crates.io":
		return "cargo update -p " + name + " --precise " + to
	case "RubyGems":
		return "bundle update --conservative " + name
	case "Packagist":
		return "composer require --with-all-dependencies '" + name + ":^" + strings.TrimPrefix(to, "v") + "'"
	case "NuGet":
		if isFramework(name) {
			return ""
		}
		return "dotnet add package " + name + " --version " + to
	}
	return ""
}

// isFramework knows the packages that are .NET itself: a base image or an SDK
// brings them, and no program asks for them by name.
func isFramework(name string) bool {
	return strings.HasPrefix(name, "Microsoft.") && (strings.HasSuffix(name, ".App") || strings.Contains(name, ".App.Runtime."))
}

// advisories lists the ids, the first few by name.
func advisories(list []match) string {
	var ids []string
	for _, one := range list {
		ids = append(ids, one.weakness.Advisory)
	}
	ids = union(ids, nil)
	const shown = 8
	if len(ids) > shown {
		return strings.Join(ids[:shown], ", ") + fmt.Sprintf(" and %d more", len(ids)-shown)
	}
	return strings.Join(ids, ", ")
}

// rebuild plans a fresh base: it removes every weakness with a fix of the
// packages that the base's layers brought, taken that a rebuilt base has
// every released fix.
func rebuild(inv *image.Inventory, m *matching, all []*image.Inventory) (model.Action, bool) {
	b := base(inv, all)
	inBase := map[string]bool{}
	for _, l := range inv.Layers[:b.layers] {
		inBase[l.DiffID] = true
	}
	var gone []match
	var removes []string
	for _, one := range m.found {
		if one.weakness.Fixable() && inBase[one.weakness.Layer] {
			gone = append(gone, one)
			removes = append(removes, one.weakness.ID())
		}
	}
	if len(gone) == 0 {
		return model.Action{}, false
	}
	name := cmp.Or(inv.Config.Labels[baseName], "its base")
	return model.Action{
		ID:      model.ActionID(model.RebuildBase, inv.Ref()),
		Type:    model.RebuildBase,
		Title:   fmt.Sprintf("rebuild %s on a fresh build of %s", inv.Name, name),
		Assets:  []model.Ref{inv.Ref()},
		Removes: union(removes, nil),
		Evidence: []model.Evidence{
			{What: "base", Where: inv.Name, Value: fmt.Sprintf("%s of %d: %s", counted(b.layers, "layer"), len(inv.Layers), b.why)},
			{What: "removes", Where: gone[0].weakness.Source, Value: advisories(gone)},
		},
	}, true
}

// foundation is what is known of the base of an image.
type foundation struct {
	layers int    // the lowest ones, which it brought; 0: none is known
	name   string // of its image; "" where nothing names it
	why    string // how the layers were told
	guess  bool   // the number of layers is one
}

// base tells how many of the lowest layers the base image brought: those of
// another image of the estate on which this one stands; else what the build
// history says; else all layers, where a label names a base and there is but
// one, or the lowest, where there are more. An image of one layer without
// such a label has no base to rebuild.
func base(inv *image.Inventory, all []*image.Inventory) foundation {
	b := foundation{name: inv.Config.Labels[baseName]}
	for _, other := range all {
		if n := len(other.Layers); n > b.layers && n < len(inv.Layers) && isPrefix(other.Layers, inv.Layers) {
			b = foundation{layers: n, name: cmp.Or(inv.Config.Labels[baseName], other.Name), why: "they are the image " + other.Name}
		}
	}
	switch {
	case b.layers > 0:
	case inv.BaseLayers > 0:
		b.layers, b.why = inv.BaseLayers, "the build history ends the base there"
	case len(inv.Layers) > 1:
		b.layers, b.why, b.guess = 1, "the lowest layer is taken for the base", true
	case len(inv.Layers) == 1 && b.name != "":
		b.layers, b.why = 1, "its label names a base"
	}
	return b
}

func isPrefix(short, long []image.Layer) bool {
	for i := range short {
		if short[i].DiffID != long[i].DiffID {
			return false
		}
	}
	return true
}
