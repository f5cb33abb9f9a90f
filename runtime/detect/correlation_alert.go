package detect

import (
	"fmt"
	"strings"
	"time"

	"github.com/scantling/scantling/model"
)

// alert describes a group that met its condition. It stands at the match that
// came last, and its id is that of the match in its group.
func (c *correlator) alert(k *correlation, g *group, value float64) model.Alert {
	t := g.trigger
	a := model.Alert{
		Schema: 1,
		ID:     model.Fingerprint("alert", k.ID, g.key, t.key),
		Rule:   k.ID,
		Title:  k.Title,
		Level:  k.Level,
		Time:   time.UnixMicro(t.at).UTC(),
		Source: t.stream,
		Index:  t.index,
		Assets: append([]model.Ref{}, t.assets...),
		Attack: append([]string{}, k.Attack...),
		Fields: map[string]string{
			"correlation": k.kind,
			"from":        time.UnixMicro(g.first).UTC().Format(time.RFC3339Nano),
			"event":       clip(t.key),
		},
	}
	if k.sequences == nil {
		a.Fields["value"] = fmt.Sprint(value)
	}
	if t.actor != "" {
		a.Fields["actor"] = clip(t.actor)
	}
	if k.Author != "" {
		a.Fields["author"] = clip(k.Author)
	}
	for i, name := range k.groupBy {
		if k.shown[i] && len(g.values[i]) > 0 {
			a.Fields["group."+name] = clip(strings.Join(g.values[i], ", "))
		}
	}
	return a
}
