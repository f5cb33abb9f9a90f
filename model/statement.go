package model

import "time"

// What a VEX statement may say of a vulnerability in a product.
const (
	NotAffected        = "not_affected"
	Affected           = "affected"
	Fixed              = "fixed"
	UnderInvestigation = "under_investigation"
)

// Statement is what the author of a VEX document says of a weakness. It says
// it of a match that stands: nothing is matched or unmatched by it.
type Statement struct {
	Status        string    `json:"status"`                  // one of the four above
	Justification string    `json:"justification,omitempty"` // why it isn't affected, as "component_not_present"
	Impact        string    `json:"impact,omitempty"`        // the same in a sentence
	Action        string    `json:"action,omitempty"`        // what to do where it is affected
	Author        string    `json:"author"`
	Document      string    `json:"document"` // the file
	Time          time.Time `json:"time,omitzero"`
}

// Favourable reports whether the statement says that there is nothing to do.
func (s *Statement) Favourable() bool {
	return s != nil && (s.Status == NotAffected || s.Status == Fixed)
}
