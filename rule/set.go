package rule

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Set is a named choice of rules, sets/<name>.yaml in a folder of rules. It
// lists ids, so that a new rule joins it by an edit and never by an upgrade.
type Set struct {
	Name  string   `yaml:"-"`
	Title string   `yaml:"title"`
	Why   string   `yaml:"why"`
	Rules []string `yaml:"rules"`

	File string `yaml:"-"` // path as shown to users
}

// setFolder holds the named sets, beside the folders of the stages.
const setFolder = "sets"

// nameForm keeps names of sets apart from released sets and from ids.
var nameForm = regexp.MustCompile(`^[a-z][a-z0-9]*(-[a-z0-9]+)*$`)

// NamedSets returns the named sets, sorted by name.
func (c *Catalogue) NamedSets() []Set {
	out := slices.Clone(c.sets)
	slices.SortFunc(out, func(a, b Set) int { return strings.Compare(a.Name, b.Name) })
	return out
}

// set returns a named set; nil where there is none.
func (c *Catalogue) set(name string) *Set {
	for i := range c.sets {
		if c.sets[i].Name == name {
			return &c.sets[i]
		}
	}
	return nil
}

// sets reads the named sets of a folder of rules.
func (l *loader) sets() {
	entries, err := fs.ReadDir(l.fsys, setFolder)
	if err != nil {
		l.problem(setFolder, "reading sets: %v", err)
		return
	}
	for _, e := range entries {
		file := path.Join(setFolder, e.Name())
		name, isSet := strings.CutSuffix(e.Name(), ".yaml")
		switch {
		case e.Type()&fs.ModeSymlink != 0:
			l.problem(file, "a link: not followed")
		case e.IsDir() || !isSet:
		case !nameForm.MatchString(name) || name == AllRules:
			l.problem(file, "a set is named by small letters, digits and dashes, as cis-docker")
		default:
			l.oneSet(file, name)
		}
	}
}

func (l *loader) oneSet(file, name string) {
	data, err := l.read(file, maxRuleFile)
	if err != nil {
		l.problem(file, "reading the set: %v", err)
		return
	}
	s := Set{Name: name, File: path.Join(l.label, file)}
	dec := yaml.NewDecoder(bytes.NewReader(data))
	dec.KnownFields(true)
	if err := dec.Decode(&s); err != nil {
		l.problems = append(l.problems, yamlProblem(s.File, err))
		return
	}
	if err := s.check(); err != nil {
		l.problem(file, "%v", err)
		return
	}
	l.cat.sets = append(l.cat.sets, s)
}

// check wants what a set must have; that its rules exist is seen by Select,
// when the rules of all folders are there.
func (s Set) check() error {
	if s.Title == "" || s.Why == "" || len(s.Rules) == 0 {
		return errors.New("a set has a title, a why, and rules: a list of ids")
	}
	for i, id := range s.Rules {
		if !idForm.MatchString(id) {
			return fmt.Errorf("%q is no id of a rule", id)
		}
		if slices.Contains(s.Rules[:i], id) {
			return fmt.Errorf("%s stands in it twice", id)
		}
	}
	return nil
}
