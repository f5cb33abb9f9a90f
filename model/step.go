package model

// Step is one proved move of an attack, as reports show it. Needs holds the
// indexes of earlier steps of the same derivation that it rests on.
type Step struct {
	Edge   string  `json:"edge"`
	From   string  `json:"from"`
	To     string  `json:"to"`
	Needs  []int   `json:"needs"`
	Why    []Proof `json:"why"`
	Attack string  `json:"attack"`
}

// Proof names the object, the field of it, and the rule (of a Role, of a
// NetworkPolicy, by index) that make a step possible.
type Proof struct {
	Object string `json:"object"`
	Field  string `json:"field"`
	Rule   string `json:"rule"`
}
