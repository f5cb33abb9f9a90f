package model

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
)

// Evidence is one observation that a statement rests on. Secrets never
// appear in Value.
type Evidence struct {
	What  string `json:"what"`
	Where string `json:"where"`
	Value string `json:"value"`
}

// Edit replaces the bytes [Start, End) of File by New.
type Edit struct {
	File  string `json:"file"`
	Start int    `json:"start"`
	End   int    `json:"end"`
	New   string `json:"new"`
}

// Fix says how to resolve a finding. Safe means that the edits cannot change
// what the input does beyond the finding.
type Fix struct {
	Text  string `json:"text"`
	Safe  bool   `json:"safe"`
	Edits []Edit `json:"edits,omitempty"`
}

// Suppression is an accepted finding: listed, never counted.
type Suppression struct {
	Reason  string `json:"reason"`
	Owner   string `json:"owner"`
	Expires string `json:"expires"` // YYYY-MM-DD, or NoEnd
}

// NoEnd is the date of a suppression without one: a VEX statement holds until
// a newer one says otherwise.
const NoEnd = "9999-12-31"

// Finding is a verdict other than Pass, with its evidence. ID is the
// fingerprint of rule, asset and cause (see Fingerprint).
type Finding struct {
	ID         string       `json:"id"`
	Rule       string       `json:"rule"`
	Title      string       `json:"title"`
	Aliases    []string     `json:"aliases"`
	Stage      string       `json:"stage"`
	Control    string       `json:"control"`
	Severity   Severity     `json:"severity"`
	Verdict    Verdict      `json:"verdict"`
	Asset      FindingAsset `json:"asset"`
	Position   Position     `json:"position"`
	Message    string       `json:"message"`
	Evidence   []Evidence   `json:"evidence"`
	Fix        *Fix         `json:"fix,omitempty"`
	Suppressed *Suppression `json:"suppressed,omitempty"`
}

// FindingAsset is the short form of an asset that findings carry.
type FindingAsset struct {
	Kind Kind   `json:"kind"`
	Key  string `json:"key"`
	Name string `json:"name"`
}

// Fingerprint is stable for one rule, asset and cause, wherever in the file
// the cause stands: 16 hexadecimal digits.
func Fingerprint(parts ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	return hex.EncodeToString(sum[:8])
}

// Incomplete names an input, or a part of one, that was not read or not
// judged, and why. An empty list means that all that was named was read.
type Incomplete struct {
	What string `json:"what"`
	Why  string `json:"why"`
}

// Exception accepts one weakness or rule on one asset until a date. All of
// Reason, Owner and Expires (YYYY-MM-DD) are required.
type Exception struct {
	Advisory string `json:"advisory,omitempty"`
	Rule     string `json:"rule,omitempty"`
	Asset    string `json:"asset,omitempty"` // key or name; empty means every asset
	Reason   string `json:"reason"`
	Owner    string `json:"owner"`
	Expires  string `json:"expires"`
}
