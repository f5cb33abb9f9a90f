package lint

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/scantling/scantling/build/dockerfile"
	"github.com/scantling/scantling/model"
	"github.com/scantling/scantling/rule"
)

// level says how firmly an installed package is tied to one content.
type level int

// The levels, least first.
const (
	unpinned level = iota
	byVersion
	byLock // a lock file, or a snapshot of the archive
	byHash
)

// install is one command that installs packages.
type install struct {
	tool     string // "apt-get install"
	at       model.Position
	stage    int
	loose    []string // packages at level unpinned
	unknown  string   // why some packages aren't known; empty where all are
	snapshot bool     // the archive is frozen: nothing is loose
}

// unpinnedPackages is the check of that name.
func unpinnedPackages(s *subject) []rule.Hit {
	var hits []rule.Hit
	frozen := s.snapshots()
	for _, in := range s.ledger.installs {
		if in.snapshot || frozen[in.stage] && systemTool[in.tool] {
			continue
		}
		switch {
		case len(in.loose) > 0:
			hits = append(hits, rule.Hit{
				Verdict: model.Fail, Position: in.at, Cause: in.tool + " " + strings.Join(in.loose, " "),
				Message:  fmt.Sprintf("%s takes whatever version is newest of %s", in.tool, enumerate(in.loose)),
				Evidence: []model.Evidence{{What: "packages without a version", Where: place(in.at), Value: enumerate(in.loose)}},
			})
		case in.unknown != "":
			hits = append(hits, rule.Hit{Verdict: model.Unknown, Position: in.at, Cause: in.tool, Message: "which packages are installed isn't known: " + in.unknown})
		}
	}
	return hits
}

// enumerate lists a few names.
func enumerate(names []string) string {
	const most = 8
	if len(names) > most {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
	}
	return strings.Join(names, ", ")
}

// systemTool are the tools that a snapshot of a distribution's archive pins.
var systemTool = map[string]bool{"apt install": true, "apt-get install": true, "aptitude install": true}

// snapshots tells the stages whose apt sources are a dated snapshot.
func (s *subject) snapshots() map[int]bool {
	out := map[int]bool{}
	for _, st := range s.file.Stages {
		if st.Base.Stage >= 0 && out[st.Base.Stage] {
			out[st.Index] = true
		}
		for _, in := range st.Instructions {
			text := in.Original
			for _, h := range in.Heredocs {
				text += h.Content
			}
			if strings.Contains(text, "snapshot.debian.org") || strings.Contains(text, "snapshot.ubuntu.com") {
				out[st.Index] = true
			}
		}
	}
	return out
}

// manager says how one package manager is called and how it names versions.
type manager struct {
	verbs  []string // of which one must be the first word that isn't a flag
	valued string   // short flags with a value
	long   map[string]bool
	level  func(pkg string) (level, bool) // false: not a package, as a path
	locked []string                       // flags that tie every package
}

var managers = map[string]manager{
	"apt":          {verbs: []string{"install"}, valued: "toca", long: aptLong, level: aptLevel, locked: []string{"--snapshot", "-S"}},
	"apt-get":      {verbs: []string{"install"}, valued: "toca", long: aptLong, level: aptLevel, locked: []string{"--snapshot", "-S"}},
	"aptitude":     {verbs: []string{"install"}, valued: "toq", long: aptLong, level: aptLevel},
	"apk":          {verbs: []string{"add"}, valued: "tXp", long: flagSet("--virtual --repository --root --keys-dir --repositories-file --arch --cache-dir --wait --timeout"), level: apkLevel},
	"yum":          {verbs: []string{"install", "reinstall"}, valued: "cxedR", long: rpmLong, level: rpmLevel},
	"dnf":          {verbs: []string{"install", "reinstall"}, valued: "cxedR", long: rpmLong, level: rpmLevel},
	"microdnf":     {verbs: []string{"install"}, valued: "cxedR", long: rpmLong, level: rpmLevel},
	"tdnf":         {verbs: []string{"install"}, valued: "cxed", long: rpmLong, level: rpmLevel},
	"zypper":       {verbs: []string{"install", "in"}, valued: "prtCc", long: flagSet("--repo --from --type --root --capability --name"), level: zypperLevel},
	"pip":          {verbs: []string{"install"}, valued: "rcetifdb", long: pipLong, level: pipLevel, locked: []string{"-r", "--requirement", "--require-hashes", "-c", "--constraint"}},
	"pipx":         {verbs: []string{"install"}, valued: "i", long: flagSet("--python --index-url --pip-args --suffix"), level: pipLevel},
	"npm":          {verbs: []string{"install", "i", "add"}, valued: "Cw", long: flagSet("--prefix --registry --tag --workspace --loglevel --cache --userconfig --omit --only --include"), level: npmLevel},
	"yarn":         {verbs: []string{"add", "global add"}, long: flagSet("--cwd --modules-folder --registry --network-timeout --cache-folder --prefix"), level: npmLevel},
	"pnpm":         {verbs: []string{"add", "install", "i"}, valued: "C", long: flagSet("--dir --filter --registry --store-dir"), level: npmLevel},
	"gem":          {verbs: []string{"install"}, valued: "vinPsBpj", long: flagSet("--version --install-dir --bindir --source --platform --http-proxy --clear-sources"), level: gemLevel, locked: []string{"-v", "--version", "-g", "--file"}},
	"go":           {verbs: []string{"install", "get"}, valued: "", long: flagSet("-tags -ldflags -gcflags -mod -o -p"), level: goLevel},
	"cargo":        {verbs: []string{"install"}, valued: "jFZ", long: flagSet("--version --vers --git --branch --tag --rev --path --root --registry --index --features --bin --profile --target --target-dir"), level: cargoLevel, locked: []string{"--version", "--vers", "--rev", "--tag", "--path"}},
	"conda":        {verbs: []string{"install"}, valued: "ncp", long: flagSet("--name --channel --prefix --file"), level: condaLevel, locked: []string{"--file"}},
	"composer":     {verbs: []string{"require", "global require"}, valued: "d", long: flagSet("--working-dir"), level: composerLevel},
	"uv":           {verbs: []string{"pip install", "tool install"}, valued: "rcpie", long: pipLong, level: pipLevel, locked: []string{"-r", "--requirement", "--require-hashes", "-c", "--constraint"}},
	"easy_install": {verbs: []string{""}, valued: "fid", long: flagSet("--index-url --find-links --install-dir"), level: pipLevel},
}

