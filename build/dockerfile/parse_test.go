package dockerfile

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestBaseResolution(t *testing.T) {
	digest := "sha256:" + strings.Repeat("a", 64)
	for name, tc := range map[string]struct {
		text string
		args map[string]string
		want string // of show, or the stage or scratch
	}{
		"literal":                  {"FROM alpine:3", nil, `"alpine:3"`},
		"global default":           {"ARG V=3\nFROM alpine:$V", nil, `"alpine:3"`},
		"given":                    {"ARG V=3\nFROM alpine:$V", map[string]string{"V": "4"}, `"alpine:4"`},
		"given without default":    {"ARG V\nFROM alpine:$V", map[string]string{"V": "4"}, `"alpine:4"`},
		"default in expression":    {"ARG V\nFROM alpine:${V:-3}", nil, `"alpine:3"`},
		"dash without colon":       {"ARG V\nFROM alpine:${V-3}", nil, `"alpine:3"`},
		"empty default, colon":     {"ARG V=\nFROM alpine:${V:-3}", nil, `"alpine:3"`},
		"plus":                     {"ARG V=1\nFROM alpine${V:+:3}", nil, `"alpine:3"`},
		"default is unknown too":   {"ARG V\nARG W\nFROM alpine:${V:-$W}", nil, `?"alpine:${V:-$W}"(ARG W has no default and no value was given)`},
		"used twice":               {"ARG V\nFROM ${V:-a}/$V", nil, `?"${V:-a}/$V"(ARG V has no default and no value was given)`},
		"suffix removed":           {"ARG V=3.1.2\nFROM alpine:${V%.*}", nil, `"alpine:3.1"`},
		"replaced":                 {"ARG V=3_1\nFROM alpine:${V/_/.}", nil, `"alpine:3.1"`},
		"not declared":             {"FROM alpine:$V", nil, `?"alpine:$V"(V is not declared before the first FROM)`},
		"given but not declared":   {"FROM alpine:$V", map[string]string{"V": "4"}, `?"alpine:$V"(V is not declared before the first FROM)`},
		"builder":                  {"FROM alpine:$TARGETARCH", nil, `?"alpine:$TARGETARCH"(TARGETARCH is set by the builder)`},
		"builder given":            {"FROM alpine:$TARGETARCH", map[string]string{"TARGETARCH": "arm64"}, `"alpine:arm64"`},
		"stage ARG is no global":   {"FROM a\nARG V=1\nFROM alpine:$V", nil, `?"alpine:$V"(V is not declared before the first FROM)`},
		"blank":                    {"ARG V=\nFROM $V", nil, `?""(the name is blank without build arguments)`},
		"upper case":               {"FROM baseImage", nil, `?"baseImage"(not an image reference: invalid reference format: repository name (library/baseImage) must be lowercase)`},
		"digest":                   {"FROM alpine@" + digest, nil, `"alpine@` + digest + `"`},
		"later arg sees earlier":   {"ARG A=1\nARG B=$A.2\nFROM alpine:$B", nil, `"alpine:1.2"`},
		"earlier arg blind to it":  {"ARG B=$A.2\nARG A=1\nFROM alpine:$B", nil, `?"alpine:$B"(A is not declared before the first FROM)`},
		"stage":                    {"FROM alpine AS Base\nFROM base", nil, "stage 0"},
		"stage through argument":   {"ARG S=base\nFROM alpine AS base\nFROM $S", nil, "stage 0"},
		"nearest stage of a name":  {"FROM a AS x\nFROM b AS x\nFROM x", nil, "stage 1"},
		"stage below is an image":  {"FROM a\nFROM x\nFROM b", nil, `"b"`},
		"scratch":                  {"FROM scratch", nil, "scratch"},
		"escaped by another":       {"# escape=`\nFROM alpine:3 `\n AS x", nil, `"alpine:3"`},
		"nested replacement":       {"ARG V=a\nFROM x:${V//a/${V//a/b}}", nil, `?"x:${V//a/${V//a/b}}"(nested replacement is not expanded)`},
		"slash in a default is ok": {"ARG V\nARG T=1\nFROM ${V:-docker.io/library/alpine:${T}}", nil, `"docker.io/library/alpine:1"`},
	} {
		t.Run(name, func(t *testing.T) {
			f, _ := Parse("Dockerfile", []byte(tc.text), tc.args)
			b := f.Final().Base
			got := show(b.Text)
			switch {
			case b.Scratch:
				got = "scratch"
			case b.Stage >= 0:
				got = fmt.Sprintf("stage %d", b.Stage)
			}
			if got != tc.want {
				t.Errorf("got %s, want %s", got, tc.want)
			}
		})
	}
}

