package advisory

import (
	"cmp"
	"crypto/sha256"
	"encoding/json"
	"slices"
	"strings"
	"time"
)

// meaning identifies what a record says: two records of one meaning match the
// same packages with the same result.
type meaning [16]byte

// meaning is the hash of all that is evaluated or joined by: id, withdrawn,
// aliases, upstream, related, scores and severity words, and the affected
// packages with their ranges and versions. Lists whose order says nothing are
// sorted; events keep theirs, because an interval is written as two events
// that follow one another. Of the summary of records of rpm the streams count
// that it names (streamOf). Modified and published bear no meaning here, and
// details, references and credits are not even read.
func (r *Record) meaning() meaning {
	c := *r
	c.Summary, c.Modified, c.Published = strings.Join(r.streams(), " "), time.Time{}, time.Time{}
	c.Aliases, c.Upstream, c.Related = union(r.Aliases, nil), union(r.Upstream, nil), union(r.Related, nil)
	c.Scores = sortedScores(r.Scores)
	c.Affected = make([]Affected, len(r.Affected))
	for i, a := range r.Affected {
		a.Versions, a.Scores, a.Ranges = union(a.Versions, nil), sortedScores(a.Scores), sortedByText(a.Ranges)
		c.Affected[i] = a
	}
	c.Affected = sortedByText(c.Affected)
	return meaningOf(encoded(c))
}

// meaningOf hashes bytes.
func meaningOf(data []byte) meaning {
	sum := sha256.Sum256(data)
	return meaning(sum[:len(meaning{})])
}

func encoded(v any) []byte {
	data, err := json.Marshal(v)
	if err != nil {
		panic(err) // plain structs of texts
	}
	return data
}

func sortedScores(list []Score) []Score {
	out := slices.Clone(list)
	slices.SortFunc(out, func(a, b Score) int { return cmp.Or(cmp.Compare(a.Type, b.Type), cmp.Compare(a.Score, b.Score)) })
	return slices.Compact(out)
}

// sortedByText orders values by how they are written, each once; no values
// are an empty list, so that none and nil are one.
func sortedByText[T any](list []T) []T {
	type written struct {
		value T
		text  string
	}
	all := make([]written, len(list))
	for i, v := range list {
		all[i] = written{v, string(encoded(v))}
	}
	slices.SortFunc(all, func(a, b written) int { return strings.Compare(a.text, b.text) })
	all = slices.CompactFunc(all, func(a, b written) bool { return a.text == b.text })
	out := make([]T, len(all))
	for i, w := range all {
		out[i] = w.value
	}
	return out
}
