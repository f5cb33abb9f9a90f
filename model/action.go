package model

// ActionType is one of the typed changes of docs/model.md.
type ActionType string

// The action types.
const (
	UpgradeComponent ActionType = "upgrade-component"
	RebuildBase      ActionType = "rebuild-base"
	DropPrivilege    ActionType = "drop-privilege"
	DeleteBinding    ActionType = "delete-binding"
	SplitIdentity    ActionType = "split-identity"
	AddPolicy        ActionType = "add-policy"
	ShortenLifetime  ActionType = "shorten-lifetime"
	EnableLog        ActionType = "enable-log"
	AddRule          ActionType = "add-rule"
	TestRule         ActionType = "test-rule"
	TestPlaybook     ActionType = "test-playbook"
	RetireImage      ActionType = "retire-image"
)

// Action is one typed change of the estate. Its effect is stated in facts:
// those that it makes false and those that it makes true. Its worth is never
// stated, it is recomputed from them.
type Action struct {
	ID       string     `json:"id"`
	Type     ActionType `json:"type"`
	Title    string     `json:"title"`
	Assets   []Ref      `json:"assets"`
	Removes  []string   `json:"-"` // ids of facts and weaknesses that no longer hold
	Adds     []Fact     `json:"-"` // facts that hold afterwards
	Patch    string     `json:"-"` // the change as text (YAML, a Dockerfile line); empty where none can be given
	Evidence []Evidence `json:"-"`
}

// ActionID is stable for one type of change on the same assets.
func ActionID(t ActionType, assets ...Ref) string {
	parts := []string{string(t)}
	for _, a := range assets {
		parts = append(parts, a.String())
	}
	return string(t) + "-" + Fingerprint(parts...)[:8]
}
