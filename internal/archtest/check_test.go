package archtest

import (
	"cmp"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
)

// problem is a breach of the table, at its place.
type problem struct {
	file string
	line int
	text string
}

func (p problem) String() string { return fmt.Sprintf("%s:%d: %s", p.file, p.line, p.text) }

// checker goes over a tree of source files.
type checker struct {
	module   string // import path of the root
	tree     fs.FS
	files    []string // every file of the module, sorted
	problems []problem
}

// check lists all problems of the module in the tree, in the order of places.
func check(tree fs.FS) ([]problem, error) {
	mod, err := fs.ReadFile(tree, "go.mod")
	if err != nil {
		return nil, fmt.Errorf("reading the module: %w", err)
	}
	first, _, _ := strings.Cut(string(mod), "\n")
	c := &checker{module: strings.TrimSpace(strings.TrimPrefix(first, "module ")), tree: tree}
	if err := fs.WalkDir(tree, ".", c.visit); err != nil {
		return nil, fmt.Errorf("reading the module: %w", err)
	}
	for _, file := range c.files {
		switch {
		case path.Ext(file) == ".go":
			if err := c.source(file); err != nil {
				return nil, err
			}
		case path.Base(file) == ".gitignore":
			if err := c.ignore(file); err != nil {
				return nil, err
			}
		}
	}
	slices.SortFunc(c.problems, func(a, b problem) int {
		return cmp.Or(cmp.Compare(a.file, b.file), cmp.Compare(a.line, b.line), cmp.Compare(a.text, b.text))
	})
	return slices.Compact(c.problems), nil
}

// visit collects files and leaves out folders that are not the module's source.
func (c *checker) visit(name string, d fs.DirEntry, err error) error {
	if err != nil || name == "." {
		return err
	}
	if !d.IsDir() {
		c.files = append(c.files, name)
		return nil
	}
	base := path.Base(name)
	if base == "testdata" || base == "node_modules" || base[0] == '.' || base[0] == '_' {
		return fs.SkipDir
	}
	if _, err := fs.Stat(c.tree, path.Join(name, "go.mod")); err == nil {
		return fs.SkipDir
	}
	return nil
}

func (c *checker) report(file string, line int, format string, args ...any) {
	c.problems = append(c.problems, problem{file, line, fmt.Sprintf(format, args...)})
}

// source checks one Go file.
func (c *checker) source(name string) error {
	text, err := fs.ReadFile(c.tree, name)
	if err != nil {
		return fmt.Errorf("reading %s: %w", name, err)
	}
	set := token.NewFileSet()
	file, err := parser.ParseFile(set, name, text, parser.SkipObjectResolution)
	if err != nil {
		return fmt.Errorf("parsing %s: %w", name, err)
	}
	line := func(n ast.Node) int { return set.Position(n.Pos()).Line }
	pkg, test := path.Dir(name), strings.HasSuffix(name, "_test.go")
	if slices.Contains(stageFolders, pkg) {
		c.report(name, 1, "%s is a stage folder and holds packages, no Go files", pkg)
		return nil
	}
	for _, word := range []string{file.Name.Name, path.Base(pkg)} {
		if slices.Contains(strings.Fields(junk), word) {
			c.report(name, line(file.Name), "%q says nothing: name a package after what it provides", word)
		}
	}
	own, ok := layerOf(pkg)
	if !ok {
		c.report(name, line(file.Name), "package %s is in no layer: add it to the table", pkg)
	}
	external := test && strings.HasSuffix(file.Name.Name, "_test")
	for _, spec := range file.Imports {
		to, _ := strconv.Unquote(spec.Path.Value)
		first, _, _ := strings.Cut(to, "/")
		target, inside := strings.CutPrefix(to+"/", c.module+"/")
		target = strings.TrimSuffix(target, "/")
		switch {
		case inside && ok && target != pkg && !mayImport(own, target, test, external):
			c.report(name, line(spec), "%s may not import %s", pkg, target)
		case !inside && strings.Contains(first, "."):
			c.thirdParty(name, line(spec), pkg, to, test)
		}
	}
	for _, decl := range file.Decls {
		if f, ok := decl.(*ast.FuncDecl); ok && f.Recv == nil && f.Name.Name == "init" && !test {
			c.report(name, line(f), "init() runs behind the reader's back: call it by name")
		}
	}
	return nil
}

