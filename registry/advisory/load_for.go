package advisory

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/scantling/scantling/model"
	"github.com/scantling/scantling/registry/image"
)

// LoadFor loads of a folder only what names a package of the images, as
// Library.LoadFor does. Matching them gives the same as with Load; other
// images have to be loaded for. The age of a feed, the releases that it covers
// and how many records it has are those of all of it. A record that names none
// of the packages is read no further than that, so that it counts as read
// whatever else is wrong with it.
func LoadFor(ctx context.Context, dir string, invs []*image.Inventory) (*DB, []model.Incomplete, error) {
	return loadPackages(ctx, dir, packagesOf(invs))
}

// packagesOf lists by base ecosystem the keys of what images hold.
func packagesOf(invs []*image.Inventory) map[string]map[key]bool {
	out := map[string]map[key]bool{}
	for _, inv := range invs {
		for _, p := range inv.Packages {
			base := baseOf(p.Ecosystem)
			if out[base] == nil {
				out[base] = map[key]bool{}
			}
			for _, k := range keysOf(p.Ecosystem, p.Source) {
				out[base][k] = true
			}
		}
	}
	return out
}

// brief is what counts of a record that names none of the packages.
type brief struct {
	id       string
	modified time.Time
	releases []string
}

// packageName is how a record names what is affected.
type packageName struct {
	Ecosystem string `json:"ecosystem"`
	Name      string `json:"name"`
}

// key is the one under which it is filed; the zero key where it isn't of the
// ecosystem base.
func (p packageName) key(base string) key {
	if p.Name == "" || base != "" && baseOf(p.Ecosystem) != base {
		return key{}
	}
	return key{canonicalEcosystem(p.Ecosystem), canonicalName(p.Ecosystem, p.Name)}
}

// parseBrief reads of a document as much as tells that it names none of the
// packages; nil where it does, or where that can't be told.
func parseBrief(data []byte, base string, wanted map[key]bool) *brief {
	var raw struct {
		ID        string `json:"id"`
		Modified  string `json:"modified"`
		Published string `json:"published"`
		Affected  []struct {
			Package packageName `json:"package"`
		} `json:"affected"`
	}
	if err := json.Unmarshal(data, &raw); err != nil {
		return nil
	}
	modified, _, err := dates(raw.ID, raw.Modified, raw.Published)
	if err != nil {
		return nil
	}
	b := &brief{id: raw.ID, modified: modified}
	for _, a := range raw.Affected {
		k := a.Package.key(base)
		if wanted[k] {
			return nil
		}
		if k != (key{}) && (len(b.releases) == 0 || b.releases[len(b.releases)-1] != k.ecosystem) {
			b.releases = append(b.releases, k.ecosystem)
		}
	}
	if len(b.releases) == 0 {
		return nil
	}
	return b
}

// dates checks the id and reads the times of a record.
func dates(id, modified, published string) (m, p time.Time, err error) {
	if id == "" || len(id) > maxVersion {
		return m, p, fmt.Errorf("it has no usable id")
	}
	if m, err = parseTime(modified); err != nil {
		return m, p, fmt.Errorf("%s: modified: %w", id, err)
	}
	if p, err = parseTime(published); err != nil {
		return m, p, fmt.Errorf("%s: published: %w", id, err)
	}
	return m, p, nil
}

// others files what was read in brief. Another document of the same record may
// name a package: the record is what both say, so that this one is decoded as
// well.
func (l *loader) others(f *feed, base string, all []decoded, documents []document) {
	wanted := map[string]bool{}
	for _, d := range all {
		if d.record != nil {
			wanted[d.record.ID] = true
		}
	}
	f.others = map[string]bool{}
	for i, d := range all {
		switch {
		case d.brief == nil:
		case wanted[d.brief.id]:
			all[i] = decodeOne(documents[i], base, nil)
		default:
			f.note(d.brief)
		}
	}
}

// note takes in a record that was read in brief.
func (f *feed) note(b *brief) {
	f.others[b.id] = true
	if b.modified.After(f.newest) {
		f.newest = b.modified
	}
	for _, release := range b.releases {
		f.releases[release] = true
	}
}
