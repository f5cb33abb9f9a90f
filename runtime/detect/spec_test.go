package detect_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/scantling/scantling/model"
	"github.com/scantling/scantling/runtime/detect"
)

// sigma wraps a detection into a rule for the Kubernetes audit log.
func sigma(detection string) string {
	return "title: t\nid: t\nlogsource:\n  product: kubernetes\n  service: audit\ndetection:\n" + indent(detection)
}

func indent(text string) string {
	return "  " + strings.ReplaceAll(strings.TrimSpace(text), "\n", "\n  ") + "\n"
}

// matches compiles a detection and asks it of one event.
func matches(t *testing.T, detection, event string) bool {
	t.Helper()
	return len(detect.Run(compile(t, sigma(detection)), []model.Event{audit(event)})) == 1
}

func compile(t testing.TB, texts ...string) *detect.Program {
	t.Helper()
	var sources []detect.Source
	for i, text := range texts {
		s, errs := detect.Parse(fmt.Sprintf("rule%d.yml", i), []byte(text))
		for _, err := range errs {
			t.Fatal(err)
		}
		sources = append(sources, s...)
	}
	prog, errs := detect.Compile(sources)
	for _, err := range errs {
		t.Fatal(err)
	}
	return prog
}

func audit(raw string) model.Event {
	return model.Event{Source: "kubernetes-audit", Stream: "test", Key: "k", Raw: []byte(raw)}
}

