package detect_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/scantling/scantling/model"
	"github.com/scantling/scantling/runtime/detect"
)

// TestLanguage goes on where TestSpecification ends: time modifiers,
// combinations of modifiers, and corners of values and conditions.
func TestLanguage(t *testing.T) {
	for name, tc := range map[string]struct{ detection, yes, no string }{
		"minute":                       {"s: {a|minute: 5}\ncondition: s", `{"a":"2026-03-01T10:05:59Z"}`, `{"a":"2026-03-01T05:10:05Z"}`},
		"hour":                         {"s: {a|hour: 3}\ncondition: s", `{"a":"2026-03-01T03:30:00Z"}`, `{"a":"2026-03-01T13:03:03Z"}`},
		"hour as it is written":        {"s: {a|hour: 3}\ncondition: s", `{"a":"2026-03-01T03:30:00+02:00"}`, `{"a":"2026-03-01T05:30:00+02:00"}`},
		"hours":                        {"s: {a|hour: [0, 1, 2]}\ncondition: s", `{"a":"2026-03-01T02:30:00Z"}`, `{"a":"2026-03-01T03:30:00Z"}`},
		"day":                          {"s: {a|day: 31}\ncondition: s", `{"a":"2026-01-31"}`, `{"a":"2026-01-30"}`},
		"week":                         {"s: {a|week: 1}\ncondition: s", `{"a":"2024-12-30T00:00:00Z"}`, `{"a":"2024-12-29T00:00:00Z"}`},
		"week 53":                      {"s: {a|week: 53}\ncondition: s", `{"a":"2021-01-01"}`, `{"a":"2021-01-04"}`},
		"month":                        {"s: {a|month: 2}\ncondition: s", `{"a":"2024-02-29 23:59:59"}`, `{"a":"2024-03-01 00:00:00"}`},
		"year":                         {"s: {a|year: 2026}\ncondition: s", `{"a":"2026-03-01T10:00:00.123456Z"}`, `{"a":"2025-03-01T10:00:00.123456Z"}`},
		"time with a fraction":         {"s: {a|minute: 7}\ncondition: s", `{"a":"2026-03-01 10:07:00.5"}`, `{"a":"2026-03-01 10:08:00.5"}`},
		"no time":                      {"s: {a|hour: 0}\ncondition: s", `{"a":"2026-03-01"}`, `{"a":"0"}`},
		"hour gte":                     {"s: {a|hour|gte: 22}\ncondition: s", `{"a":"2026-03-01T22:00:00Z"}`, `{"a":"2026-03-01T21:59:59Z"}`},
		"lt hour":                      {"s: {a|lt|hour: 6}\ncondition: s", `{"a":"2026-03-01T05:59:59Z"}`, `{"a":"2026-03-01T06:00:00Z"}`},
		"hour neq":                     {"s: {a|hour|neq: 3}\ncondition: s", `{"a":"2026-03-01T04:00:00Z"}`, `{"a":"2026-03-01T03:00:00Z"}`},
		"hours of a list":              {"s: {a|hour: 3}\ncondition: s", `{"a":["x","2026-03-01T03:00:00Z"]}`, `{"a":["3"]}`},
		"gt of a list":                 {"s: {a|gt: 5}\ncondition: s", `{"a":[1,6]}`, `{"a":[1,5]}`},
		"gt of text":                   {"s: {a|gt: 5}\ncondition: s", `{"a":"5.5"}`, `{"a":"six"}`},
		"gte of a fraction":            {"s: {a|gte: 0.5}\ncondition: s", `{"a":0.5}`, `{"a":0.49}`},
		"lte of several":               {"s: {a|lte: [1, 3]}\ncondition: s", `{"a":3}`, `{"a":4}`},
		"gt neq":                       {"s: {a|gt|neq: 5}\ncondition: s", `{"a":5}`, `{"a":6}`},
		"number with an exponent":      {"s: {a: 1000}\ncondition: s", `{"a":1e3}`, `{"a":1e4}`},
		"hexadecimal number":           {"s: {a: 0x10}\ncondition: s", `{"a":16}`, `{"a":10}`},
		"hexadecimal text":             {"s: {a: '0x10'}\ncondition: s", `{"a":"0X10"}`, `{"a":16}`},
		"boolean as text":              {"s: {a: 'true'}\ncondition: s", `{"a":true}`, `{"a":1}`},
		"contains number":              {"s: {a|contains: 40}\ncondition: s", `{"a":1403}`, `{"a":1304}`},
		"contains of a list":           {"s: {a|contains: b}\ncondition: s", `{"a":["x","abc"]}`, `{"a":["a","c"]}`},
		"contains star":                {"s: {a|contains: 'x*y'}\ncondition: s", `{"a":"1x2y3"}`, `{"a":"1y2x3"}`},
		"contains escaped star":        {`s: {a|contains: 'x\*y'}` + "\ncondition: s", `{"a":"1x*y3"}`, `{"a":"1x2y3"}`},
		"contains neq":                 {"s: {a|contains|neq: x}\ncondition: s", `{"b":"x"}`, `{"a":"axb"}`},
		"startswith cased":             {"s: {a|startswith|cased: Ab}\ncondition: s", `{"a":"Abc"}`, `{"a":"abc"}`},
		"endswith cased":               {"s: {a|endswith|cased: Bc}\ncondition: s", `{"a":"aBc"}`, `{"a":"abc"}`},
		"startswith all":               {"s: {a|startswith|all: [a, ab]}\ncondition: s", `{"a":"abc"}`, `{"a":"acb"}`},
		"endswith of a question mark":  {"s: {a|endswith: '.?'}\ncondition: s", `{"a":"x.y"}`, `{"a":"x.yy"}`},
		"cased star":                   {"s: {a|cased: 'A*c'}\ncondition: s", `{"a":"Abc"}`, `{"a":"abc"}`},
		"cased neq":                    {"s: {a|cased|neq: A}\ncondition: s", `{"a":"a"}`, `{"a":"A"}`},
		"re i m":                       {"s: {a|re|i|m: '^b$'}\ncondition: s", `{"a":"a\nB"}`, `{"a":"a B"}`},
		"re i s":                       {"s: {a|re|i|s: 'A.B'}\ncondition: s", `{"a":"a\nb"}`, `{"a":"ab"}`},
		"re of several":                {"s: {a|re: ['^x', 'y$']}\ncondition: s", `{"a":"ay"}`, `{"a":"yx"}`},
		"re all":                       {"s: {a|re|all: ['^x', 'y$']}\ncondition: s", `{"a":"xay"}`, `{"a":"xa"}`},
		"re neq":                       {"s: {a|re|neq: '^x'}\ncondition: s", `{"a":"yx"}`, `{"a":"xy"}`},
		"re of a count":                {"s: {a|re: '^(ab){2,3}$'}\ncondition: s", `{"a":"abab"}`, `{"a":"ab"}`},
		"re of a list":                 {"s: {a|re: '^b$'}\ncondition: s", `{"a":["a","b"]}`, `{"a":["ab"]}`},
		"cidr of several":              {"s: {a|cidr: [10.0.0.0/8, 192.168.0.0/16]}\ncondition: s", `{"a":"192.168.3.4"}`, `{"a":"192.169.3.4"}`},
		"cidr neq":                     {"s: {a|cidr|neq: 10.0.0.0/8}\ncondition: s", `{"a":"11.0.0.1"}`, `{"a":"10.0.0.1"}`},
		"cidr of one address":          {"s: {a|cidr: 10.0.0.1}\ncondition: s", `{"a":"10.0.0.1"}`, `{"a":"10.0.0.2"}`},
		"cidr of no address":           {"s: {a|cidr: 0.0.0.0/0}\ncondition: s", `{"a":"1.2.3.4"}`, `{"a":"1.2.3"}`},
		"exists of null":               {"s: {a|exists: true}\ncondition: s", `{"a":null}`, `{}`},
		"exists within a list":         {"s: {a.b|exists: true}\ncondition: s", `{"a":[{"c":1},{"b":1}]}`, `{"a":[{"c":1}]}`},
		"exists and a value":           {"s: {a|exists: true, b: 1}\ncondition: s", `{"a":0,"b":1}`, `{"b":1}`},
		"not null":                     {"s: {b: 1}\nf: {a: null}\ncondition: s and not f", `{"a":"x","b":1}`, `{"b":1}`},
		"empty or null":                {"s: {a: ''}\nn: {a: null}\ncondition: 1 of them", `{"a":""}`, `{"a":"x"}`},
		"neq null":                     {"s: {a|neq: null}\ncondition: s", `{"a":"x"}`, `{"a":null}`},
		"neq without the field":        {"s: {a|neq: x}\ncondition: s", `{}`, `{"a":"x"}`},
		"neq star":                     {"s: {a|neq: 'x*'}\ncondition: s", `{"a":"y"}`, `{"a":"xy"}`},
		"neq of a list":                {"s: {a|neq: x}\ncondition: s", `{"a":["y","z"]}`, `{"a":["y","x"]}`},
		"neq all":                      {"s: {a|neq|all: [x, y]}\ncondition: s", `{"a":"z"}`, `{"a":"x"}`},
		"fieldref endswith":            {"s: {a|fieldref|endswith: b}\ncondition: s", `{"a":"xyz","b":"yz"}`, `{"a":"xyz","b":"xy"}`},
		"fieldref contains":            {"s: {a|fieldref|contains: b}\ncondition: s", `{"a":"xyz","b":"y"}`, `{"a":"xyz","b":"q"}`},
		"startswith fieldref":          {"s: {a|startswith|fieldref: b}\ncondition: s", `{"a":"xyz","b":"xy"}`, `{"a":"xyz","b":"yz"}`},
		"fieldref cased":               {"s: {a|fieldref|cased: b}\ncondition: s", `{"a":"X","b":"X"}`, `{"a":"X","b":"x"}`},
		"fieldref of lists":            {"s: {a|fieldref: b}\ncondition: s", `{"a":["x","y"],"b":["z","y"]}`, `{"a":["x","y"],"b":["z"]}`},
		"fieldref of several":          {"s: {a|fieldref: [b, c]}\ncondition: s", `{"a":1,"b":2,"c":1}`, `{"a":1,"b":2,"c":3}`},
		"fieldref of a number":         {"s: {a|fieldref: b}\ncondition: s", `{"a":1,"b":"1"}`, `{"a":1,"b":"01"}`},
		"base64 of several":            {"s: {a|base64|contains: [foo, bar]}\ncondition: s", `{"a":"YmFy"}`, `{"a":"YmF6"}`},
		"base64 cased":                 {"s: {a|base64|contains|cased: foo}\ncondition: s", `{"a":"Zm9v"}`, `{"a":"zM9V"}`},
		"base64offset startswith":      {"s: {a|base64offset|startswith: foobar}\ncondition: s", `{"a":"Zm9vYmFyIQ=="}`, `{"a":"xZm9vYmFy"}`},
		"base64offset all":             {"s: {a|base64offset|contains|all: [foobar, bazqux]}\ncondition: s", `{"a":"Zm9vYmFyIGJhenF1eA=="}`, `{"a":"Zm9vYmFy"}`},
		"wide base64offset":            {"s: {a|wide|base64offset|contains: foobar}\ncondition: s", `{"a":"ZgBvAG8AYgBhAHIA"}`, `{"a":"Zm9vYmFy"}`},
		"wide contains":                {"s: {a|wide|contains: cmd}\ncondition: s", `{"a":"xc\u0000m\u0000d\u0000"}`, `{"a":"xcmd"}`},
		"utf16be contains":             {"s: {a|utf16be|contains: cmd}\ncondition: s", `{"a":"\u0000c\u0000m\u0000dx"}`, `{"a":"xc\u0000m\u0000d\u0000"}`},
		"utf16be base64offset":         {"s: {a|utf16be|base64offset|contains: foobar}\ncondition: s", `{"a":"AGYAbwBvAGIAYQBy"}`, `{"a":"ZgBvAG8AYgBhAHIA"}`},
		"windash em dash":              {"s: {a|windash|contains: ' -x'}\ncondition: s", `{"a":"cmd —x"}`, `{"a":"cmd _x"}`},
		"windash contains all":         {"s: {a|windash|contains|all: [' -x', ' -y']}\ncondition: s", `{"a":"cmd /y -x"}`, `{"a":"cmd /y"}`},
		"contains windash":             {"s: {a|contains|windash: '-x'}\ncondition: s", `{"a":"cmd /x"}`, `{"a":"cmd x"}`},
		"keyword of a number":          {"k: [4711]\ncondition: k", `{"userAgent":"x4711y"}`, `{"userAgent":"471"}`},
		"keyword alone":                {"k: denied\ncondition: k", `{"userAgent":"denied"}`, `{"userAgent":"granted"}`},
		"keyword with an escape":       {`k: ['a\*b']` + "\ncondition: k", `{"userAgent":"xa*by"}`, `{"userAgent":"xaab"}`},
		"keywords cased":               {"k: {'|cased': [One]}\ncondition: k", `{"userAgent":"a One"}`, `{"userAgent":"a one"}`},
		"keyword re i":                 {"k: {'|re|i': '^ONE$'}\ncondition: k", `{"userAgent":"one"}`, `{"userAgent":"one two"}`},
		"keywords beside maps":         {"k: [one, {a: 1}]\ncondition: k", `{"a":1}`, `{"a":2}`},
		"keyword not":                  {"s: {a: 1}\nk: [one]\ncondition: s and not k", `{"a":1}`, `{"a":1,"userAgent":"one"}`},
		"list of maps of several":      {"s: [{a: 1, b: 2}, {c: 3}]\ncondition: s", `{"a":1,"b":2}`, `{"a":1,"b":3}`},
		"list of maps all of":          {"s: [{a: 1}, {b: 2}]\nt: {c: 3}\ncondition: all of them", `{"b":2,"c":3}`, `{"c":3}`},
		"all of them hides underscore": {"s: {a: 1}\n_h: {b: 1}\ncondition: all of them", `{"a":1}`, `{"b":1}`},
		"1 of hidden names":            {"_h1: {a: 1}\ns: {b: 1}\ncondition: 1 of _h*", `{"a":1}`, `{"b":1}`},
		"any of":                       {"s1: {a: 1}\ns2: {b: 1}\ncondition: any of s*", `{"b":1}`, `{"c":1}`},
		"1 of a name":                  {"s: {a: 1}\nt: {b: 1}\ncondition: 1 of s", `{"a":1}`, `{"b":1}`},
		"pattern with a first star":    {"a_sel: {a: 1}\nb_fil: {b: 1}\ncondition: all of *_sel", `{"a":1}`, `{"b":1}`},
		"not all of":                   {"s1: {a: 1}\ns2: {b: 1}\ncondition: not all of s*", `{"a":1}`, `{"a":1,"b":1}`},
		"not not":                      {"s: {a: 1}\ncondition: not not s", `{"a":1}`, `{"a":2}`},
		"not of brackets":              {"s: {a: 1}\nt: {b: 1}\ncondition: not (s or t)", `{"c":1}`, `{"b":1}`},
		"brackets in brackets":         {"s: {a: 1}\nt: {b: 1}\nu: {c: 1}\ncondition: ((s) and (t or (u)))", `{"a":1,"c":1}`, `{"c":1}`},
		"not binds before and":         {"s: {a: 1}\nt: {b: 1}\ncondition: not s and t", `{"b":1}`, `{"a":1,"b":1}`},
		"1 of and not 1 of":            {"s1: {a: 1}\ns2: {b: 1}\nf1: {c: 1}\ncondition: 1 of s* and not 1 of f*", `{"b":1}`, `{"b":1,"c":1}`},
		"identifiers named like words": {"order: {a: 1}\nandy: {b: 1}\ncondition: order and andy", `{"a":1,"b":1}`, `{"a":1}`},
		"condition over lines":         {"s: {a: 1}\nt: {b: 1}\ncondition: >\n  s and\n  not t", `{"a":1}`, `{"a":1,"b":1}`},
		"object is no text":            {"s: {a|contains: b}\ncondition: s", `{"a":"b"}`, `{"a":{"b":"b"}}`},
		"deep list of objects":         {"s: {a.b.c: x}\ncondition: s", `{"a":[{"b":[{"c":"y"},{"c":"x"}]}]}`, `{"a":[{"b":[{"c":"y"}]}]}`},
		"two elements are two":         {"s: {a.b: 1, a.c: 2}\ncondition: s", `{"a":[{"b":1},{"c":2}]}`, `{"a":[{"b":1}]}`},
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

const pipelineText = `pipeline: test
logsource: {product: kubernetes}
fields:
  User: user.username
  Ip: [sourceIPs, clientIP]
placeholders:
  admins: [root, 'adm_*']
  nets: [10.0.0.0/8, 192.168.0.0/16]
`

// TestPipelines has a rule, compiled with pipelines, and the events that it
// matches and doesn't.
func TestPipelines(t *testing.T) {
	other := func(text string) string { return strings.Replace(text, "product: kubernetes", "product: windows", 1) }
	for name, tc := range map[string]struct{ pipeline, detection, yes, no string }{
		"renamed field":                  {pipelineText, "s: {User: x}\ncondition: s", `{"user":{"username":"x"}}`, `{"User":"x"}`},
		"renamed to several":             {pipelineText, "s: {Ip: x}\ncondition: s", `{"clientIP":"x"}`, `{"Ip":"x"}`},
		"renamed to several, neq":        {pipelineText, "s: {Ip|neq: x}\ncondition: s", `{"clientIP":"y"}`, `{"clientIP":"x","sourceIPs":["y"]}`},
		"renamed, with modifiers":        {pipelineText, "s: {User|startswith: x}\ncondition: s", `{"user":{"username":"xy"}}`, `{"User":"xy"}`},
		"renamed reference":              {pipelineText, "s: {a|fieldref: User}\ncondition: s", `{"a":"x","user":{"username":"x"}}`, `{"a":"x","User":"x"}`},
		"other fields stay":              {pipelineText, "s: {a: x}\ncondition: s", `{"a":"x"}`, `{}`},
		"other log source":               {other(pipelineText), "s: {User: x}\ncondition: s", `{"User":"x"}`, `{"user":{"username":"x"}}`},
		"every log source":               {"pipeline: p\nfields: {User: u}\n", "s: {User: x}\ncondition: s", `{"u":"x"}`, `{"User":"x"}`},
		"expand":                         {pipelineText, "s: {a|expand: '%admins%'}\ncondition: s", `{"a":"ROOT"}`, `{"a":"%admins%"}`},
		"expand to a pattern":            {pipelineText, "s: {a|expand: '%admins%'}\ncondition: s", `{"a":"adm_1"}`, `{"a":"adm"}`},
		"expand within text":             {pipelineText, "s: {a|expand: 'x-%admins%-y'}\ncondition: s", `{"a":"x-root-y"}`, `{"a":"root"}`},
		"expand twice":                   {pipelineText, "s: {a|expand: '%admins%/%admins%'}\ncondition: s", `{"a":"adm_1/root"}`, `{"a":"root"}`},
		"expand contains":                {pipelineText, "s: {a|expand|contains: '%admins%'}\ncondition: s", `{"a":"xrooty"}`, `{"a":"x"}`},
		"contains expand":                {pipelineText, "s: {a|contains|expand: '%admins%'}\ncondition: s", `{"a":"xrooty"}`, `{"a":"x"}`},
		"expand all":                     {pipelineText, "s: {a|expand|contains|all: ['%admins%', z]}\ncondition: s", `{"a":"rootz"}`, `{"a":"root"}`},
		"expand cidr":                    {pipelineText, "s: {a|cidr|expand: '%nets%'}\ncondition: s", `{"a":"192.168.1.1"}`, `{"a":"1.1.1.1"}`},
		"expand neq":                     {pipelineText, "s: {a|expand|neq: '%admins%'}\ncondition: s", `{"a":"x"}`, `{"a":"root"}`},
		"expand escaped":                 {pipelineText, `s: {a|expand: '\%admins%'}` + "\ncondition: s", `{"a":"%admins%"}`, `{"a":"root"}`},
		"percent without expand":         {pipelineText, "s: {a: '%admins%'}\ncondition: s", `{"a":"%admins%"}`, `{"a":"root"}`},
		"expand of one percent":          {pipelineText, "s: {a|expand: '5% of it'}\ncondition: s", `{"a":"5% of it"}`, `{"a":"5"}`},
		"expand without values, or":      {pipelineText, "s: {a|expand: ['%nothing%', y]}\ncondition: s", `{"a":"y"}`, `{"a":"%nothing%"}`},
		"added condition":                {"pipeline: p\nadd: {stage: done}\n", "s: {a: 1}\ncondition: s", `{"a":1,"stage":"done"}`, `{"a":1}`},
		"added condition is not renamed": {"pipeline: p\nfields: {x: y}\nadd: {x: 1}\n", "s: {a: 1}\ncondition: s", `{"a":1,"x":1}`, `{"a":1,"y":1}`},
		"two pipelines":                  {pipelineText + "---\npipeline: more\nfields: {Verb: verb}\n", "s: {User: x, Verb: get}\ncondition: s", `{"user":{"username":"x"},"verb":"get"}`, `{"user":{"username":"x"}}`},
		"two pipelines that agree":       {pipelineText + "---\npipeline: more\nfields: {User: user.username}\n", "s: {User: x}\ncondition: s", `{"user":{"username":"x"}}`, `{}`},
	} {
		t.Run(name, func(t *testing.T) {
			prog := compile(t, sigma(tc.detection), tc.pipeline)
			if len(detect.Run(prog, []model.Event{audit(tc.yes)})) != 1 {
				t.Errorf("no match on %s", tc.yes)
			}
			if len(detect.Run(prog, []model.Event{audit(tc.no)})) != 0 {
				t.Errorf("match on %s", tc.no)
			}
		})
	}
	group := correlationRule("c", "type: event_count\nrules: [a]\ngroup-by: [U]\ntimespan: 60s\ncondition: {gte: 2}")
	prog := compile(t, append(simple("a"), group, "pipeline: p\nfields: {U: u}\n")...)
	if got := told(detect.Run(prog, timeline(t, "0s a u=x; 1s a u=y; 2s a u=x"))); got != "c@2" {
		t.Errorf("a renamed field to group by: got %q, want c@2", got)
	}
}

// TestFilters has a filter for rule t, which matches {"a":1}, and the events
// that are let through and not.
func TestFilters(t *testing.T) {
	filter := func(body string) string {
		return "title: f\nid: f\nlogsource: {product: kubernetes}\nfilter:\n" + indent(body)
	}
	for name, tc := range map[string]struct{ filter, yes, no string }{
		"as the specification writes it": {filter("rules: [t]\nselection: {u|startswith: adm_}\ncondition: selection"), `{"a":1,"u":"x"}`, `{"a":1,"u":"adm_x"}`},
		"as tools write it":              {filter("rules: [t]\nselection: {u|startswith: adm_}\ncondition: not selection"), `{"a":1,"u":"x"}`, `{"a":1,"u":"adm_x"}`},
		"without the field":              {filter("rules: [t]\nselection: {u: x}\ncondition: not selection"), `{"a":1}`, `{"a":1,"u":"x"}`},
		"several selections":             {filter("rules: [t]\nf1: {u: x}\nf2: {u: y}\ncondition: not 1 of f*"), `{"a":1,"u":"z"}`, `{"a":1,"u":"y"}`},
		"several selections to go":       {filter("rules: [t]\nf1: {u: x}\nf2: {u: y}\ncondition: f1 or f2"), `{"a":1,"u":"z"}`, `{"a":1,"u":"y"}`},
		"any rule":                       {filter("rules: any\nselection: {u: x}\ncondition: not selection"), `{"a":1}`, `{"a":1,"u":"x"}`},
		"a filter adds nothing":          {filter("rules: [t]\nselection: {u: x}\ncondition: not selection"), `{"a":1}`, `{"u":"y"}`},
		"rule by name":                   {filter("rules: [named]\nselection: {u: x}\ncondition: not selection"), `{"a":1}`, `{"a":1,"u":"x"}`},
		"two filters": {
			filter("rules: [t]\nselection: {u: x}\ncondition: selection") + "---\n" + strings.Replace(filter("rules: [t]\nselection: {u: y}\ncondition: selection"), "id: f", "id: g", 1),
			`{"a":1}`, `{"a":1,"u":"y"}`,
		},
		"with a pipeline": {filter("rules: [t]\nselection: {U: x}\ncondition: selection") + "---\npipeline: p\nfields: {U: u}\n", `{"a":1,"U":"x"}`, `{"a":1,"u":"x"}`},
	} {
		t.Run(name, func(t *testing.T) {
			prog := compile(t, tc.filter, strings.Replace(sigma("s: {a: 1}\ncondition: s"), "id: t", "id: t\nname: named", 1))
			if len(detect.Run(prog, []model.Event{audit(tc.yes)})) != 1 {
				t.Errorf("no match on %s", tc.yes)
			}
			if len(detect.Run(prog, []model.Event{audit(tc.no)})) != 0 {
				t.Errorf("match on %s", tc.no)
			}
		})
	}
	elsewhere := strings.Replace(filter("rules: [t]\nselection: {u: x}\ncondition: selection"), "kubernetes", "windows", 1)
	prog := compile(t, elsewhere, sigma("s: {a: 1}\ncondition: s"))
	if len(detect.Run(prog, []model.Event{audit(`{"a":1,"u":"x"}`)})) != 1 || len(prog.Warnings()) == 0 {
		t.Errorf("a filter of another log source: %v", prog.Warnings())
	}
}

// TestWarnings has what compiles and can't work.
func TestWarnings(t *testing.T) {
	for name, tc := range map[string]struct {
		detection string
		want      []string
	}{
		"all is well":          {"s:\n  verb: [get, 'delete*']\n  objectRef.resource: pods\n  requestObject.spec.x: 1\n  annotations.x/y: z\n  responseStatus.code|gte: 400\n  user.extra.k: v\n  user|exists: true\ncondition: s", nil},
		"top-level apiGroup":   {"s:\n  verb: get\n  apiGroup: apps\ncondition: s", []string{`t.yml:9: field "apiGroup" is in no Kubernetes audit record: this matches nothing`}},
		"hostPath":             {"s:\n  hostPath: '*'\ncondition: s", []string{`t.yml:8: field "hostPath" is in no Kubernetes audit record: this matches nothing`}},
		"impossible code":      {"s:\n  responseStatus.code: ALLOW\ncondition: s", []string{`t.yml:8: field "responseStatus.code" never has this value`}},
		"impossible code, too": {"s:\n  responseStatus.code: [403, 42]\ncondition: s", []string{`t.yml:8: field "responseStatus.code" never has this value`}},
		"impossible verb":      {"s:\n  verb:\n    - get\n    - impersonate\ncondition: s", []string{`t.yml:10: field "verb" never has this value`}},
		"impossible pattern":   {"s:\n  verb|startswith: exec\ncondition: s", []string{`t.yml:8: field "verb" never has this value`}},
		"impossible regex":     {"s:\n  stage|re: '^Request$'\ncondition: s", []string{`t.yml:8: field "stage" never has this value`}},
		"reference":            {"s:\n  user.username|fieldref: owner\ncondition: s", []string{`t.yml:8: field "owner" is in no Kubernetes audit record: this matches nothing`}},
		"placeholder":          {"s:\n  user.username|expand: '%admins%'\ncondition: s", []string{`t.yml:8: no pipeline gives placeholder %admins%: this value matches nothing`}},
		"verb in any case":     {"s: {verb: GET}\ncondition: s", nil},
		"null":                 {"s: {verb: null}\ncondition: s", nil},
	} {
		t.Run(name, func(t *testing.T) {
			sources, errs := detect.Parse("t.yml", []byte(sigma(tc.detection)))
			prog, more := detect.Compile(sources)
			if len(errs)+len(more) > 0 {
				t.Fatal(errs, more)
			}
			var got []string
			for _, w := range prog.Warnings() {
				got = append(got, w.Error())
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
	prog, _ := ours(t)
	for _, w := range prog.Warnings() {
		t.Errorf("a rule of ours: %v", w)
	}
	windows := strings.Replace(sigma("s: {Image: x}\ncondition: s"), "product: kubernetes\n  service: audit", "product: windows", 1)
	if w := compile(t, windows).Warnings(); len(w) > 0 {
		t.Errorf("a log source without a schema: %v", w)
	}
}

// TestMoreRefusals has illegal combinations, each with its line.
func TestMoreRefusals(t *testing.T) {
	detection := func(text string) string { return sigma(text) }
	corr := func(body string) string { return "title: c\nid: c\ncorrelation:\n" + indent(body) }
	const good = "type: event_count\nrules: [a]\ntimespan: 1m\ncondition: {gte: 2}"
	for name, tc := range map[string]struct {
		text string
		line int
		want string
	}{
		"modifier twice":               {detection("s: {a|contains|contains: x}\ncondition: s"), 7, "given twice"},
		"contains and startswith":      {detection("s: {a|contains|startswith: x}\ncondition: s"), 7, "exclude each other"},
		"flag without re":              {detection("s: {a|i: x}\ncondition: s"), 7, "after re only"},
		"flag before re":               {detection("s: {a|i|re: x}\ncondition: s"), 7, "after re only"},
		"re and cidr":                  {detection("s: {a|re|cidr: x}\ncondition: s"), 7, "contradicts"},
		"lt and gt":                    {detection("s: {a|lt|gt: 1}\ncondition: s"), 7, "contradicts"},
		"hour and minute":              {detection("s: {a|hour|minute: 1}\ncondition: s"), 7, "contradicts"},
		"hour of a regex":              {detection("s: {a|re|hour: 1}\ncondition: s"), 7, "contradicts"},
		"hour lt gt":                   {detection("s: {a|hour|lt|gt: 1}\ncondition: s"), 7, "contradicts"},
		"hour 24":                      {detection("s:\n  a|hour: 24\ncondition: s"), 8, "between 0 and 23"},
		"minute 60":                    {detection("s: {a|minute: 60}\ncondition: s"), 7, "between 0 and 59"},
		"day 0":                        {detection("s: {a|day: 0}\ncondition: s"), 7, "between 1 and 31"},
		"month 13":                     {detection("s: {a|month: 13}\ncondition: s"), 7, "between 1 and 12"},
		"week of text":                 {detection("s: {a|week: first}\ncondition: s"), 7, "not a number"},
		"half an hour":                 {detection("s: {a|hour: 0.5}\ncondition: s"), 7, "whole number"},
		"cased re":                     {detection("s: {a|re|cased: x}\ncondition: s"), 7, "for strings and fieldref"},
		"exists of text":               {detection("s: {a|exists: maybe}\ncondition: s"), 7, "true or false"},
		"exists of several":            {detection("s: {a|exists: [true, false]}\ncondition: s"), 7, "one value"},
		"exists all":                   {detection("s: {a|exists|all: true}\ncondition: s"), 7, "no all or neq"},
		"base64 of a regex":            {detection("s: {a|re|base64: x}\ncondition: s"), 7, "string value of its own"},
		"short base64offset":           {detection("s: {a|base64offset: ''}\ncondition: s"), 7, "too short"},
		"fieldref base64":              {detection("s: {a|fieldref|base64: b}\ncondition: s"), 7, "can't be joined with fieldref"},
		"fieldref of keywords":         {detection("s: {'|fieldref': b}\ncondition: s"), 7, "two fields"},
		"expand re":                    {detection("s: {a|re|expand: '%x%'}\ncondition: s"), 7, "strings and cidr"},
		"null with contains":           {detection("s: {a|contains: null}\ncondition: s"), 7, "null takes no modifier"},
		"keyword with gt":              {detection("s: {'|gt': 1}\ncondition: s"), 7, "no keyword"},
		"list in list":                 {detection("s: [[a]]\ncondition: s"), 7, "list within a list"},
		"operator alone":               {detection("s: {a: 1}\ncondition: s and"), 8, "ends too early"},
		"of nothing":                   {detection("s: {a: 1}\ncondition: 1 of"), 8, "ends too early"},
		"two names":                    {detection("s: {a: 1}\ncondition: s s"), 8, "unexpected"},
		"two forms":                    {sigma("s: {a: 1}\ncondition: s") + "filter: {}\n", 9, "one of rule, correlation, filter and pipeline"},
		"action":                       {"title: t\naction: global\ndetection: {}\n", 2, "older Sigma"},
		"correlation of nothing":       {"correlation: x\n", 1, "is a mapping"},
		"type":                         {corr(strings.Replace(good, "event_count", "near", 1)), 4, "no type of correlation"},
		"no type":                      {corr(strings.Replace(good, "type: event_count\n", "", 1)), 4, "type is missing"},
		"no timespan":                  {corr(strings.Replace(good, "timespan: 1m\n", "", 1)), 4, "timespan is missing"},
		"timespan":                     {corr(strings.Replace(good, "1m", "1 minute", 1)), 6, "is not a number and one of"},
		"timespan of nothing":          {corr(strings.Replace(good, "1m", "0s", 1)), 6, "is nothing"},
		"endless timespan":             {corr(strings.Replace(good, "1m", "99y", 1)), 6, "longer than ten years"},
		"no rules":                     {corr(strings.Replace(good, "rules: [a]\n", "", 1)), 4, "rules is missing"},
		"empty rules":                  {corr(strings.Replace(good, "[a]", "[]", 1)), 5, "rules is empty"},
		"rule twice":                   {corr(strings.Replace(good, "[a]", "[a, a]", 1)), 5, "different names"},
		"unknown rule":                 {corr(strings.Replace(good, "[a]", "[zz]", 1)), 4, `no rule is called "zz"`},
		"itself":                       {corr(strings.Replace(good, "[a]", "[c]", 1)), 4, "in a circle"},
		"no condition":                 {corr(strings.Replace(good, "\ncondition: {gte: 2}", "", 1)), 4, "condition is missing"},
		"condition without operator":   {corr(strings.Replace(good, "gte: 2", "field: x", 1)), 7, "none of gt"},
		"unknown operator":             {corr(strings.Replace(good, "gte", "above", 1)), 7, `no "above"`},
		"threshold of text":            {corr(strings.Replace(good, "gte: 2", "gte: two", 1)), 7, "not a number"},
		"threshold that always holds":  {corr(strings.Replace(good, "gte: 2", "gte: 0", 1)), 7, "always holds"},
		"negative threshold":           {corr(strings.Replace(good, "gte: 2", "lt: -1", 1)), 7, "between 0 and"},
		"field of event_count":         {corr(strings.Replace(good, "gte: 2", "gte: 2, field: x", 1)), 7, "takes no field"},
		"value_count without field":    {corr(strings.Replace(good, "event_count", "value_count", 1)), 7, "takes a field or several"},
		"value_sum of two":             {corr(strings.NewReplacer("event_count", "value_sum", "gte: 2", "gte: 2, field: [x, y]").Replace(good)), 7, "takes one field"},
		"percentile is missing":        {corr(strings.NewReplacer("event_count", "value_percentile", "gte: 2", "gte: 2, field: x").Replace(good)), 7, "percentile is missing"},
		"percentile 101":               {corr(strings.NewReplacer("event_count", "value_percentile", "gte: 2", "gte: 2, field: x, percentile: 101").Replace(good)), 7, "0 to 100"},
		"percentile of event_count":    {corr(strings.Replace(good, "gte: 2", "gte: 2, percentile: 5", 1)), 7, "of value_percentile"},
		"expression of event_count":    {corr(strings.Replace(good, "{gte: 2}", "a", 1)), 4, "no mapping"},
		"expression of others":         {corr("type: temporal\nrules: [a]\ntimespan: 1m\ncondition: a and b"), 7, "no search identifier"},
		"expression of nothing":        {corr("type: temporal\nrules: [a]\ntimespan: 1m\ncondition: not a"), 7, "when nothing happens"},
		"expression that can't be met": {corr("type: temporal\nrules: [a]\ntimespan: 1m\ncondition: a and not a"), 7, "can't be met"},
		"ordered lt":                   {corr("type: temporal_ordered\nrules: [a]\ntimespan: 1m\ncondition: {lt: 2}"), 7, "temporal_ordered is gt, gte"},
		"ordered more than there are":  {corr("type: temporal_ordered\nrules: [a]\ntimespan: 1m\ncondition: {gte: 2}"), 7, "more rules are asked for"},
		"alias of another rule":        {corr(good + "\naliases:\n  x:\n    b: f"), 10, "none of the correlation's rules"},
		"alias that lacks a rule":      {corr(good + "\ngroup-by: [x]\naliases:\n  x: {}"), 10, `names no field of rule "a"`},
		"unknown key":                  {corr(good + "\nwindow: 1m"), 8, `no "window"`},
		"filter without rules":         {"id: f\nlogsource: {product: x}\nfilter:\n  s: {a: 1}\n  condition: s\n", 4, "rules is missing"},
		"filter without logsource":     {"id: f\nfilter:\n  rules: [a]\n  s: {a: 1}\n  condition: s\n", 3, "logsource is missing"},
		"filter without condition":     {"id: f\nlogsource: {product: x}\nfilter:\n  rules: [a]\n  s: {a: 1}\n", 4, "condition is missing"},
		"filter with a bad selection":  {"id: f\nlogsource: {product: x}\nfilter:\n  rules: [a]\n  s: {a|re: '('}\n  condition: s\n", 5, "regular expression"},
		"pipeline with another key":    {"pipeline: p\nrules: x\n", 2, "only logsource, fields"},
		"pipeline with an empty list":  {"pipeline: p\nfields:\n  a: []\n", 3, "stands for nothing"},
		"pipeline with a map":          {"pipeline: p\nfields:\n  a: {b: c}\n", 3, "stands for text"},
		"pipeline with a bad addition": {"pipeline: p\nadd:\n  a|nope: 1\n", 3, "unknown modifier"},
	} {
		t.Run(name, func(t *testing.T) {
			sources, errs := detect.Parse("a.yml", []byte(simple("a")[0]))
			more, bad := detect.Parse("x.yml", []byte(tc.text))
			if errs = append(errs, bad...); len(errs) == 0 {
				_, errs = detect.Compile(append(sources, more...))
			}
			if len(errs) != 1 {
				t.Fatalf("%d errors, want 1: %v", len(errs), errs)
			}
			if got := errs[0].Error(); !strings.HasPrefix(got, fmt.Sprintf("x.yml:%d: ", tc.line)) || !strings.Contains(got, tc.want) {
				t.Errorf("got %q, want line %d and %q", got, tc.line, tc.want)
			}
		})
	}
}

// TestContradictingPipelines holds that no outcome depends on the order of
// pipelines.
func TestContradictingPipelines(t *testing.T) {
	sources, _ := detect.Parse("x.yml", []byte(sigma("s: {U: x}\ncondition: s")+"---\npipeline: p\nfields: {U: a}\n---\npipeline: q\nfields: {U: b}\n"))
	_, errs := detect.Compile(sources)
	if len(errs) != 1 || !strings.Contains(errs[0].Error(), `x.yml:7: field "U" means one thing in pipeline p and another in q`) {
		t.Error(errs)
	}
}
