package main

import (
	"context"
	"encoding/json"
	"strings"

	"github.com/scantling/scantling/model"
	"github.com/scantling/scantling/registry/advisory"
	"github.com/scantling/scantling/registry/index"
)

// shelf keeps advisories in the store, found by id and by package. It stands
// for the library of a feed, whose records are larger by their texts.
type shelf struct{ records index.Records }

const (
	kindRecord  = "advisory"
	kindAffects = "advisory-affects"
)

// cutEcosystem parts "Debian:12" into "Debian" and "12".
func cutEcosystem(ecosystem string) (base, release string, ok bool) {
	return strings.Cut(ecosystem, ":")
}

// writes store a record that is new or has changed in its ranges alone.
func (shelf) writes(c index.Change) []model.Write {
	body, err := json.Marshal(c.New)
	if err != nil {
		panic(err) // plain structs of texts
	}
	out := []model.Write{{Record: model.Record{Kind: kindRecord, Key: c.Ecosystem + "\x00" + c.ID, Body: body}}}
	for _, a := range c.New.Affected {
		out = append(out, model.Write{Record: model.Record{Kind: kindAffects, Key: strings.Join([]string{a.Ecosystem, a.Name, c.ID}, "\x00")}})
	}
	return out
}

// Of implements index.Advisories. All records here name a release, where there
// are any.
func (s shelf) Of(ctx context.Context, ecosystem, name string) ([]*advisory.Record, error) {
	base, _, _ := cutEcosystem(ecosystem)
	prefix := ecosystem + "\x00" + name
	var out []*advisory.Record
	for r, err := range s.records.Scan(ctx, kindAffects, prefix+"\x00", prefix+"\x01") {
		if err != nil {
			return nil, err
		}
		id := r.Key[strings.LastIndexByte(r.Key, 0)+1:]
		full, _, err := s.records.Get(ctx, kindRecord, base+"\x00"+id)
		if err != nil {
			return nil, err
		}
		one := &advisory.Record{}
		if err := json.Unmarshal(full.Body, one); err != nil {
			return nil, err
		}
		out = append(out, one)
	}
	return out, nil
}
