package signal

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/scantling/scantling/model"
	"github.com/scantling/scantling/rule"
)

// checks are the functions that alarms of the catalogue name.
var checks = map[string]rule.Check[*state]{
	"silent-source":      silentSource,
	"growing-lag":        growingLag,
	"level-seen-too-low": levelSeenTooLow,
	"policy-too-low":     policyTooLow,
	"field-never-seen":   fieldNeverSeen,
	"log-never-received": logNeverReceived,
	"records-refused":    recordsRefused,
	"records-damaged":    recordsDamaged,
	"policy-changed":     policyChanged,
	"records-lost":       recordsLost,
	"webhook-blocking":   webhookBlocking,
}

// alarmOf is a hit with the cause that tells it from others, the beginning
// that tells it from the same one at another time, and the kind of log.
func alarmOf(cause, log, begun, message string) rule.Hit {
	h := rule.Hit{Verdict: model.Fail, Cause: cause, Message: message, Evidence: []model.Evidence{{What: sinceKey, Value: begun}}}
	if log != "" {
		h.Evidence = append(h.Evidence, model.Evidence{What: "log", Value: log})
	}
	return h
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }

// day is the beginning of what holds for long: a restart on the same day is
// the same alarm.
func day(t time.Time) string { return t.UTC().Format(time.DateOnly) }

// sorted are the sources in order of kind and stream.
func (s *state) sorted() []sourceKey {
	return slices.SortedFunc(maps.Keys(s.sources), func(a, b sourceKey) int {
		return cmp.Or(strings.Compare(a.kind, b.kind), strings.Compare(a.stream, b.stream))
	})
}

func silentSource(s *state) []rule.Hit {
	var out []rule.Hit
	for _, key := range s.sorted() {
		one := s.sources[key]
		most, told := s.cfg.Silence[key.String()]
		if !told {
			most, told = s.cfg.Silence[key.kind]
		}
		how := "told"
		if !told {
			most, how = one.expected(), "learned from its gaps"
		}
		if silent := s.now.Sub(one.last); silent > most && (told || one.count >= learnedAfter) {
			out = append(out, alarmOf(key.String(), key.kind, stamp(one.last),
				fmt.Sprintf("%s has said nothing since %s; at most %s is expected, %s", key, stamp(one.last), most.Round(time.Second), how)))
		}
	}
	return out
}

func growingLag(s *state) []rule.Hit {
	var out []rule.Hit
	for _, key := range s.sorted() {
		one := s.sources[key]
		if !one.lagging {
			continue
		}
		w := one.latest
		parts := ""
		if w.received {
			parts = fmt.Sprintf(": %s until they come in, %s until they are judged", w.receipt.Round(time.Second), (w.lag - w.receipt).Round(time.Second))
		}
		if one.grows() {
			parts += "; it grows"
		}
		out = append(out, alarmOf(key.String(), key.kind, stamp(one.begun), fmt.Sprintf("events of %s are judged %s after they happen%s", key, w.lag.Round(time.Second), parts)))
	}
	if old := s.counters.Oldest; !old.IsZero() && s.now.Sub(old) > s.cfg.Lag {
		out = append(out, alarmOf("backlog", "", stamp(old), fmt.Sprintf("records that came in at %s are not judged yet", stamp(old))))
	}
	return out
}

func levelSeenTooLow(s *state) []rule.Hit {
	low := s.levels.tooLow()
	var out []rule.Hit
	for _, id := range slices.Sorted(maps.Keys(low)) {
		var names []string
		begun, need := time.Time{}, ""
		for _, a := range low[id] {
			names = append(names, a.name)
			if begun.IsZero() || a.begun.Before(begun) {
				begun = a.begun
			}
			if rank(a.need) > rank(need) {
				need = a.need
			}
		}
		out = append(out, alarmOf(id, "kubernetes-audit", day(begun), fmt.Sprintf("%s needs %s for %s, the records have less", id, need, Join(names))))
	}
	return out
}

func policyTooLow(s *state) []rule.Hit {
	var out []rule.Hit
	for _, f := range s.starved {
		out = append(out, alarmOf(f.Rule.ID, "kubernetes-audit", s.policy.Digest, strings.Join(s.policy.Problems(f), "; ")))
	}
	return out
}

