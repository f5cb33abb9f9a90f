package detect_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/scantling/scantling/model"
	"github.com/scantling/scantling/runtime/detect"
)

// TestShapesOfRules has whole documents, in the forms that rules of others come
// in, an event that each must match and one that it must not.
func TestShapesOfRules(t *testing.T) {
	head := "title: t\nid: T-1\nlogsource: {product: kubernetes, service: audit, definition: 'x: y'}\n"
	for name, tc := range map[string]struct{ text, yes, no string }{
		"anchor value list":            {head + "detection:\n  s:\n    a: &x\n      - one\n      - two\n  f:\n    b: *x\n  condition: s and f\n", `{"a":"one","b":"two"}`, `{"a":"one"}`},
		"anchor whole ident":           {head + "detection:\n  s: &x\n    a: one\n  f: *x\n  condition: s and f\n", `{"a":"one"}`, `{"a":"two"}`},
		"anchor scalar":                {head + "detection:\n  s:\n    a: &x one\n    b: *x\n  condition: s\n", `{"a":"one","b":"one"}`, `{"a":"one"}`},
		"merge key":                    {head + "detection:\n  b: &x\n    a: one\n  s:\n    <<: *x\n    c: 1\n  condition: s\n", `{"a":"one","c":1}`, `{"c":1}`},
		"anchor logsource":             {"title: t\nid: t\nlogsource: &l {product: kubernetes, service: audit}\ndetection:\n  s: {a: 1}\n  condition: s\nx: *l\n", `{"a":1}`, `{"a":2}`},
		"bom":                          {"\ufeff" + head + "detection:\n  s: {a: 1}\n  condition: s\n", `{"a":1}`, `{"a":2}`},
		"crlf":                         {strings.ReplaceAll(head+"detection:\n  s:\n    a:\n      - 1\n      - 'x y'\n  condition: s\n", "\n", "\r\n"), `{"a":1}`, `{"a":2}`},
		"leading marker":               {"# c\n---\n" + head + "detection:\n  s: {a: 1}\n  condition: s\n", `{"a":1}`, `{"a":2}`},
		"trailing marker":              {head + "detection:\n  s: {a: 1}\n  condition: s\n---\n", `{"a":1}`, `{"a":2}`},
		"trailing dots":                {head + "detection:\n  s: {a: 1}\n  condition: s\n...\n", `{"a":1}`, `{"a":2}`},
		"yaml 1.1 bools":               {head + "detection:\n  s: {a: yes, b: off}\n  condition: s\n", `{"a":"yes","b":"off"}`, `{"a":true,"b":false}`},
		"octal":                        {head + "detection:\n  s: {a: 0777}\n  condition: s\n", `{"a":"0777"}`, `{"a":778}`},
		"date value":                   {head + "detection:\n  s: {a: 2024-01-01}\n  condition: s\n", `{"a":"2024-01-01"}`, `{"a":"2024-01-02"}`},
		"date meta":                    {"date: 2024/01/01\nmodified: 2024-02-03\nstatus: unsupported\nscope: [server]\nlicense: MIT\ntaxonomy: sigma\nrelated:\n  - id: x\n    type: derived\nfields: [a]\nfalsepositives: [none]\ntags: [attack.t1059.001, attack.T1003, cve.2021-44228, detection.emerging-threats, tlp.amber, attack.defense-evasion, d3f.x]\n" + head + "detection:\n  s: {a: 1}\n  condition: s\n", `{"a":1}`, `{"a":2}`},
		"level upper":                  {head + "level: High\ndetection:\n  s: {a: 1}\n  condition: s\n", `{"a":1}`, `{"a":2}`},
		"space field":                  {head + "detection:\n  s: {'Event Data x|contains': 1}\n  condition: s\n", `{"Event Data x":"a1"}`, `{"a":2}`},
		"at field":                     {head + "detection:\n  s: {'@timestamp|startswith': 2024, Event.EventData.X: 1}\n  condition: s\n", `{"@timestamp":"2024-01","Event":{"EventData":{"X":1}}}`, `{"a":2}`},
		"odd escapes":                  {head + "detection:\n  s: {'a|re|i': '\\_\\-\\/\\\"\\''\\,\\%\\ \\<'}\n  condition: s\n", `{"a":"_-/\"',% <"}`, `{"a":"xy"}`},
		"brace literal":                {head + "detection:\n  s: {'a|re': '\\$\\{[^}]+}{'}\n  condition: s\n", `{"a":"${x}{"}`, `{"a":"y"}`},
		"class escape":                 {head + "detection:\n  s: {'a|re': '[^\\]\\[\\-\\\\]{2}'}\n  condition: s\n", `{"a":"ab"}`, `{"a":"-"}`},
		"dollar newline":               {head + "detection:\n  s: {'a|re': 'x$'}\n  condition: s\n", `{"a":"x"}`, `{"a":"xy"}`},
		"trailing bs":                  {head + "detection:\n  s: {'a|endswith': '\\Temp\\'}\n  condition: s\n", `{"a":"C:\\temp\\"}`, `{"a":"temp"}`},
		"trailing dbl bs":              {head + "detection:\n  s: {'a|contains': '\\Temp\\\\'}\n  condition: s\n", `{"a":"C:\\temp\\x"}`, `{"a":"temp"}`},
		"unc":                          {head + "detection:\n  s: {'a|startswith': '\\\\\\\\'}\n  condition: s\n", `{"a":"\\\\host"}`, `{"a":"\\host"}`},
		"bs star":                      {head + "detection:\n  s: {'a': '*\\\\*'}\n  condition: s\n", `{"a":"a\\host"}`, `{"a":"host"}`},
		"contains list all":            {head + "detection:\n  s: {'a|contains|all': ['\\AppData\\', '*', '?']}\n  condition: s\n", `{"a":"x\\AppData\\y"}`, `{"a":"host"}`},
		"cond list":                    {head + "detection:\n  s: {a: 1}\n  t: {b: 1}\n  condition:\n    - s\n    - t\n", `{"b":1}`, `{"b":2}`},
		"cond caps":                    {head + "detection:\n  selection-1: {a: 1}\n  t.x: {b: 1}\n  condition: ALL OF selection* AND NOT t.x\n", `{"a":1}`, `{"a":1,"b":1}`},
		"cond tab":                     {head + "detection:\n  s: {a: 1}\n  t: {b: 1}\n  condition: \"s\\tand\\n not(t)\"\n", `{"a":1}`, `{"a":1,"b":1}`},
		"keywords only":                {head + "detection:\n  keywords:\n    - one\n    - two\n  condition: keywords\n", `{"userAgent":"xtwox"}`, `{"a":1}`},
		"keywords all":                 {head + "detection:\n  keywords:\n    '|all':\n      - one\n      - two\n  condition: keywords\n", `{"userAgent":"xtwox one"}`, `{"userAgent":"two"}`},
		"kw list of all":               {head + "detection:\n  keywords:\n    - '|all':\n        - one\n        - two\n    - '|all':\n        - three\n  condition: keywords\n", `{"userAgent":"three"}`, `{"userAgent":"two"}`},
		"kw empty":                     {head + "detection:\n  s: {a: 1}\n  keywords:\n    - ''\n    - one\n  condition: s and keywords\n", `{"a":1,"userAgent":"three"}`, `{"a":2,"userAgent":"one"}`},
		"null list":                    {head + "detection:\n  s: {a: 1}\n  f: \n    b:\n      - ''\n      - null\n      - '-'\n  condition: s and not f\n", `{"a":1,"b":"x"}`, `{"a":1}`},
		"quantified paren":             {head + "detection:\n  selection_a: {a: 1}\n  selection_b: {b: 1}\n  filter_main_x: {c: 1}\n  filter_optional_y: {d: 1}\n  condition: (1 of selection_*) and not (1 of filter_main_*) and not 1 of filter_optional_*\n", `{"b":1}`, `{"a":1,"d":1}`},
		"unreferenced":                 {head + "detection:\n  s: {a: 1}\n  unused: {b: 1}\n  condition: s\n", `{"a":1}`, `{"b":1}`},
		"re int tag":                   {head + "detection:\n  s: {'a|re': 403}\n  condition: s\n", `{"a":1403}`, `{"a":404}`},
		"exists yes":                   {head + "detection:\n  s: {'a|exists': yes}\n  condition: s\n", `{"a":1403}`, `{"b":404}`},
		"cidr v6":                      {head + "detection:\n  s: {'a|cidr': ['fe80::/10', '::1/128', '169.254.0.0/16']}\n  condition: s\n", `{"a":"169.254.1.1"}`, `{"a":"10.1.1.1"}`},
		"cidr neg":                     {head + "detection:\n  s: {b: 1}\n  f: {'a|cidr': ['::1', '10.0.0.0/8']}\n  condition: s and not f\n", `{"b":1,"a":"::2"}`, `{"b":1,"a":"10.1.1.1"}`},
		"windash":                      {head + "detection:\n  s: {'a|contains|windash': [' -enc ', ' -e ']}\n  condition: s\n", `{"a":"x /enc y"}`, `{"a":"x =enc y"}`},
		"endswith windash":             {head + "detection:\n  s: {'a|endswith|windash': [' -c']}\n  condition: s\n", `{"a":"x /c"}`, `{"a":"x /cc"}`},
		"utf16 b64off":                 {head + "detection:\n  s: {'a|utf16le|base64offset|contains': ['http://']}\n  condition: s\n", `{"a":"xxaAB0AHQAcAA6AC8ALwA"}`, `{"a":"x /cc"}`},
		"wide b64":                     {head + "detection:\n  s: {'a|wide|base64offset|contains': ['IEX ']}\n  condition: s\n", `{"a":"SQBFAFgAIA"}`, `{"a":"x /cc"}`},
		"level none":                   {head + "detection:\n  s: {a: 1}\n  condition: s\nlevel:\n", `{"a":1}`, `{"a":2}`},
		"tags scalar":                  {head + "tags: attack.t1059\ndetection:\n  s: {a: 1}\n  condition: s\n", `{"a":1}`, `{"a":2}`},
		"cond parens nospace":          {head + "detection:\n  s: {a: 1}\n  f1: {b: 1}\n  f2: {c: 1}\n  condition: s and not(1 of f*)and not(f1 or f2)\n", `{"a":1}`, `{"a":1,"c":1}`},
		"of them neg":                  {head + "detection:\n  s: {a: 1}\n  f: {b: 1}\n  condition: not 1 of them\n", `{"c":1}`, `{"b":1}`},
		"kw in map list":               {head + "detection:\n  s:\n    - a|contains: x\n      b|endswith:\n        - y\n        - z\n    - c: null\n      d: 1\n  condition: s\n", `{"a":"xx","b":"ay"}`, `{"a":"xx","b":"b"}`},
		"logsource null":               {"title: t\nid: t\nlogsource: {product: kubernetes, service: , category: null}\ndetection:\n  s: {a: 1}\n  condition: s\n", `{"a":1}`, `{"a":2}`},
		"tilde":                        {head + "detection:\n  s: {a: 1}\n  f: {b: ~}\n  condition: s and f\n", `{"a":1}`, `{"a":1,"b":2}`},
		"gte str":                      {head + "detection:\n  s: {'a|gte': '5'}\n  condition: s\n", `{"a":6}`, `{"a":2}`},
		"i first":                      {head + "detection:\n  s: {'a|re|i|s': 'X.Y'}\n  condition: s\n", `{"a":"x\ny"}`, `{"a":2}`},
		"negative num":                 {head + "detection:\n  s: {a: -1}\n  condition: s\n", `{"a":-1}`, `{"a":1}`},
		"hex str":                      {head + "detection:\n  s: {a: '0x1010'}\n  condition: s\n", `{"a":"0x1010"}`, `{"a":4112}`},
		"hex":                          {head + "detection:\n  s: {a: 0x1010}\n  condition: s\n", `{"a":"0x1010"}`, `{"a":1}`},
		"float ver":                    {head + "detection:\n  s: {a: 1.0}\n  condition: s\n", `{"a":"1.0"}`, `{"a":2}`},
		"float ver2":                   {head + "detection:\n  s: {a: 10.10}\n  condition: s\n", `{"a":"10.10"}`, `{"a":2}`},
		"contains float":               {head + "detection:\n  s: {'a|contains': 10.10}\n  condition: s\n", `{"a":"x10.10x"}`, `{"a":2}`},
		"contains a part of a float":   {head + "detection:\n  s: {'a|contains': 10.10}\n  condition: s\n", `{"a":"v10.10.2"}`, `{"a":"v10.15"}`},
		"float with a neq":             {head + "detection:\n  s: {'a|neq': 1.0, b: 1}\n  condition: s\n", `{"a":"1.1","b":1}`, `{"a":1,"b":1}`},
		"numeric id":                   {head + "detection:\n  1: {a: 1}\n  condition: 1\n", `{"a":1}`, `{"a":2}`},
		"ident of":                     {head + "detection:\n  of: {a: 1}\n  condition: of\n", `{"a":1}`, `{"a":2}`},
		"1 of them explicit":           {head + "detection:\n  sel1: {a: 1}\n  sel2: {a: 2}\n  condition: 1 of them\n", `{"a":1}`, `{"a":3}`},
		"wildcard alone as a keyword":  {head + "detection:\n  k: ['*']\n  condition: k\n", `{"userAgent":"x"}`, `{"a":1}`},
		"merge keys, the first counts": {head + "detection:\n  x: &x {a: 1}\n  y: &y {a: 2, b: 2}\n  s:\n    <<: [*x, *y]\n    c: 3\n  condition: s\n", `{"a":1,"b":2,"c":3}`, `{"a":2,"b":2,"c":3}`},
	} {
		t.Run(name, func(t *testing.T) {
			prog := compile(t, tc.text)
			if len(detect.Run(prog, []model.Event{audit(tc.yes)})) != 1 {
				t.Errorf("no match on %.100s", tc.yes)
			}
			if len(detect.Run(prog, []model.Event{audit(tc.no)})) != 0 {
				t.Errorf("match on %.100s", tc.no)
			}
		})
	}
}