func TestUserAtTheEnd(t *testing.T) {
	for name, tc := range map[string]struct{ text, want string }{
		"none":                     {"FROM a", `?""(the base image decides)`},
		"scratch":                  {"FROM scratch", `""`},
		"last wins":                {"FROM a\nUSER x\nUSER y", `"y"`},
		"inherited":                {"FROM a AS b\nUSER x\nFROM b", `"x"`},
		"not from a copied stage":  {"FROM a AS b\nUSER x\nFROM c\nCOPY --from=b / /", `?""(the base image decides)`},
		"ENV overrides ARG":        {"FROM a\nARG U=x\nENV U=y\nUSER $U", `"y"`},
		"ARG after ENV":            {"FROM a\nENV U=y\nARG U=x\nUSER $U", `"x"`},
		"ARG without default":      {"FROM a\nENV U=y\nARG U\nUSER $U", `"y"`},
		"global ARG redeclared":    {"ARG U=x\nFROM a\nARG U\nUSER $U", `"x"`},
		"global ARG not redeclard": {"ARG U=x\nFROM scratch\nUSER ${U:-none}", `"none"`},
		"ENV of one line":          {"FROM scratch\nENV U=x\nENV U=y V=$U\nUSER $V", `"x"`},
		"ARG of one line":          {"FROM scratch\nARG U=x V=$U\nUSER $V", `"x"`},
		"ARG of a parent stage":    {"FROM scratch AS p\nARG U=x\nFROM p\nUSER $U", `"x"`},
		"trigger of a parent":      {"FROM scratch AS p\nONBUILD USER x\nFROM p", `"x"`},
		"trigger not in itself":    {"FROM scratch AS p\nONBUILD USER x", `""`},
		"trigger only once":        {"FROM scratch AS p\nONBUILD USER x\nFROM p AS q\nUSER y\nFROM q", `"y"`},
	} {
		t.Run(name, func(t *testing.T) {
			f, err := Parse("Dockerfile", []byte(tc.text), nil)
			if err != nil {
				t.Fatal(err)
			}
			if got := show(f.Final().End.User.Text); got != tc.want {
				t.Errorf("got %s, want %s", got, tc.want)
			}
		})
	}
}

func TestProblems(t *testing.T) {
	for name, tc := range map[string]struct {
		text, want string
		stages     int // that could be read all the same
	}{
		"unknown instruction":  {"FROM a\n\nRUNN x\nUSER y", "Dockerfile:3: unknown instruction: RUNN (did you mean RUN?)", 1},
		"no FROM":              {"ARG A=1", "Dockerfile:1: has no FROM instruction", 0},
		"RUN before FROM":      {"RUN x\nFROM a", "Dockerfile:1: RUN stands before the first FROM", 1},
		"empty":                {"", "Dockerfile: file with no instructions", 0},
		"comments only":        {"# a\n# b\n", "Dockerfile:2: file with no instructions", 0},
		"heredoc without end":  {"FROM a\nUSER x\nRUN <<EOF\necho", "Dockerfile:3: unterminated heredoc", 1},
		"escape":               {"# escape=x\nFROM a", "Dockerfile:1: invalid escape token 'x' does not match ` or \\", 1},
		"flag":                 {"FROM a\nCOPY --form=b c d", "Dockerfile:2: unknown flag: --form", 1},
		"missing stage number": {"FROM a\nCOPY --from=7 b c", "Dockerfile:2: COPY --from=7 names no stage", 1},
		"chained ONBUILD":      {"FROM a\nONBUILD ONBUILD RUN x", "Dockerfile:2: Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed", 1},
		"too large":            {"FROM a\n" + strings.Repeat("#\n", MaxSize/2), "Dockerfile: is larger than 1048576 bytes", 0},
		"not text":             {"\x7fELF\x02\x01\x01\x00", "Dockerfile:1: unknown instruction: \x7fELF\x02\x01\x01\x00", 0},
	} {
		t.Run(name, func(t *testing.T) {
			f, err := Parse("Dockerfile", []byte(tc.text), nil)
			if err == nil || err.Error() != tc.want {
				t.Fatalf("got %q, want %q", err, tc.want)
			}
			var problem Problem
			if !errors.As(err, &problem) {
				t.Errorf("a %T, want a Problem", err)
			}
			if len(f.Stages) != tc.stages {
				t.Errorf("%d stages, want %d", len(f.Stages), tc.stages)
			}
		})
	}
}

