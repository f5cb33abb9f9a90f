package lint

import (
	"slices"
	"strings"

	"github.com/scantling/scantling/build/dockerfile"
	"github.com/scantling/scantling/model"
	"github.com/scantling/scantling/rule"
)

// clone is one repository that git fetches.
type clone struct {
	url    dockerfile.Text
	ref    dockerfile.Text // of --branch or --revision; known to be empty where none is given
	at     model.Position
	stage  int
	chosen bool // a commit or tag is checked out afterwards, in the same stage
}

const gitValued = "Ccbouj"

var gitLong = flagSet("--branch --revision --depth --origin --upload-pack --reference --separate-git-dir --jobs --config --template " +
	"--shallow-since --shallow-exclude --filter --git-dir --work-tree --server-option")

// git follows what git fetches and checks out. Which folder a command works
// in isn't followed: a checkout speaks for all clones of the stage so far.
func (t *tracker) git(args []dockerfile.Text, at model.Position) {
	f := parseFlags(args, gitValued, gitLong)
	if len(f.rest) == 0 {
		return
	}
	switch f.rest[0].Value {
	case "clone":
		if len(f.rest) < 2 || isPath(f.rest[1].Value) || len(t.cloned) >= maxHeld {
			return
		}
		c := &clone{url: f.rest[1], ref: dockerfile.Literal(""), at: at, stage: t.stage}
		if ref, ok := f.get("-b", "--branch", "--revision"); ok {
			c.ref = ref
		}
		t.cloned = append(t.cloned, c)
		t.ledger.clones = append(t.ledger.clones, c)
	case "checkout", "reset", "switch":
		if slices.ContainsFunc(f.rest[1:], func(w dockerfile.Text) bool { return !branches[w.Value] }) {
			for _, c := range t.cloned {
				c.chosen = true
			}
		}
	}
}

// branches are names that stand for whatever is newest.
var branches = map[string]bool{"master": true, "main": true, "develop": true, "development": true, "dev": true, "trunk": true, "HEAD": true}

var cloneType = rule.Object("Clone", map[string]rule.Type{
	"url": rule.String(), "ref": rule.String(), "chosen": rule.Bool(), "stage": rule.Int(),
})

func clones(s *subject) []rule.Element {
	var out []rule.Element
	for _, c := range s.ledger.clones {
		url := safeURL(strings.TrimSpace(c.url.Value))
		v := map[string]any{"url": url, "ref": value(c.ref), "chosen": c.chosen, "stage": c.stage}
		out = append(out, rule.Element{Value: v, Position: c.at, Cause: "git clone " + url})
	}
	return out
}