// TestSpecification has one feature a case: detections that must match the
// first event and must not match the second.
func TestSpecification(t *testing.T) {
	for name, tc := range map[string]struct{ detection, yes, no string }{
		"equality":                            {"s: {a: x}\ncondition: s", `{"a":"x"}`, `{"a":"xy"}`},
		"case is ignored":                     {"s: {a: ProgA}\ncondition: s", `{"a":"pROGa"}`, `{"a":"prog"}`},
		"case of letters beyond ASCII":        {"s: {a: 'ÄSſK'}\ncondition: s", `{"a":"äSsK"}`, `{"a":"aSsk"}`},
		"map entries are anded":               {"s: {a: x, b: y}\ncondition: s", `{"a":"x","b":"y"}`, `{"a":"x","b":"z"}`},
		"list values are ored":                {"s: {a: [x, y]}\ncondition: s", `{"a":"y"}`, `{"a":"z"}`},
		"list of maps is ored":                {"s: [{a: x}, {b: y}]\ncondition: s", `{"b":"y"}`, `{"a":"y","b":"x"}`},
		"star":                                {"s: {a: 'pro*A.exe'}\ncondition: s", `{"a":"progfileA.exe"}`, `{"a":"progA.exe.bak"}`},
		"question mark":                       {"s: {a: 'prog?.exe'}\ncondition: s", `{"a":"progÄ.exe"}`, `{"a":"prog.exe"}`},
		"question mark is one":                {"s: {a: 'prog?.exe'}\ncondition: s", `{"a":"prog1.exe"}`, `{"a":"prog12.exe"}`},
		"escaped star":                        {`s: {a: 'x\*y'}` + "\ncondition: s", `{"a":"x*y"}`, `{"a":"xzy"}`},
		"escaped question mark":               {`s: {a: 'x\?y'}` + "\ncondition: s", `{"a":"x?y"}`, `{"a":"xzy"}`},
		"plain backslash":                     {`s: {a: 'C:\Win'}` + "\ncondition: s", `{"a":"C:\\Win"}`, `{"a":"C:Win"}`},
		"double backslash is one":             {`s: {a: 'C:\\Win'}` + "\ncondition: s", `{"a":"C:\\Win"}`, `{"a":"C:\\\\Win"}`},
		"backslash then star":                 {`s: {a: 'C:\\*'}` + "\ncondition: s", `{"a":"C:\\Win"}`, `{"a":"C:*"}`},
		"backslash and plain star":            {`s: {a: 'C:\\\*'}` + "\ncondition: s", `{"a":"C:\\*"}`, `{"a":"C:\\Win"}`},
		"four backslashes are two":            {`s: {a: 'C:\\\\Win'}` + "\ncondition: s", `{"a":"C:\\\\Win"}`, `{"a":"C:\\Win"}`},
		"star needs the field":                {"s: {a: '*'}\ncondition: s", `{"a":"x"}`, `{"b":"x"}`},
		"star and null":                       {"s: {a: '*'}\ncondition: s", `{"a":{"b":1}}`, `{"a":null}`},
		"number":                              {"s: {a: 403}\ncondition: s", `{"a":403}`, `{"a":4030}`},
		"number as text":                      {"s: {a: '403'}\ncondition: s", `{"a":403}`, `{"a":404}`},
		"text as number":                      {"s: {a: 403}\ncondition: s", `{"a":"403"}`, `{"a":"x403"}`},
		"number in another form":              {"s: {a: 400.0}\ncondition: s", `{"a":4e2}`, `{"a":4}`},
		"boolean":                             {"s: {a: true}\ncondition: s", `{"a":true}`, `{"a":false}`},
		"empty text":                          {"s: {a: ''}\ncondition: s", `{"a":""}`, `{"b":""}`},
		"empty text is not null":              {"s: {a: ''}\ncondition: s", `{"a":""}`, `{"a":null}`},
		"null":                                {"s: {a: null}\ncondition: s", `{"a":null}`, `{"a":""}`},
		"null and absent":                     {"s: {a: }\ncondition: s", `{"b":1}`, `{"a":0}`},
		"nested field":                        {"s: {a.b: x}\ncondition: s", `{"a":{"b":"x"}}`, `{"a":"x"}`},
		"key with dots":                       {"s: {a.b.io/c: x}\ncondition: s", `{"a":{"b.io/c":"x"}}`, `{"a":{"b":"x"}}`},
		"flat key":                            {"s: {a.b: x}\ncondition: s", `{"a.b":"x"}`, `{"b":"x"}`},
		"key with dots beside its first word": {"s: {a.b.c: x}\ncondition: s", `{"a":{"b":{"d":1},"b.c":"x"}}`, `{"a":{"b":{"d":1}}}`},
		"array any-match":                     {"s: {a: x}\ncondition: s", `{"a":["y","x"]}`, `{"a":["y"]}`},
		"array of objects":                    {"s: {a.b: x}\ncondition: s", `{"a":[{"b":"y"},{"b":"x"}]}`, `{"a":[{"c":"x"}]}`},
		"arrays in arrays":                    {"s: {a.b: x}\ncondition: s", `{"a":[[{"b":[["x"]]}]]}`, `{"a":[[]]}`},
		"null in arrays":                      {"s: {a.b: null}\ncondition: s", `{"a":[{},{}]}`, `{"a":[{},{"b":1}]}`},
		"field names have case":               {"s: {aB: x}\ncondition: s", `{"aB":"x"}`, `{"ab":"x"}`},
		"escapes in the record":               {"s: {aä: 'x\"y'}\ncondition: s", `{"a\u00e4":"x\"\u0079"}`, `{"a":"x"}`},
		"contains":                            {"s: {a|contains: 'b?d'}\ncondition: s", `{"a":"aBcDe"}`, `{"a":"abde"}`},
		"startswith":                          {"s: {a|startswith: ab}\ncondition: s", `{"a":"abc"}`, `{"a":"cab"}`},
		"endswith":                            {"s: {a|endswith: bc}\ncondition: s", `{"a":"abc"}`, `{"a":"bca"}`},
		"contains all":                        {"s: {a|contains|all: [x, y]}\ncondition: s", `{"a":"yx"}`, `{"a":"xx"}`},
		"all over array":                      {"s: {a|all: [x, y]}\ncondition: s", `{"a":["x","y"]}`, `{"a":["x","z"]}`},
		"cased":                               {"s: {a|cased: Ab}\ncondition: s", `{"a":"Ab"}`, `{"a":"ab"}`},
		"contains cased":                      {"s: {a|contains|cased: B}\ncondition: s", `{"a":"aBc"}`, `{"a":"abc"}`},
		"re searches":                         {"s: {a|re: 'b+c'}\ncondition: s", `{"a":"abbcd"}`, `{"a":"ac"}`},
		"re has case":                         {"s: {a|re: 'B'}\ncondition: s", `{"a":"aB"}`, `{"a":"ab"}`},
		"re keeps backslashes":                {`s: {a|re: '^\d\*$'}` + "\ncondition: s", `{"a":"1*"}`, `{"a":"11"}`},
		"re i":                                {"s: {a|re|i: 'B'}\ncondition: s", `{"a":"ab"}`, `{"a":"ac"}`},
		"re m":                                {"s: {a|re|m: '^b$'}\ncondition: s", `{"a":"a\nb"}`, `{"a":"a b"}`},
		"re s":                                {"s: {a|re|s: 'a.b'}\ncondition: s", `{"a":"a\nb"}`, `{"a":"ab"}`},
		"re without s":                        {"s: {a|re: 'a.b'}\ncondition: s", `{"a":"a-b"}`, `{"a":"a\nb"}`},
		"cidr":                                {"s: {a|cidr: 10.0.0.0/8}\ncondition: s", `{"a":["x","10.1.2.3"]}`, `{"a":["11.1.2.3"]}`},
		"cidr 6":                              {"s: {a|cidr: 'fd00::/8'}\ncondition: s", `{"a":"fd00::1"}`, `{"a":"fe80::1"}`},
		"cidr of a mapped address":            {"s: {a|cidr: 10.0.0.0/8}\ncondition: s", `{"a":"::ffff:10.0.0.1"}`, `{"a":"::10.0.0.1"}`},
		"exists":                              {"s: {a|exists: true}\ncondition: s", `{"a":null}`, `{"b":1}`},
		"exists not":                          {"s: {a.b|exists: false}\ncondition: s", `{"a":{}}`, `{"a":{"b":[]}}`},
		"neq":                                 {"s: {a|neq: x}\ncondition: s", `{"a":"y"}`, `{"a":"X"}`},
		"neq of several":                      {"s: {a|neq: [x, y]}\ncondition: s", `{"a":"z"}`, `{"a":"y"}`},
		"neq number":                          {"s: {a|neq: 1}\ncondition: s", `{"a":2}`, `{"a":1}`},
		"gt":                                  {"s: {a|gt: 5}\ncondition: s", `{"a":6}`, `{"a":5}`},
		"gte":                                 {"s: {a|gte: 5}\ncondition: s", `{"a":"5.0"}`, `{"a":4.9}`},
		"lt":                                  {"s: {a|lt: -1}\ncondition: s", `{"a":-2}`, `{"a":-1}`},
		"lte":                                 {"s: {a|lte: 5}\ncondition: s", `{"a":5}`, `{"a":"5x"}`},
		"comparison needs a field":            {"s: {a|lt: 5}\ncondition: s", `{"a":0}`, `{"b":0}`},
		"fieldref":                            {"s: {a|fieldref: b.c}\ncondition: s", `{"a":"X","b":{"c":"x"}}`, `{"a":"x","b":{"c":"y"}}`},
		"fieldref without the other":          {"s: {a|fieldref: b}\ncondition: s", `{"a":"","b":""}`, `{"a":""}`},
		"fieldref neq":                        {"s: {a|fieldref|neq: b}\ncondition: s", `{"a":"x","b":"y"}`, `{"a":"x","b":"x"}`},
		"fieldref startswith":                 {"s: {a|fieldref|startswith: b}\ncondition: s", `{"a":"xyz","b":"xy"}`, `{"a":"xyz","b":"yz"}`},
		"base64":                              {"s: {a|base64: 'x y'}\ncondition: s", `{"a":"eCB5"}`, `{"a":"x y"}`},
		"base64 contains":                     {"s: {a|base64|contains: 'foo'}\ncondition: s", `{"a":"-Zm9v-"}`, `{"a":"-Zm8v-"}`},
		"base64offset 0":                      {"s: {a|base64offset|contains: 'secret'}\ncondition: s", `{"a":"c2VjcmV0IQ=="}`, `{"a":"c2VjcmF0IQ=="}`},
		"base64offset 1":                      {"s: {a|base64offset|contains: 'secret'}\ncondition: s", `{"a":"IXNlY3JldCE="}`, `{"a":"IXNlY3JhdCE="}`},
		"base64offset 2":                      {"s: {a|base64offset|contains: 'secret'}\ncondition: s", `{"a":"ISFzZWNyZXQh"}`, `{"a":"ISFzZWNyYXQh"}`},
		"wide base64":                         {"s: {a|wide|base64: cmd}\ncondition: s", `{"a":"YwBtAGQA"}`, `{"a":"Y21k"}`},
		"utf16le base64":                      {"s: {a|utf16le|base64: cmd}\ncondition: s", `{"a":"YwBtAGQA"}`, `{"a":"AGMAbQBk"}`},
		"utf16be base64":                      {"s: {a|utf16be|base64: cmd}\ncondition: s", `{"a":"AGMAbQBk"}`, `{"a":"YwBtAGQA"}`},
		"utf16 base64":                        {"s: {a|utf16|base64: cmd}\ncondition: s", `{"a":"//5jAG0AZAA="}`, `{"a":"YwBtAGQA"}`},
		"windash":                             {"s: {a|windash|contains: ' -f'}\ncondition: s", `{"a":"x /f"}`, `{"a":"x f"}`},
		"windash from slash":                  {"s: {a|windash|contains: ' /f -g'}\ncondition: s", `{"a":"x –f ―g"}`, `{"a":"x _f -g"}`},
		"windash inside a word":               {"s: {a|windash|contains: ' -a-b'}\ncondition: s", `{"a":"x /a-b"}`, `{"a":"x -a/b"}`},
		"keyword":                             {"k: [denied]\ncondition: k", `{"userAgent":"x DENIED y"}`, `{"other":"denied"}`},
		"keywords are ored":                   {"k: [one, 'th*e']\ncondition: k", `{"userAgent":"x three"}`, `{"userAgent":"x tow"}`},
		"keywords all":                        {"k: {'|all': [one, two]}\ncondition: k", `{"userAgent":"two one"}`, `{"userAgent":"two"}`},
		"keyword re":                          {"k: {'|re': '^o.e$'}\ncondition: k", `{"userAgent":"one"}`, `{"userAgent":"one two"}`},
		"and":                                 {"s: {a: x}\nt: {b: y}\ncondition: s and t", `{"a":"x","b":"y"}`, `{"a":"x"}`},
		"or":                                  {"s: {a: x}\nt: {b: y}\ncondition: s or t", `{"b":"y"}`, `{"b":"x"}`},
		"not":                                 {"s: {a: x}\nt: {b: y}\ncondition: s and not t", `{"a":"x"}`, `{"a":"x","b":"y"}`},
		"and binds before or":                 {"s: {a: 1}\nt: {b: 1}\nu: {c: 1}\ncondition: s or t and u", `{"a":1}`, `{"b":1}`},
		"brackets":                            {"s: {a: 1}\nt: {b: 1}\nu: {c: 1}\ncondition: (s or t) and u", `{"a":1,"c":1}`, `{"a":1}`},
		"words in any case":                   {"s: {a: 1}\nt: {b: 1}\ncondition: s AND NOT (t)", `{"a":1}`, `{"a":1,"b":1}`},
		"1 of pattern":                        {"s1: {a: 1}\ns2: {b: 1}\nt: {c: 1}\ncondition: 1 of s*", `{"b":1}`, `{"c":1}`},
		"all of pattern":                      {"s1: {a: 1}\ns2: {b: 1}\ncondition: all of s*", `{"a":1,"b":1}`, `{"b":1}`},
		"pattern with inner star":             {"s_a_x: {a: 1}\ns_b_y: {b: 1}\ncondition: 1 of s_*_x", `{"a":1}`, `{"b":1}`},
		"1 of them":                           {"s: {a: 1}\n_t: {b: 1}\ncondition: 1 of them", `{"a":1}`, `{"b":1}`},
		"all of them":                         {"s: {a: 1}\nt: {b: 1}\n_u: {c: 1}\ncondition: all of them", `{"a":1,"b":1}`, `{"a":1}`},
		"not 1 of":                            {"s: {a: 1}\nf1: {b: 1}\nf2: {c: 1}\ncondition: s and not 1 of f*", `{"a":1}`, `{"a":1,"c":1}`},
		"condition list is ored":              {"s: {a: 1}\nt: {b: 1}\ncondition: [s, t]", `{"b":1}`, `{"c":1}`},
	} {
		t.Run(name, func(t *testing.T) {
			if !matches(t, tc.detection, tc.yes) {
				t.Errorf("no match on %s", tc.yes)
			}
			if matches(t, tc.detection, tc.no) {
				t.Errorf("match on %s", tc.no)
			}
		})
	}
}

