package notify

import (
	"cmp"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/scantling/scantling/model"
	"github.com/scantling/scantling/notify/format"
	"github.com/scantling/scantling/notify/sink"
)

// DefaultWindow is how long alerts are grouped where nobody says otherwise.
const DefaultWindow = 5 * time.Minute

// mostWindow bounds a window: longer than a day nobody wants to wait.
const mostWindow = 24 * time.Hour

// Config is one sink as a user configures it.
type Config struct {
	Name   string // empty: made of the address
	Window string // "5m", "none"; empty: DefaultWindow
	By     By     // empty: ByAsset
	Level  string // least severity; empty: all
	sink.Config
}

var nameForm = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,62}[a-z0-9])?$`)

// Open prepares sinks. Its error holds every problem, each with the name of
// its sink; then none is open. Nothing is connected to yet.
func Open(cfgs []Config, o format.Options) ([]Output, error) {
	var out []Output
	var problems []error
	taken := map[string]bool{}
	for i, c := range cfgs {
		c.Name = cmp.Or(c.Name, nameOf(c.To))
		opened, err := c.open(o)
		if err == nil && taken[c.Name] {
			err = errors.New("another sink has this name")
		}
		taken[c.Name] = true
		if err != nil {
			problems = append(problems, fmt.Errorf("sink %d, %s: %w", i+1, c.Name, err))
			continue
		}
		out = append(out, opened)
	}
	if len(problems) > 0 {
		for _, o := range out {
			problems = append(problems, o.Sink.Close())
		}
		return nil, errors.Join(problems...)
	}
	return out, nil
}

func (c Config) open(o format.Options) (Output, error) {
	out := Output{Name: c.Name, By: cmp.Or(c.By, ByAsset), Window: DefaultWindow, To: sink.Name(c.To)}
	var problems []error
	if !nameForm.MatchString(c.Name) {
		problems = append(problems, fmt.Errorf("name %q: use lower-case letters, digits and hyphens, at most 64", c.Name))
	}
	if out.By != ByAsset && out.By != ByIdentity {
		problems = append(problems, fmt.Errorf("grouping by %q: use asset or identity", c.By))
	}
	switch window, err := time.ParseDuration(c.Window); {
	case c.Window == "":
	case c.Window == "none":
		out.Window = 0
	case err != nil || window <= 0 || window > mostWindow:
		problems = append(problems, fmt.Errorf("window %q: use a time as 5m, at most 24h, or none", c.Window))
	default:
		out.Window = window
	}
	if c.Level != "" {
		level, err := model.ParseSeverity(c.Level)
		if err != nil {
			problems = append(problems, err)
		}
		out.Level = level
	}
	if len(problems) > 0 {
		return Output{}, errors.Join(append(problems, sink.Check(c.Config))...)
	}
	s, err := sink.Open(c.Config, o)
	out.Sink = s
	return out, err
}

// nameOf makes a name of an address: its kind and host, and a fingerprint, so
// that two paths of one host are two sinks.
func nameOf(to string) string {
	shown := sink.Name(to)
	word := strings.Trim(regexp.MustCompile(`[^a-z0-9]+`).ReplaceAllString(strings.ToLower(shown), "-"), "-")
	return strings.Trim(word[:min(len(word), 40)], "-") + "-" + model.Fingerprint("sink", to)[:8]
}

// Parse reads a sink from one text: the address, and after a # what else there
// is to say, as in `splunk+https://splunk.example:8088#secretEnv=TOKEN&window=10m`.
// Keys are name, format, secretEnv, secretFile, ca, sasl, index, tenant, ack,
// batch, window, by and level. A secret itself has no place in it.
func Parse(text string) (Config, error) {
	to, rest, _ := strings.Cut(text, "#")
	c := Config{Config: sink.Config{To: to}}
	values, err := url.ParseQuery(rest)
	if err != nil {
		return Config{}, errors.New("what follows # is no list of key=value")
	}
	texts := map[string]*string{
		"name": &c.Name, "format": &c.Format, "secretEnv": &c.Secret.Env, "secretFile": &c.Secret.File, "ca": &c.CA,
		"sasl": &c.SASL, "index": &c.Index, "tenant": &c.Tenant, "window": &c.Window, "by": (*string)(&c.By), "level": &c.Level,
	}
	flags := map[string]*bool{"ack": &c.Ack, "batch": &c.Batch}
	for k, list := range values {
		value := list[len(list)-1]
		switch {
		case texts[k] != nil:
			*texts[k] = value
		case flags[k] != nil:
			if *flags[k], err = strconv.ParseBool(value); err != nil {
				return Config{}, fmt.Errorf("%s is true or false", k)
			}
		default:
			known := []string{"ack", "batch"}
			for name := range texts {
				known = append(known, name)
			}
			slices.Sort(known)
			return Config{}, fmt.Errorf("unknown key %q after #%s", k, nearest(k, known))
		}
	}
	return c, sink.Check(c.Config)
}

func nearest(word string, known []string) string {
	if near := model.Nearest(word, known); near != "" {
		return fmt.Sprintf(": the nearest is %q", near)
	}
	return ""
}