// layerOf finds the first layer that matches a package.
func layerOf(pkg string) (layer, bool) {
	i := slices.IndexFunc(layers, func(l layer) bool { return matches(l.pkg, pkg) })
	if i < 0 {
		return layer{}, false
	}
	return layers[i], true
}

// mayImport says whether a file of a package in layer l may import the target.
func mayImport(l layer, target string, test, external bool) bool {
	switch {
	case anyMatches(l.may, target):
		return true
	case external && l.pkg != "internal/archtest":
		return !anyMatches(aboveTests, target)
	case test:
		return anyMatches(forTests, target)
	}
	return false
}

// thirdParty checks an import against the cages.
func (c *checker) thirdParty(name string, line int, pkg, to string, test bool) {
	var best cage
	for _, k := range cages {
		if (to == k.path || strings.HasPrefix(to, k.path+"/")) && len(k.path) > len(best.path) {
			best = k
		}
	}
	switch {
	case best.path == "":
		c.report(name, line, "no cage names %s: add it to the table with a reason", to)
	case anyMatches(best.only, pkg) || test && anyMatches(best.tests, pkg):
	case best.only == "":
		c.report(name, line, "%s is for tests", to)
	default:
		c.report(name, line, "%s belongs in %s", to, strings.Join(strings.Fields(best.only), ", "))
	}
}

// ignore checks that no line of a .gitignore hides anything of the stage
// build, as lines for build outputs do. Lines that show again what an earlier
// one hid are not taken into account.
func (c *checker) ignore(name string) error {
	text, err := fs.ReadFile(c.tree, name)
	if err != nil {
		return fmt.Errorf("reading %s: %w", name, err)
	}
	at := 0
	for row := range strings.Lines(string(text)) {
		at++
		row = strings.TrimRight(row, " \t\r\n")
		if row == "" || row[0] == '#' || row[0] == '!' {
			continue
		}
		for _, file := range c.files {
			if strings.HasPrefix(file, "build/") && hides(row, path.Dir(name), file) {
				c.report(name, at, "%s hides %s", row, file)
				break
			}
		}
	}
	return nil
}

// hides says whether a line of the .gitignore in the folder hides the file or
// a folder above it. A line with a slash before its end is bound to the
// folder; others match at any depth.
func hides(row, folder, file string) bool {
	rest, ok := file, true
	if folder != "." {
		rest, ok = strings.CutPrefix(file, folder+"/")
	}
	row, foldersOnly := strings.CutSuffix(row, "/")
	bound := strings.Contains(row, "/")
	row = strings.TrimPrefix(row, "/")
	if after, found := strings.CutPrefix(row, "**/"); found {
		row, bound = after, false
	}
	row = strings.TrimSuffix(row, "/**")
	parts := strings.Split(rest, "/")
	for end := 1; ok && end <= len(parts); end++ {
		if foldersOnly && end == len(parts) {
			break
		}
		for start := range end {
			if start > 0 && bound {
				break
			}
			if hit, err := path.Match(row, strings.Join(parts[start:end], "/")); err == nil && hit {
				return true
			}
		}
	}
	return false
}

// anyMatches says whether one of the patterns, separated by spaces, matches the package.
func anyMatches(patterns, pkg string) bool {
	return slices.ContainsFunc(strings.Fields(patterns), func(p string) bool { return matches(p, pkg) })
}

func matches(pattern, pkg string) bool {
	if pattern == everywhere {
		return true
	}
	below, ok := strings.CutSuffix(pattern, "/...")
	return pkg == below || ok && strings.HasPrefix(pkg, below+"/")
}
