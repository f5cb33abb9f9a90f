package rule

import (
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
)

const fullRule = `id: B103
title: Image | runs <as> root
severity: medium
since: 2026.1
off: It is noisy.
control: hygiene
why: A process that escapes starts as uid 0.
fix: Add a USER.
cites: [CIS-Docker-4.1, "a|b"]
aliases: [DL3002]
attack: [T1611]
kinds: [Dockerfile]
variables:
  - name: user
    expression: final.user
each: final
match: variables.user == "root"
`

const sigmaRule = `id: D103
title: Secrets are read
severity: high
since: 2026.1
control: detect
why: It is a sign.
fix: Look.
cites: [a]
logsource: {product: kubernetes}
detection:
  selection: {verb: get}
  condition: selection
`

func TestPage(t *testing.T) {
	fsys := folder(map[string]string{
		"build/B103-x": fullRule, "runtime/D103-y": sigmaRule,
		"infrastructure/I103-z": strings.NewReplacer("B103", "I103", "hygiene", "posture", "match: user == \"root\"\n", "check: some-check\nneeds: graph\n").Replace(goodRule),
	})
	fsys["build/B103-x/cases.txtar"] = &fstest.MapFile{Data: []byte("-- fail/long --\na longer text\n-- fail/short --\n```\nroot\n-- pass/b --\n10001\n-- unknown/c --\n$USER\n")}
	fsys["sets/mine.yaml"] = &fstest.MapFile{Data: []byte("title: A set\nwhy: To test.\nrules: [B103]\n")}
	cat, errs := Load(fsys, "r")
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	want := PageMark + "# B103 Image \\| runs &lt;as> root\n\nA process that escapes starts as uid 0.\n\n**Fix.** Add a USER.\n\n" +
		"| | |\n|---|---|\n| severity | medium |\n| stage, control | build, hygiene |\n| since | 2026.1 |\n| on by default | no: It is noisy. |\n" +
		"| named sets | `mine` |\n| ATT&CK | T1611 |\n| also known as | `DL3002` |\n\n" +
		"## What it looks for\n\n```\nkinds: Dockerfile\neach:  final\nvariables.user = final.user\nmatch: variables.user == \"root\"\n```\n\n" +
		"## Fails\n\n````\n```\nroot\n````\n\n## Passes\n\n```\n10001\n```\n\n## Can't tell\n\n```\n$USER\n```\n\n## Sources\n\n- CIS-Docker-4.1\n- a\\|b\n"
	r, err := cat.Rule("B103")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, cat.Page(r)); diff != "" {
		t.Errorf("want (-), got (+):\n%s", diff)
	}
	for id, part := range map[string]string{
		"D103": "## What it looks for\n\n```\nlogsource: {product: kubernetes}\ndetection:\n    selection: {verb: get}\n    condition: selection\n```\n",
		"I103": "| reads | the whole cluster |\n\n## What it looks for\n\nThe function `some-check`: neither language can say it.\n",
	} {
		r, err := cat.Rule(id)
		if err != nil {
			t.Fatal(err)
		}
		if page := cat.Page(r); !strings.Contains(page, part) || strings.Contains(page, "## Can't tell") {
			t.Errorf("the page of %s lacks\n%s\nit is\n%s", id, part, page)
		}
	}
	index := PageMark + "# Rules\n\n3 rules. [How to write one](../guide/write-a-rule.md), [how sets are chosen](../interfaces.md#switches), [what is seen of ATT&CK](attack.md).\n" +
		"\n## build\n\n| id | title | severity | control | default |\n|---|---|---|---|---|\n| [B103](B103.md) | Image \\| runs &lt;as> root | medium | hygiene | off |\n" +
		"\n## infrastructure\n\n| id | title | severity | control | default |\n|---|---|---|---|---|\n| [I103](I103.md) | Image runs as root | medium | posture | on |\n" +
		"\n## runtime\n\n| id | title | severity | control | default |\n|---|---|---|---|---|\n| [D103](D103.md) | Secrets are read | high | detect | on |\n" +
		"\n## Sets\n\n| name | rules | what it is |\n|---|---|---|\n| `mine` | 1 | A set. To test. |\n"
	if diff := cmp.Diff(index, cat.Index()); diff != "" {
		t.Errorf("want (-), got (+):\n%s", diff)
	}
}