func fieldNeverSeen(s *state) []rule.Hit {
	var out []rule.Hit
	for _, n := range s.fields.Never(EnoughEvents) {
		if len(n.Dead) > 0 {
			out = append(out, alarmOf(n.Kind+" "+n.Field, n.Kind, "", n.String()))
		}
	}
	return out
}

// maxNamed is how many rules a message names.
const maxNamed = 8

// named joins ids, the first of them.
func named(ids []string) string {
	text := strings.Join(ids[:min(len(ids), maxNamed)], " ")
	if more := len(ids) - maxNamed; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}

// String is a line about the field.
func (n Never) String() string {
	text := fmt.Sprintf("field %s is in none of %d events of %s: asked for by %s", n.Field, n.Events, n.Kind, named(n.Rules))
	if len(n.Dead) > 0 {
		text += "; can't match without: " + named(n.Dead)
	}
	return text
}

// logNeverReceived looks at rules of which no log came, by the first of their
// kinds: one that is read in another form is not missed.
func logNeverReceived(s *state) []rule.Hit {
	if s.now.Sub(s.started) < s.cfg.WarmUp {
		return nil
	}
	waiting := map[string][]string{}
	for _, r := range s.rules.Rules() {
		if r.Silent || len(r.Kinds) == 0 || slices.ContainsFunc(r.Kinds, func(k string) bool { return s.kinds[k] }) {
			continue
		}
		waiting[r.Kinds[0]] = append(waiting[r.Kinds[0]], r.ID)
	}
	var out []rule.Hit
	for _, kind := range slices.Sorted(maps.Keys(waiting)) {
		out = append(out, alarmOf(kind, kind, day(s.started), fmt.Sprintf("no event of %s came since %s: %s wait for it", kind, stamp(s.started), named(waiting[kind]))))
	}
	return out
}

func recordsRefused(s *state) []rule.Hit {
	shed, _ := s.shed.sum(s.now)
	if shed == 0 {
		return nil
	}
	return []rule.Hit{alarmOf("webhook", "", stamp(s.shed.begun), fmt.Sprintf("%d requests were refused within %s because too many came", shed, quietAfter))}
}

func recordsDamaged(s *state) []rule.Hit {
	dead, total := s.dead.sum(s.now)
	if dead < leastDead || float64(dead) < deadShare*float64(total) {
		return nil
	}
	return []rule.Hit{alarmOf("records", "", stamp(s.dead.begun), fmt.Sprintf("%d of %d records within %s are no events", dead, max(total, dead), quietAfter))}
}

func policyChanged(s *state) []rule.Hit {
	if s.before == nil || s.now.Sub(s.changedAt) >= changeTold {
		return nil
	}
	was := map[string]bool{}
	for _, f := range s.before.Feeds(s.rules) {
		was[f.Rule.ID] = f.Verdict != Fed && f.Verdict != Unknown
	}
	var worse []string
	for _, f := range s.starved {
		if !was[f.Rule.ID] {
			worse = append(worse, f.Rule.ID)
		}
	}
	message := "the audit policy is another one; it feeds every detection that it fed before"
	if len(worse) > 0 {
		message = "the audit policy is another one; it no longer feeds " + named(worse)
	}
	return []rule.Hit{alarmOf(s.policy.Digest, "kubernetes-audit", stamp(s.changedAt), message)}
}

func recordsLost(s *state) []rule.Hit {
	lost, _ := s.lost.sum(s.now)
	if lost == 0 {
		return nil
	}
	return []rule.Hit{alarmOf("log", "", stamp(s.lost.begun), fmt.Sprintf("the log of records has %d gaps, seen within %s: what was there is not judged", lost, quietAfter))}
}

func webhookBlocking(s *state) []rule.Hit {
	if s.blocking.IsZero() {
		return nil
	}
	return []rule.Hit{alarmOf("webhook", "kubernetes-audit", stamp(s.blocking), "the API server posts each event by itself and seems to wait for the answer")}
}