// TestRefusals has what must not compile, with the line that the error names.
func TestRefusals(t *testing.T) {
	head := "title: t\nid: t\nlogsource: {product: kubernetes}\n"
	for name, tc := range map[string]struct {
		text string
		line int
		want string
	}{
		"not YAML":             {"title: [", 1, ""},
		"empty":                {"", 1, "holds no rule"},
		"a list":               {"- a", 1, "mapping"},
		"no detection":         {"title: t\nlogsource: {product: x}\n", 1, "detection is missing"},
		"no logsource":         {"title: t\ndetection:\n  s: {a: 1}\n  condition: s\n", 3, "logsource is missing"},
		"no condition":         {head + "detection:\n  s: {a: 1}\n", 5, "condition is missing"},
		"unknown modifier":     {head + "detection:\n  s: {a|includes: 3}\n  condition: s\n", 5, "unknown modifier"},
		"aggregation":          {head + "detection:\n  s: {a: 1}\n  condition: s | count() > 3\n", 6, "aggregations"},
		"timeframe":            {head + "detection:\n  s: {a: 1}\n  timeframe: 5m\n  condition: s\n", 6, "timeframe"},
		"unknown identifier":   {head + "detection:\n  s: {a: 1}\n  condition: s and t\n", 6, `"t" is no search identifier`},
		"pattern of nothing":   {head + "detection:\n  s: {a: 1}\n  condition: 1 of t*\n", 6, "no search identifier matches"},
		"open bracket":         {head + "detection:\n  s: {a: 1}\n  condition: (s\n", 6, "not closed"},
		"closed bracket":       {head + "detection:\n  s: {a: 1}\n  condition: s)\n", 6, "unexpected"},
		"2 of":                 {head + "detection:\n  s: {a: 1}\n  condition: 2 of s*\n", 6, "only 1 of and all of"},
		"deep nesting":         {head + "detection:\n  s: {a: 1}\n  condition: " + strings.Repeat("not ", 100) + "s\n", 6, "nested deeper"},
		"lookahead":            {head + "detection:\n  s:\n    a|re:\n      - x\n      - '(?=x)'\n  condition: s\n", 8, "regular expression"},
		"address range":        {head + "detection:\n  s:\n    a|cidr: 10.0.0.0/99\n  condition: s\n", 6, "address range"},
		"comparison with text": {head + "detection:\n  s:\n    a|gt: x\n  condition: s\n", 6, "not a number"},
		"no value":             {head + "detection:\n  s:\n    a: []\n  condition: s\n", 6, "no value"},
		"map as value":         {head + "detection:\n  s:\n    a: {b: c}\n  condition: s\n", 6, "a value is text"},
		"field twice":          {head + "detection:\n  s:\n    a: 1\n    a: 2\n  condition: s\n", 7, "given twice"},
		"wildcard in base64":   {head + "detection:\n  s:\n    a|base64: 'x*'\n  condition: s\n", 6, "no wildcards"},
		"contains of a regex":  {head + "detection:\n  s:\n    a|re|contains: x\n  condition: s\n", 6, "string value of its own"},
		"level":                {"title: t\nlevel: grave\ndetection: {}\n", 2, "level"},
	} {
		t.Run(name, func(t *testing.T) {
			sources, errs := detect.Parse("x.yml", []byte(tc.text))
			if len(errs) == 0 {
				_, errs = detect.Compile(sources)
			}
			if len(errs) != 1 {
				t.Fatalf("%d errors, want 1: %v", len(errs), errs)
			}
			got := errs[0].Error()
			if !strings.HasPrefix(got, fmt.Sprintf("x.yml:%d: ", tc.line)) || !strings.Contains(got, tc.want) {
				t.Errorf("got %q, want line %d and %q", got, tc.line, tc.want)
			}
		})
	}
}

// TestBadRuleBesideGoodOne holds that one bad rule stops no other.
func TestBadRuleBesideGoodOne(t *testing.T) {
	text := sigma("s: {a: 1}\ncondition: s") + "---\n" + strings.Replace(sigma("s: {a|hour: 25}\ncondition: s"), "id: t", "id: u", 1)
	sources, errs := detect.Parse("x.yml", []byte(text))
	if len(sources) != 2 || len(errs) != 0 {
		t.Fatalf("%d sources, %v", len(sources), errs)
	}
	prog, errs := detect.Compile(sources)
	if len(errs) != 1 || len(prog.Rules()) != 1 {
		t.Fatalf("%d rules, %v", len(prog.Rules()), errs)
	}
	if alerts := detect.Run(prog, []model.Event{audit(`{"a":1}`)}); len(alerts) != 1 {
		t.Errorf("%d alerts, want 1", len(alerts))
	}
}
