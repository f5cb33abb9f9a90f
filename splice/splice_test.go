package splice

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"
)

// change reads a change as the program does.
func change(t testing.TB, text string) map[string]any {
	t.Helper()
	var out map[string]any
	if err := yaml.Unmarshal([]byte(text), &out); err != nil {
		t.Fatal(err)
	}
	return out
}

const pod = `# An agent.
kind: DaemonSet
spec: # of it
  template:
    spec:
      containers:
        # the one
        - name: agent
          image: "x:1" # pinned
          securityContext:
            privileged: true # why?
            capabilities:
              add:
                - SYS_ADMIN
                - NET_ADMIN
          volumeMounts:
            - {name: host, mountPath: /host}
            - name: logs
              mountPath: /var/log
        - name: other
          volumeMounts:
          - name: host
            mountPath: /only
      # the host
      volumes:
        - name: host
          hostPath: {path: /}

        - name: logs
          emptyDir: {}
`

func TestMerge(t *testing.T) {
	for name, tc := range map[string]struct {
		text, change string
		line         int
		old, new     string // the one difference: old is replaced by new
		fails        string
	}{
		"scalar with a comment": {
			text: pod, line: 2, change: "spec: {template: {spec: {containers: [{name: agent, securityContext: {privileged: false}}]}}}",
			old: "privileged: true # why?", new: "privileged: false # why?",
		},
		"item in flow style": {
			text: pod, line: 2, change: "spec: {template: {spec: {containers: [{name: agent, volumeMounts: [{mountPath: /host, $patch: delete}]}]}}}",
			old: "            - {name: host, mountPath: /host}\n", new: "",
		},
		"item in block style": {
			text: pod, line: 2, change: "spec: {template: {spec: {containers: [{name: agent, volumeMounts: [{mountPath: /var/log, $patch: delete}]}]}}}",
			old: "            - name: logs\n              mountPath: /var/log\n", new: "",
		},
		"last item of a list takes the key": {
			text: pod, line: 2, change: "spec: {template: {spec: {containers: [{name: other, volumeMounts: [{mountPath: /only, $patch: delete}]}]}}}",
			old: "          volumeMounts:\n          - name: host\n            mountPath: /only\n", new: "",
		},
		"volume, blank lines stay": {
			text: pod, line: 2, change: "spec: {template: {spec: {volumes: [{name: host, $patch: delete}]}}}",
			old: "        - name: host\n          hostPath: {path: /}\n", new: "",
		},
		"list of words, replaced": {
			text: pod, line: 2, change: "spec: {template: {spec: {containers: [{name: agent, securityContext: {capabilities: {add: [NET_ADMIN]}}}]}}}",
			old: "              add:\n                - SYS_ADMIN\n                - NET_ADMIN\n", new: "              add: [NET_ADMIN]\n",
		},
		"list of words, emptied": {
			text: pod, line: 2, change: "spec: {template: {spec: {containers: [{name: agent, securityContext: {capabilities: {add: []}}}]}}}",
			old: "              add:\n                - SYS_ADMIN\n                - NET_ADMIN\n", new: "              add: []\n",
		},
		"new scalar before the first key": {
			text: pod, line: 2, change: "spec: {template: {spec: {serviceAccountName: own}}}",
			old: "      containers:\n", new: "      serviceAccountName: own\n      containers:\n",
		},
		"new mapping behind the last key": {
			text: "a: 1 # one\nb:\n  c: 2\n# end\n", line: 1, change: "risk: {line: 3.5}",
			old: "  c: 2\n", new: "  c: 2\nrisk:\n  line: 3.5\n",
		},
		"new mapping without a line end": {
			text: "a: 1", line: 1, change: "risk: {line: 3}", old: "a: 1", new: "a: 1\nrisk:\n  line: 3\n",
		},
		"nothing behind a key": {
			text: "risk: # later\na: 1\n", line: 1, change: "risk: {line: 3}", old: "risk: #", new: "risk: {line: 3} #",
		},
		"flow mapping, changed":  {text: "{a: {b: \"x, }\", c: true}}\n", line: 1, change: "a: {c: false}", old: "true", new: "false"},
		"flow mapping, new key":  {text: "a: {b: 'it''s' }\n", line: 1, change: "a: {c: x}", old: "'it''s'", new: "'it''s', c: x"},
		"empty flow mapping":     {text: "a: {}\n", line: 1, change: "a: {c: x}", old: "{}", new: "{c: x}"},
		"comma behind the last":  {text: "a: {b: 1, }\n", line: 1, change: "a: {c: 2}", old: "1,", new: "1, c: 2"},
		"flow list, first item":  {text: "volumes: [{name: a}, {name: b}]\n", line: 1, change: "volumes: [{name: a, $patch: delete}]", old: "{name: a}, ", new: ""},
		"flow list, last item":   {text: "volumes: [{name: a}, {name: b}]\n", line: 1, change: "volumes: [{name: b, $patch: delete}]", old: ", {name: b}", new: ""},
		"flow list, only item":   {text: "x: {k: 1, volumes: [{name: a}]}\n", line: 1, change: "x: {volumes: [{name: a, $patch: delete}]}", old: ", volumes: [{name: a}]", new: ""},
		"quoted scalar":          {text: "a: \"tr\\\"ue\" # c\n", line: 1, change: "a: x", old: "\"tr\\\"ue\"", new: "x"},
		"word that needs quotes": {text: "a: b\n", line: 1, change: "a: \"true\"", old: "b\n", new: "\"true\"\n"},
		"null removes":           {text: "a: 1\nb:\n  c: 1\n  # of c\nd: 2\n", line: 1, change: "b: null", old: "b:\n  c: 1\n", new: ""},
		"wide runes before":      {text: "{ä: 日本, b: 1}\n", line: 1, change: "b: 2", old: "b: 1", new: "b: 2"},
		"Windows line ends":      {text: "a: 1\r\nb: 2\r\n", line: 1, change: "c: {d: 3}", old: "b: 2\r\n", new: "b: 2\r\nc:\r\n  d: 3\r\n"},
		"item of a List": {
			text: "kind: List\nitems:\n- kind: A\n  a: 1\n- kind: B\n  a: 1 # b\n", line: 5, change: "a: 2", old: "a: 1 # b", new: "a: 2 # b",
		},
		"the same as before": {text: "a: 1\n", line: 1, change: "a: 1", old: "", new: ""},

		"alias":                             {text: "x: &x {p: true}\na: *x\n", line: 1, change: "a: {p: false}", fails: "alias"},
		"anchored value":                    {text: "x: &x {p: true}\na: *x\n", line: 1, change: "x: {p: false}", fails: "layout"},
		"merge key":                         {text: "x: &x {p: true}\na:\n  <<: *x\n", line: 1, change: "a: {p: false}", fails: "merge key"},
		"tagged value":                      {text: "a: !!bool true\n", line: 1, change: "a: false", fails: "not edited"},
		"no such item":                      {text: "volumes: [{name: a}]\n", line: 1, change: "volumes: [{name: b, $patch: delete}]", fails: "no item with name b"},
		"no such line":                      {text: "a: 1\n", line: 2, change: "a: 2", fails: "no mapping begins at line"},
		"no mapping":                        {text: "- a\n", line: 1, change: "a: 2", fails: "no mapping"},
		"template":                          {text: "a: {{ .Values.x }}\n", line: 1, change: "a: 2", fails: "not readable|layout|no scalar"},
		"list in place of its key's scalar": {text: "l:\n- a: 1\n  b: 1\nm: 1\n", line: 1, change: "l: 1", old: "l:\n- a: 1\n  b: 1\n", new: "l: 1\n"},
	} {
		t.Run(name, func(t *testing.T) {
			text := "first: document # stays\n---\n" + tc.text
			got, err := Merge([]byte(text), tc.line+2, change(t, tc.change))
			if tc.fails != "" {
				if err == nil || !anyOf(err.Error(), tc.fails) {
					t.Fatalf("error %v, want %q\n%s", err, tc.fails, got)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if tc.old != "" && strings.Count(text, tc.old) != 1 {
				t.Fatalf("%q is not once in the text", tc.old)
			}
			if diff := cmp.Diff(strings.Replace(text, tc.old, tc.new, 1), string(got)); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

func anyOf(text, words string) bool {
	for w := range strings.SplitSeq(words, "|") {
		if strings.Contains(text, w) {
			return true
		}
	}
	return false
}

func TestRemove(t *testing.T) {
	const three = "# head\na: 1\n---\n# of b\nb: 1\n---\nc: 1\n"
	for name, tc := range map[string]struct {
		text string
		line int
		want string
	}{
		"first":               {three, 2, "---\n# of b\nb: 1\n---\nc: 1\n"},
		"middle":              {three, 5, "# head\na: 1\n---\nc: 1\n"},
		"last":                {three, 7, "# head\na: 1\n---\n# of b\nb: 1\n"},
		"only":                {"a: 1\n", 1, ""},
		"item of a list":      {"items:\n- a: 1\n  b: 2\n# of c\n- c: 1\n", 2, "items:\n# of c\n- c: 1\n"},
		"last item of a list": {"kind: List\nitems:\n- a: 1\n", 3, "kind: List\n"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := Remove([]byte(tc.text), tc.line)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, string(got)); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
	if _, err := Remove([]byte("a: 1\n...\nb: 1\n"), 1); err == nil {
		t.Error("two documents were removed as one")
	}
}

func TestAppend(t *testing.T) {
	for text, want := range map[string]string{
		"":            "b: 1\n",
		"# only\n":    "# only\nb: 1\n",
		"a: 1":        "a: 1\n---\nb: 1\n",
		"a: 1\n":      "a: 1\n---\nb: 1\n",
		"---\na: 1\n": "---\na: 1\n---\nb: 1\n",
	} {
		if got := string(Append([]byte(text), "b: 1\n")); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

func TestMask(t *testing.T) {
	const secrets = `kind: Secret
metadata:
  name: s
  annotations:
    kubectl.kubernetes.io/last-applied-configuration: |
      {"data": "hush"}
stringData:
  a: hush
  b: |
    hush

    hush
---
{kind: Secret, data: {a: hush}}
---
kind: List
items:
- kind: Secret
  data: {a: hush,
    b: hush}
- kind: Pod
  spec: loud
---
Secret: [ hush
`
	got := string(Mask([]byte(secrets)))
	if strings.Contains(got, "hush") || !strings.Contains(got, "loud") || !strings.Contains(got, "name: s\n") {
		t.Errorf("masked:\n%s", got)
	}
	if a, b := strings.Count(secrets, "\n"), strings.Count(got, "\n"); a != b {
		t.Errorf("%d lines became %d", a, b)
	}
}

// FuzzMerge: whatever a text holds, an edit keeps all but its document byte
// for byte, and is the same when it is made again.
func FuzzMerge(f *testing.F) {
	f.Add(pod, 2)
	f.Add("a: 1\n---\nspec: {template: {spec: {}}}\n", 3)
	f.Add("kind: List\nitems:\n- spec:\n    hostPID: true\n", 3)
	f.Add("spec: \"x\n\n  y\"\r\n", 1)
	want := map[string]any{"spec": map[string]any{"hostPID": false, "new": map[string]any{"key": "v"}}}
	f.Fuzz(func(t *testing.T, text string, line int) {
		once, err := Merge([]byte(text), line, want)
		if err != nil {
			return
		}
		before, after := Split([]byte(text)), Split(once)
		if len(before) != len(after) {
			t.Fatalf("%d documents became %d:\n%s", len(before), len(after), once)
		}
		for i, d := range before {
			inside := line > d.Before && (i+1 == len(before) || line <= before[i+1].Before)
			if a := after[i]; !inside && !bytes.Equal([]byte(text)[d.Start:d.End], once[a.Start:a.End]) {
				t.Fatalf("document %d changed:\n%s", i, once)
			}
		}
		twice, err := Merge(once, line, want)
		if err != nil {
			t.Fatalf("again: %v\n%s", err, once)
		}
		if !bytes.Equal(once, twice) {
			t.Fatalf("again it differs:\n%s\n%s", once, twice)
		}
	})
}

// FuzzMask: whatever the value of a Secret, none of it is shown, and lines
// stay.
func FuzzMask(f *testing.F) {
	f.Add("x", false)
	f.Add("\n\n  - x: |\n", true)
	f.Fuzz(func(t *testing.T, value string, list bool) {
		var doc any = map[string]any{"kind": "Secret", "stringData": map[string]any{"a": "hush" + value, "b": value + "hush"}}
		if list {
			doc = map[string]any{"kind": "List", "items": []any{doc}}
		}
		text, err := yaml.Marshal(doc)
		if err != nil {
			t.Skip()
		}
		got := Mask(text)
		if bytes.Contains(got, []byte("hush")) || bytes.Count(got, []byte("\n")) != bytes.Count(text, []byte("\n")) {
			t.Fatalf("%q", got)
		}
	})
}

// Values that stand elsewhere, or whose object doesn't say what it is, are
// values all the same.
func TestMaskOfHiddenSecrets(t *testing.T) {
	for name, text := range map[string]string{
		"an alias":         "x: &d {a: hunter2}\nkind: Secret\nstringData: *d\n",
		"a merged alias":   "base: &d\n  a: hunter2\nkind: Secret\nstringData:\n  <<: *d\n",
		"items of a list":  "kind: SecretList\nitems:\n- stringData:\n    a: hunter2\n",
		"a list of a list": "kind: List\nitems:\n- kind: SecretList\n  items:\n  - data: {a: hunter2}\n",
	} {
		if got := string(Mask([]byte(text))); strings.Contains(got, "hunter2") {
			t.Errorf("%s:\n%s", name, got)
		}
	}
}
