package model

import "time"

// Context is what the estate knew, when an alert's event happened, of the
// things that the alert names. A number in it was counted: what nobody could
// tell stands in Unknown, there or in its part, and is no zero.
type Context struct {
	// AsOf is since when the estate has been known to be so. Zero: nothing is
	// known.
	AsOf       time.Time         `json:"asOf,omitzero"`
	Workloads  []WorkloadContext `json:"workloads,omitempty"`  // in the order of the alert's assets
	Identities []IdentityContext `json:"identities,omitempty"` // likewise; those that the workloads act as come last
	Unknown    []Incomplete      `json:"unknown,omitempty"`
}

// WorkloadContext is one workload of an alert.
type WorkloadContext struct {
	Asset    string         `json:"asset"`              // key in the alert
	Key      string         `json:"key"`                // the estate's: the controller of a pod
	PlacedBy string         `json:"placedBy"`           // "key", "alias" (a pod that the cluster listed) or "name" (its name is made of the controller's)
	Owner    string         `json:"owner,omitempty"`    // by its labels, else by those of its images
	Exposed  string         `json:"exposed,omitempty"`  // public, inside or hidden
	Identity string         `json:"identity,omitempty"` // it acts as
	Images   []ImageContext `json:"images,omitempty"`
	Findings map[string]int `json:"findings,omitempty"` // of its own settings, by severity
	Blast    *BlastContext  `json:"blast,omitempty"`
	Unknown  []Incomplete   `json:"unknown,omitempty"`
}

// ImageContext is an image that a workload runs.
type ImageContext struct {
	Name       string         `json:"name"`
	Digest     string         `json:"digest,omitempty"`     // key of the image; empty: it was not read
	Advisories map[string]int `json:"advisories,omitempty"` // that touch it, by severity
	KEV        int            `json:"kev,omitempty"`        // of these, known to be exploited
	Worst      []string       `json:"worst,omitempty"`      // ids of the worst few: KEV first, then by severity and EPSS
}

// IdentityContext is one identity with the rights that attacks use.
type IdentityContext struct {
	Key    string   `json:"key"`
	Rights []string `json:"rights,omitempty"` // "ROLE rules[N]: VERBS on RESOURCES", sorted
	More   int      `json:"more,omitempty"`   // rights beyond those listed
}

// BlastContext counts what a workload leads to once it is broken into, itself
// left out.
type BlastContext struct {
	Workloads    int  `json:"workloads"`
	Secrets      int  `json:"secrets"`
	Nodes        int  `json:"nodes"`
	ClusterAdmin bool `json:"clusterAdmin"`
}