var (
	aptLong = flagSet("--target-release --option --config-file --host-architecture --default-release")
	rpmLong = flagSet("--config --exclude --enablerepo --disablerepo --repo --repoid --installroot --releasever --setopt --downloaddir --rpmverbosity --comment --advisory")
	pipLong = flagSet("--requirement --constraint --editable --target --index-url --extra-index-url --find-links --prefix --root --src --trusted-host " +
		"--cache-dir --timeout --retries --proxy --cert --client-cert --python --platform --python-version --implementation --abi --upgrade-strategy " +
		"--no-binary --only-binary --progress-bar --log --global-option --install-option --config-settings --use-feature --use-deprecated --python-platform --index")
)

// installed reads a command as an installation.
func installed(name string, args []dockerfile.Text, at model.Position, stage int) (install, bool) {
	name, args = pythonModule(name, args)
	m, ok := managers[name]
	if !ok {
		return install{}, false
	}
	f := parseFlags(args, m.valued, m.long)
	verb, packages, ok := splitVerb(f.rest, m.verbs)
	if !ok {
		return install{}, false
	}
	in := install{tool: strings.TrimSpace(name + " " + verb), at: at, stage: stage}
	for _, l := range m.locked {
		in.snapshot = in.snapshot || f.has(l)
	}
	for _, p := range packages {
		switch lv, isPackage := m.level(p.Value); {
		case !isPackage:
		case lv > unpinned:
		case !p.Known && strings.ContainsAny(p.Value, "$`"):
			if in.unknown == "" {
				in.unknown = p.Why
			}
		case strings.Contains(p.Value, "://"):
			in.loose = append(in.loose, safeURL(p.Value))
		default:
			in.loose = append(in.loose, p.Value)
		}
	}
	return in, true
}

// pythonModule reads python -m pip as pip, and pip3.11 as pip.
func pythonModule(name string, args []dockerfile.Text) (string, []dockerfile.Text) {
	if strings.HasPrefix(name, "python") && len(args) > 1 && args[0].Value == "-m" {
		name, args = args[1].Value, args[2:]
	}
	switch {
	case pipName.MatchString(name):
		name = "pip"
	case name == "mamba" || name == "micromamba":
		name = "conda"
	}
	return name, args
}

var pipName = regexp.MustCompile(`^pip[0-9.]*$`)

// splitVerb finds one of some verbs at the front of the words.
func splitVerb(words []dockerfile.Text, verbs []string) (string, []dockerfile.Text, bool) {
	for _, verb := range verbs {
		parts := strings.Fields(verb)
		if len(words) < len(parts) {
			continue
		}
		if slices.EqualFunc(words[:len(parts)], parts, func(w dockerfile.Text, p string) bool { return w.Value == p }) {
			return verb, words[len(parts):], true
		}
	}
	return "", nil, false
}

// isPath reports whether a word names a file instead of a package.
func isPath(p string) bool {
	return p == "" || p == "." || strings.HasPrefix(p, "./") || strings.HasPrefix(p, "../") || strings.HasPrefix(p, "/") || strings.HasPrefix(p, "~") ||
		strings.HasPrefix(p, "file:") || strings.HasPrefix(p, "$PWD") || strings.HasPrefix(p, ".[")
}