// TestAliasesAreBounded: what aliases stand for is counted each time.
func TestAliasesAreBounded(t *testing.T) {
	var b strings.Builder
	b.WriteString("title: t\nx0: &x0 [a, b]\n")
	for i := range 40 {
		fmt.Fprintf(&b, "x%d: &x%d [*x%d, *x%d]\n", i+1, i+1, i, i)
	}
	for name, text := range map[string]string{
		"doubling":       b.String() + "logsource: {product: kubernetes}\ndetection: {s: *x40, condition: s}\n",
		"within itself":  "title: t\nlogsource: {product: kubernetes}\ndetection: &d {s: *d, condition: s}\n",
		"a merge of one": "title: t\nlogsource: {product: kubernetes}\ndetection: {s: {<<: 1}, condition: s}\n",
	} {
		if _, errs := detect.Parse("r.yml", []byte(text)); len(errs) != 1 {
			t.Errorf("%s: got %v, want one error", name, errs)
		}
	}
}

// TestHostileRules has rules that would take minutes to compile, or to match
// with one value of a few megabytes: each is refused, and soon.
func TestHostileRules(t *testing.T) {
	var names strings.Builder
	for i := range 3000 {
		fmt.Fprintf(&names, "%s%d: {a: 1}\n", strings.Repeat("s", 50), i)
	}
	all := strings.TrimSuffix(strings.Repeat("1 of s* or ", 700), " or ")
	for name, tc := range map[string]struct{ detection, want string }{
		"patterns of names": {names.String() + "condition: [" + strings.TrimSuffix(strings.Repeat("'"+all+"', ", 20), ", ") + "]", "comparisons with names"},
		"question marks":    {"s: {'a|contains': '" + strings.Repeat("a?", 500) + "b'}\ncondition: s", "question marks"},
		"dashes":            {"s: {'a|windash|contains': '" + strings.Repeat(" -a", 500) + "'}\ncondition: s", "question marks"},
	} {
		sources, _ := detect.Parse("r.yml", []byte(sigma(tc.detection)))
		if _, errs := detect.Compile(sources); len(errs) != 1 || !strings.Contains(errs[0].Error(), tc.want) {
			t.Errorf("%s: got %.200v, want one that tells of %s", name, errs, tc.want)
		}
	}
}
