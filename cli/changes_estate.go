//go:build !scanner

package cli

import (
	"context"
	"time"

	"github.com/scantling/scantling/estate"
	"github.com/scantling/scantling/model"
)

// workloadsOf reads an estate for the workloads that run indexed images. One
// whose image is not indexed is incomplete: nothing is known of it.
func (a *app) workloadsOf(ctx context.Context, dir string) (workloads, error) {
	r, err := a.reader(ctx, dir, "", time.Now().UTC())
	if err != nil {
		return nil, err
	}
	return r.workloads, nil
}

func (r *reader) workloads(ctx context.Context, assets map[string]imageAsset) (map[string][]string, []model.Incomplete, error) {
	if err := r.infrastructure(ctx); err != nil {
		return nil, nil, err
	}
	known := model.Reading{Stage: model.Registry, Read: len(assets)}
	indexed := map[string]bool{}
	for digest, one := range assets {
		indexed[digest], indexed[one.Name] = true, true
		known.Assets = append(known.Assets, model.Asset{Ref: model.Ref{Kind: model.Image, Key: digest}, Name: one.Name, Aliases: one.Aliases})
	}
	attack, err := estate.Merge(r.attacks)
	if err != nil {
		return nil, nil, failed("joining the clusters: %w", err)
	}
	e := estate.Join(r.joinConfig(), attack, append(r.readings, known)...)
	e.Miss(append(r.found.incomplete, r.missed...)...)
	missed := e.Incomplete
	for _, u := range e.Unplaced {
		if u.Kind == model.Image && !indexed[u.Key] { // of those that are indexed only the Dockerfile is unknown
			missed = append(missed, model.Incomplete{What: u.Key, Why: "whether it is touched is unknown: " + u.Why})
		}
	}
	runs := map[string][]string{}
	for _, f := range e.FactsOf(model.Runs) {
		runs[f.Object.Key] = append(runs[f.Object.Key], f.Asset.Key)
	}
	return runs, missed, nil
}