func hasSuffix(p string, list ...string) bool {
	return slices.ContainsFunc(list, func(s string) bool { return strings.HasSuffix(p, s) })
}

func pinnedIf(ok bool) level {
	if ok {
		return byVersion
	}
	return unpinned
}

func aptLevel(p string) (level, bool) {
	if isPath(p) || hasSuffix(p, ".deb", "-", "+") && !strings.HasSuffix(p, "++") {
		return unpinned, false
	}
	return pinnedIf(strings.Contains(p, "=")), true
}

func apkLevel(p string) (level, bool) {
	if isPath(p) || hasSuffix(p, ".apk") {
		return unpinned, false
	}
	return pinnedIf(strings.ContainsAny(p, "=~")), true
}

var rpmVersion = regexp.MustCompile(`-[0-9]+[0-9A-Za-z.+~^]*(-[0-9A-Za-z.]+)?$|-[0-9]*\$|-[0-9]+[0-9.]*\*`)

func rpmLevel(p string) (level, bool) {
	if isPath(p) || hasSuffix(p, ".rpm") || strings.Contains(p, "://") || strings.HasPrefix(p, "@") {
		return unpinned, false
	}
	return pinnedIf(rpmVersion.MatchString(p)), true
}

func zypperLevel(p string) (level, bool) {
	if lv, ok := rpmLevel(p); !ok || lv > unpinned {
		return lv, ok
	}
	return pinnedIf(strings.Contains(p, "=")), true
}

var fullCommit = regexp.MustCompile(`[@#=][0-9a-f]{40}\b`)

func pipLevel(p string) (level, bool) {
	switch {
	case isPath(p) || hasSuffix(p, ".whl", ".tar.gz", ".zip") && !strings.Contains(p, "://"):
		return unpinned, false
	case fullCommit.MatchString(p) || strings.Contains(p, "#sha256="):
		return byHash, true
	case strings.Contains(p, "://"):
		_, tail, _ := strings.Cut(p, "://")
		repo, _, _ := strings.Cut(tail, "#")
		_, after, _ := strings.Cut(repo, "/")
		return pinnedIf(strings.Contains(after, "@") || hasSuffix(repo, ".whl", ".tar.gz", ".zip")), true
	}
	return pinnedIf(strings.Contains(p, "==")), true
}

var npmVersion = regexp.MustCompile(`^[v=]?[0-9]+\.[0-9]+\.[0-9]+|\$`)

func npmLevel(p string) (level, bool) {
	if isPath(p) || hasSuffix(p, ".tgz") && !strings.Contains(p, "://") {
		return unpinned, false
	}
	if fullCommit.MatchString(p) {
		return byHash, true
	}
	if strings.Contains(p, "://") || strings.Contains(p, "/") && !strings.HasPrefix(p, "@") {
		return pinnedIf(strings.Contains(p, "#") || hasSuffix(p, ".tgz")), true
	}
	at := strings.LastIndex(p, "@")
	if at <= 0 {
		return unpinned, true
	}
	version := p[at+1:]
	if version == "latest" || version == "next" || version == "*" || version == "" {
		return unpinned, true
	}
	if npmVersion.MatchString(version) {
		return byVersion, true
	}
	// A major version such as @18 names a line of versions. It is chosen, so
	// it counts as a version here as it does for other tools.
	return pinnedIf(strings.ContainsAny(version, "0123456789")), true
}

func gemLevel(p string) (level, bool) {
	if isPath(p) || hasSuffix(p, ".gem") {
		return unpinned, false
	}
	return pinnedIf(strings.Contains(p, ":")), true
}

func goLevel(p string) (level, bool) {
	first, _, _ := strings.Cut(p, "/")
	if isPath(p) || !strings.Contains(first, ".") || strings.Contains(p, "...") && !strings.Contains(p, "@") && strings.HasPrefix(p, ".") {
		return unpinned, false
	}
	_, version, ok := strings.Cut(p, "@")
	return pinnedIf(ok && version != "latest" && version != "upgrade" && version != "patch" && version != "master" && version != "main"), true
}

func cargoLevel(p string) (level, bool) {
	if isPath(p) {
		return unpinned, false
	}
	return pinnedIf(strings.Contains(p, "@")), true
}

func condaLevel(p string) (level, bool) {
	if isPath(p) {
		return unpinned, false
	}
	return pinnedIf(strings.Contains(p, "=") && !strings.Contains(p, ">=") && !strings.Contains(p, "<=")), true
}

func composerLevel(p string) (level, bool) {
	if isPath(p) {
		return unpinned, false
	}
	return pinnedIf(strings.ContainsAny(p, ":=")), true
}
