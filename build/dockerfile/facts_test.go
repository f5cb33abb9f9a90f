package dockerfile

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestNamesWithoutValue: names in FROM that nothing declares, and names on the
// empty image that nothing sets.
func TestNamesWithoutValue(t *testing.T) {
	for name, tc := range map[string]struct {
		text       string
		undeclared string // of the last stage
		unset      string // of its last instruction
	}{
		"declared":                {"ARG A\nFROM x:$A", "", ""},
		"not declared":            {"FROM --platform=$B x:${A}", "A B", ""},
		"twice":                   {"FROM $A/$A", "A", ""},
		"set by the builder":      {"FROM --platform=$BUILDPLATFORM x:$TARGETARCH", "", ""},
		"with a default":          {"FROM ${A:-x}:${B-1}${C:+y}", "", ""},
		"a hyphen is no default":  {"FROM $A-x", "A", ""},
		"a prefix is no name":     {"ARG A\nFROM x:$AB", "AB", ""},
		"escaped":                 {`FROM x` + "\nRUN a\nFROM scratch\nCOPY \\$A /", "", ""},
		"on the empty image":      {"FROM scratch\nCOPY $A ${B} /", "", "A B"},
		"inherited from a stage":  {"FROM scratch AS a\nENV A=1\nFROM a\nCOPY $A $B /", "", "B"},
		"on another image":        {"FROM x\nCOPY $A /", "", ""},
		"argument without value":  {"FROM scratch\nARG A\nCOPY $A /", "", ""},
		"argument of the top":     {"ARG A=1\nFROM scratch\nCOPY $A /", "", "A"},
		"in single quotes":        {"FROM scratch\nLABEL a='$A' b=\"$B\"", "", "B"},
		"commands are not looked": {"FROM scratch\nCMD echo $A", "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			f, _ := Parse("Dockerfile", []byte(tc.text), nil)
			st := f.Final()
			if got := strings.Join(st.Undeclared, " "); got != tc.undeclared {
				t.Errorf("undeclared %q, want %q", got, tc.undeclared)
			}
			got := ""
			if n := len(st.Instructions); n > 0 {
				got = strings.Join(st.Instructions[n-1].Unset, " ")
			}
			if got != tc.unset {
				t.Errorf("unset %q, want %q", got, tc.unset)
			}
		})
	}
}

func TestFlags(t *testing.T) {
	f, err := Parse("Dockerfile", []byte(`FROM x
ARG ID=npm
RUN --mount=type=secret,id=$ID,target=/t --mount=type=cache,dst=/c --mount=from=y,src=/a,target=/b --network=host --security=insecure true
COPY --chmod=755 --chown=a:b a b
ADD --chmod=$MODE --checksum=sha256:1 https://x.example/a /a
RUN --network=default --security=sandbox true
`), nil)
	if err != nil {
		t.Fatal(err)
	}
	in := f.Stages[0].Instructions
	want := []Mount{
		{Type: "secret", Stage: -1, Target: "/t", ID: "npm"},
		{Type: "cache", Stage: -1, Target: "/c"},
		{Type: "bind", From: "y", Stage: -1, Target: "/b"},
	}
	if d := cmp.Diff(want, in[1].Run.Mounts); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
	if r := in[1].Run; r.Network != "host" || r.Security != "insecure" {
		t.Errorf("network %q, security %q", r.Network, r.Security)
	}
	if c := in[2].Copy; !c.Chmod.Is("755") || !c.Chown.Is("a:b") {
		t.Errorf("COPY %+v", c)
	}
	if c := in[3].Copy; c.Chmod.Known || c.Chmod.Raw != "$MODE" || !c.Checksum.Is("sha256:1") || c.Chown != (Text{}) {
		t.Errorf("ADD %+v", c)
	}
	if r := in[4].Run; r.Network != "" || r.Security != "" {
		t.Errorf("defaults are network %q, security %q", r.Network, r.Security)
	}
	if _, err := Parse("Dockerfile", []byte("FROM x\nRUN --mount=type=secret true"), nil); err == nil {
		t.Error("a mount that names no secret is no problem")
	}
	if _, err := Parse("Dockerfile", []byte("FROM x\nARG T\nRUN --mount=type=$T,target=/x true"), nil); err != nil {
		t.Errorf("a mount of unknown type: %v", err)
	}
}

func TestGaps(t *testing.T) {
	for text, want := range map[string]int{
		"FROM x\nRUN a \\\n\n b":             4,
		"FROM x\nRUN a \\\n# c\n b\n\nRUN b": 0,
		"FROM x\nRUNN\nRUN a \\\n\n b":       5,
	} {
		f, _ := Parse("Dockerfile", []byte(text), nil)
		got := 0
		if len(f.Gaps) > 0 {
			got = f.Gaps[0].Line
		}
		if got != want {
			t.Errorf("%q: gap at %d, want %d", text, got, want)
		}
	}
}

func TestPrograms(t *testing.T) {
	for text, want := range map[string]string{
		"sudo -u a env X=1 make":     "make by sudo env",
		"$JAVA_HOME/bin/java -jar x": "java by ",
		"$JAVA -jar x":               "? by ",
		"$(which x)/y z":             "y by ",
		"a `# why` b":                "a by ",
	} {
		f, _ := Parse("Dockerfile", []byte("FROM x\nRUN "+text), nil)
		commands := f.Stages[0].Instructions[0].Run.Commands
		c := commands[len(commands)-1]
		name, _ := c.Program()
		got := "?"
		if name.Known {
			got = name.Value
		}
		if got += " by " + strings.Join(c.Wrappers(), " "); got != want {
			t.Errorf("%q: %s, want %s", text, got, want)
		}
	}
}
