package advisory

import (
	"slices"

	"github.com/scantling/scantling/model"
)

// Count counts weaknesses: of advisories that are aliases of one another, on
// one package of one image, the first alone, as the worst of them.
func Count(list []model.Weakness) Clears {
	var out Clears
	for _, same := range groups(list) {
		worst, kev := model.Info, false
		for _, i := range same {
			worst, kev = max(worst, list[i].Severity), kev || list[i].KEV
		}
		out.Matches++
		if kev {
			out.KEV++
		}
		switch worst {
		case model.Critical:
			out.Critical++
		case model.High:
			out.High++
		}
	}
	return out
}

// groups parts weaknesses into sets of aliases, each in the order of list:
// those of one place that share an id or an alias, and, directly or through
// others, what is shared with those.
func groups(list []model.Weakness) [][]int {
	type name struct{ image, component, path, id string }
	parent := make([]int, len(list))
	root := func(i int) int {
		for parent[i] != i {
			parent[i] = parent[parent[i]]
			i = parent[i]
		}
		return i
	}
	first := map[name]int{}
	for i, w := range list {
		parent[i] = i
		for _, id := range identities(w) {
			n := name{w.Image.Key, w.Component, w.Path, id}
			if j, ok := first[n]; ok {
				a, b := root(i), root(j)
				parent[max(a, b)] = min(a, b)
			} else {
				first[n] = i
			}
		}
	}
	members := map[int][]int{}
	var order []int
	for i := range list {
		r := root(i)
		if members[r] == nil {
			order = append(order, r)
		}
		members[r] = append(members[r], i)
	}
	out := make([][]int, len(order))
	for i, r := range order {
		out[i] = members[r]
	}
	return out
}

// identities are the names of the vulnerability itself: id and aliases, and
// the CVE where there is but one. Of several CVEs each is a part only.
func identities(w model.Weakness) []string {
	out := append([]string{w.Advisory}, w.Aliases...)
	if len(w.CVEs) == 1 {
		return append(out, w.CVEs[0])
	}
	return slices.DeleteFunc(out, func(id string) bool { return id != w.Advisory && slices.Contains(w.CVEs, id) })
}