// Hostile files must cost little and never crash.
func TestHostile(t *testing.T) {
	bomb := "FROM scratch\nENV A=" + strings.Repeat("x", 4000) + "\n"
	for range 40 {
		bomb += "ENV A=$A$A$A$A$A$A$A$A\n"
	}
	manyStages := "FROM a AS s0\nONBUILD RUN " + strings.Repeat("true;", 1000) + "\n"
	for i := range 600 {
		manyStages += fmt.Sprintf("FROM s%d AS s%d\nONBUILD RUN %s\n", i, i+1, strings.Repeat("true;", 200))
	}
	var env strings.Builder
	env.WriteString("FROM a AS s\nENV")
	for i := range 60_000 {
		fmt.Fprintf(&env, " V%d=1", i)
	}
	env.WriteString(strings.Repeat("\nFROM s", 300))
	for name, text := range map[string]string{
		"expansion":         bomb,
		"replacement":       "FROM scratch\nENV A=" + strings.Repeat("a", 900) + "\nENV B=${A//a/" + strings.Repeat("b", 900) + "}\nENV C=${B//b/${A//a/$A}}",
		"brackets":          "FROM a\nRUN " + strings.Repeat("(", 60_000),
		"substitutions":     "FROM a\nRUN " + strings.Repeat("$(", 30_000),
		"quoted brackets":   "FROM a\nRUN <<E\n" + strings.Repeat("{ ", 100_000) + "\nE",
		"ifs":               "FROM a\nRUN " + strings.Repeat("if ", 20_000),
		"negations":         "FROM a\nRUN " + strings.Repeat("! ", 30_000) + "x",
		"and chain":         "FROM a\nRUN x" + strings.Repeat("&&x", 20_000),
		"pipe chain":        "FROM a\nRUN x" + strings.Repeat("|x", 30_000),
		"nested expansion":  "FROM ${A:-" + strings.Repeat("${A:-", 9_000) + "x",
		"shells in shells":  "FROM a\nRUN " + strings.Repeat(`sh -c "`, 2_000),
		"evals":             "FROM a\nRUN " + strings.Repeat("eval ", 10_000) + "x",
		"wrappers":          "FROM a\nRUN " + strings.Repeat("sudo ", 10_000) + "x",
		"stages":            manyStages,
		"variables":         env.String(),
		"instructions":      "FROM a\n" + strings.Repeat("USER x\n", 100_000),
		"broken lines":      strings.Repeat("FROM a b c d\n", 20_000),
		"unclosed heredocs": strings.Repeat("FROM a\nRUN <<E\n", 20_000),
		"long line":         "FROM a\nRUN " + strings.Repeat("x", 70_000),
		"long word":         "FROM a\nUSER " + strings.Repeat("$x", 20_000),
		"json":              "FROM a\nRUN [" + strings.Repeat(`"a",`, 15_000) + `"a"]`,
	} {
		t.Run(name, func(t *testing.T) {
			start := time.Now()
			f, _ := Parse("Dockerfile", []byte(text), nil)
			if took := time.Since(start); took > 4*time.Second {
				t.Errorf("took %s", took)
			}
			if len(f.Stages) > MaxStages {
				t.Errorf("%d stages", len(f.Stages))
			}
		})
	}
}

func TestReference(t *testing.T) {
	digest := "sha256:" + strings.Repeat("0", 64)
	for text, want := range map[string]Reference{
		"alpine":                     {Registry: "docker.io", Repository: "library/alpine"},
		"grafana/grafana:10":         {Registry: "docker.io", Repository: "grafana/grafana", Tag: "10"},
		"localhost:5000/a/b":         {Registry: "localhost:5000", Repository: "a/b"},
		"r.example/a:1@" + digest:    {Registry: "r.example", Repository: "a", Tag: "1", Digest: digest},
		"index.docker.io/library/x":  {Registry: "docker.io", Repository: "library/x"},
		"mcr.microsoft.com/dotnet:9": {Registry: "mcr.microsoft.com", Repository: "dotnet", Tag: "9"},
	} {
		got, err := ParseReference(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if d := cmp.Diff(want, *got); d != "" {
			t.Errorf("%s: -want +got:\n%s", text, d)
		}
	}
	for _, text := range []string{"", "A", "a b", "a@sha256:12", "a:", "http://a/b"} {
		if got, err := ParseReference(text); err == nil {
			t.Errorf("%q: got %v, want an error", text, got)
		}
	}
}
