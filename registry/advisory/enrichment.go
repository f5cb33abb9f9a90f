package advisory

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/scantling/scantling/model"
)

// EnrichmentFolder is where a folder of advisories keeps CISA's enrichment:
// its repository "vulnrichment", or a part of it.
const EnrichmentFolder = "vulnrichment"

// Bounds on enrichment.
const (
	maxCVE     = 4 << 20 // bytes of one record: the largest public ones have some 500 KiB
	maxEntries = 2 << 20 // files and folders that are looked at: there are some 200,000
)

// decision is what CISA decided of one CVE. An absent point is empty.
type decision struct {
	exploitation string
	automatable  model.Tri
	total        model.Tri
}

// Enrich sets the SSVC decision points of weaknesses from a folder of CVE
// records (CVE JSON 5, CVE-*.json at any depth) whose ADP containers hold
// them. Only the records of the weaknesses' CVEs are opened. It returns how
// many of the CVEs have a decision and what could not be read; the error is
// for a folder that can't be opened or holds no record at all, and for a
// context that ended.
//
// A weakness of several CVEs is automatable, total or exploited as any of them
// is, and surely not only where each has a decision.
func Enrich(ctx context.Context, dir string, weaknesses []model.Weakness) (decided int, missed []model.Incomplete, err error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return 0, nil, fmt.Errorf("opening enrichment: %w", err)
	}
	defer root.Close()
	l := &loader{ctx: ctx, dir: dir, root: root}
	decisions, err := l.decisions(cvesOf(weaknesses))
	if err != nil {
		return 0, nil, err
	}
	for i := range weaknesses {
		enrich(&weaknesses[i], decisions)
	}
	return len(decisions), l.incomplete, nil
}

func cvesOf(weaknesses []model.Weakness) map[string]bool {
	out := map[string]bool{}
	for _, w := range weaknesses {
		for _, cve := range w.CVEs {
			out[cve] = true
		}
	}
	return out
}

// decisions reads the records that are wanted.
func (l *loader) decisions(wanted map[string]bool) (map[string]decision, error) {
	out := map[string]decision{}
	entries, records := 0, 0
	err := fs.WalkDir(l.root.FS(), ".", func(name string, e fs.DirEntry, err error) error {
		switch {
		case l.ctx.Err() != nil:
			return l.ctx.Err()
		case err != nil:
			l.skip(name, "%v", plainError(err))
			return nil
		}
		if entries++; entries > maxEntries {
			l.skip(".", "more than %d files: the rest is not read", maxEntries)
			return fs.SkipAll
		}
		id, ok := strings.CutSuffix(path.Base(name), ".json")
		if !ok || !strings.HasPrefix(id, "CVE-") || !e.Type().IsRegular() {
			return nil
		}
		if records++; !wanted[id] {
			return nil
		}
		d, ok, err := l.decision(name, id)
		if err != nil {
			l.skip(name, "%v", plainError(err))
		} else if ok {
			out[id] = d
		}
		return nil
	})
	if err == nil && records == 0 {
		err = fmt.Errorf("opening enrichment: %s: no CVE record is in it", filepath.Clean(l.dir))
	}
	return out, err
}

// cveRecord is the part of a CVE record that is read.
type cveRecord struct {
	Metadata struct {
		ID string `json:"cveId"`
	} `json:"cveMetadata"`
	Containers struct {
		ADP []struct {
			Metrics []struct {
				Other struct {
					Type    string          `json:"type"`
					Content json.RawMessage `json:"content"`
				} `json:"other"`
			} `json:"metrics"`
		} `json:"adp"`
	} `json:"containers"`
}

// decision reads one record; ok tells whether it holds a decision. Of several
// the newest counts.
func (l *loader) decision(name, id string) (out decision, ok bool, err error) {
	file, err := l.regular(name)
	if err != nil {
		return out, false, err
	}
	defer file.Close()
	data, err := readBounded(file, maxCVE)
	if err != nil {
		return out, false, err
	}
	var r cveRecord
	if err := json.Unmarshal(data, &r); err != nil {
		return out, false, err
	}
	if r.Metadata.ID != id {
		return out, false, fmt.Errorf("it is the record of %q", clip(r.Metadata.ID))
	}
	var newest time.Time
	for _, adp := range r.Containers.ADP {
		for _, m := range adp.Metrics {
			if m.Other.Type != "ssvc" {
				continue
			}
			d, at, err := parseDecision(m.Other.Content)
			if err != nil {
				return out, false, err
			}
			if !ok || at.After(newest) {
				out, newest, ok = d, at, true
			}
		}
	}
	return out, ok, nil
}

// points are the values of the decision points that are known.
var (
	exploitations = map[string]string{"none": "none", "poc": "public poc", "public poc": "public poc", "active": "active"}
	answers       = map[string]model.Tri{"yes": model.Yes, "no": model.No}
	impacts       = map[string]model.Tri{"total": model.Yes, "partial": model.No}
)

func parseDecision(content []byte) (out decision, at time.Time, err error) {
	var ssvc struct {
		Timestamp string              `json:"timestamp"`
		Options   []map[string]string `json:"options"`
	}
	if err := json.Unmarshal(content, &ssvc); err != nil {
		return out, at, err
	}
	at, _ = time.Parse(time.RFC3339, ssvc.Timestamp) // without one it is the oldest
	for _, option := range ssvc.Options {
		for point, value := range option {
			value = strings.ToLower(value)
			known := true
			switch strings.ToLower(point) {
			case "exploitation":
				out.exploitation, known = exploitations[value]
			case "automatable":
				out.automatable, known = answers[value]
			case "technical impact":
				out.total, known = impacts[value]
			}
			if !known {
				return out, at, fmt.Errorf("%s is %q, which the decision tree doesn't have", clip(point), clip(value))
			}
		}
	}
	if out == (decision{}) {
		return out, at, errors.New("its SSVC entry holds no decision point")
	}
	return out, at, nil
}

// enrich sets what the decisions on its CVEs say of a weakness, and leaves the
// rest as it was.
func enrich(w *model.Weakness, decisions map[string]decision) {
	var known []decision
	for _, cve := range w.CVEs {
		if d, ok := decisions[cve]; ok {
			known = append(known, d)
		}
	}
	if len(known) == 0 {
		return
	}
	all := len(known) == len(w.CVEs)
	automatable := worst(known, all, func(d decision) model.Tri { return d.automatable })
	total := worst(known, all, func(d decision) model.Tri { return d.total })
	if automatable != model.DontSay {
		w.Automatable = automatable
	}
	if total != model.DontSay {
		w.TotalImpact = total
	}
	// What the CVSS vector still says of one point stays an assumption.
	w.Assumed = w.Assumed && (automatable == model.DontSay || total == model.DontSay)
	order := []string{"", "none", "public poc", "active"}
	most := 0
	for _, d := range known {
		at := slices.Index(order, d.exploitation)
		all = all && at > 0
		most = max(most, at)
	}
	if all || order[most] == "active" {
		w.Exploitation = order[most]
	}
}

// worst is yes where any decision is, no where each is, and else unknown.
func worst(list []decision, all bool, point func(decision) model.Tri) model.Tri {
	for _, d := range list {
		switch point(d) {
		case model.Yes:
			return model.Yes
		case model.DontSay:
			all = false
		}
	}
	if all {
		return model.No
	}
	return model.DontSay
}
