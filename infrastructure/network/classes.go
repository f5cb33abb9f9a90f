package network

import (
	"encoding/binary"
	"fmt"
	"maps"
	"slices"

	"github.com/scantling/scantling/infrastructure/network/policy"
)

// class is a set of endpoints that no policy tells apart.
//
// A class of pods on the host's network has a ghost: a second class of the
// same pods, which policies that leave open whether they see such pods don't
// see. So both readings are in one world: the pods as policies are written,
// and their ghosts.
type class struct {
	member  int // an endpoint of it
	host    bool
	ghost   bool
	shadow  int   // its ghost, itself where it has none or is one
	blocks  []int // address blocks like those of its pods' addresses, sorted
	members []int
}

// classify groups the endpoints by what policies can see of them: the values
// of the keys that some condition names, the numbers of the port names that
// some rule names, hostNetwork and the address blocks.
func (w *world) classify(m *mentions, space *addressSpace) {
	s := newSigner(w, m, space)
	bySignature := map[string]int{}
	for i := range w.endpoints {
		signature := s.of(&w.endpoints[i])
		at, known := bySignature[string(signature)]
		if !known {
			at = len(w.classes)
			bySignature[string(signature)] = at
			w.classes = append(w.classes, class{member: i, host: w.endpoints[i].host, shadow: at, blocks: slices.Clone(s.blocks)})
		}
		w.endpoints[i].class = at
		w.classes[at].members = append(w.classes[at].members, i)
	}
	for i := range len(w.classes) {
		if w.classes[i].host {
			ghost := w.classes[i]
			ghost.ghost, ghost.shadow = true, len(w.classes)
			w.classes[i].shadow = ghost.shadow
			w.classes = append(w.classes, ghost)
		}
	}
	w.fillSets(m, len(space.blocks))
}

func (w *world) fillSets(m *mentions, blocks int) {
	w.all = fill(len(w.classes) + blocks)
	w.pods, w.hosts, w.ghosts = w.none(), w.none(), w.none()
	w.postings = map[policy.Key]map[string][]int{}
	w.onNode, w.atBlock = map[string][]int{}, map[int][]int{}
	for i, c := range w.classes {
		w.pods.add(i)
		e := &w.endpoints[c.member]
		if c.ghost {
			w.ghosts.add(i)
		} else if c.host {
			w.hosts.add(i)
		}
		for _, b := range c.blocks {
			w.atBlock[b] = append(w.atBlock[b], i)
		}
		if len(c.blocks) == 0 {
			w.unplaced = append(w.unplaced, i)
		}
		if c.host && (m.nodes[0] || m.nodes[1]) {
			w.onNode[e.node] = append(w.onNode[e.node], i)
		}
		w.each(e, func(k policy.Key, value string) {
			if !m.keys[k] {
				return
			}
			if w.postings[k] == nil {
				w.postings[k] = map[string][]int{}
			}
			w.postings[k][value] = append(w.postings[k][value], i)
		})
	}
}

// each calls f with every key that an endpoint has.
func (w *world) each(e *endpoint, f func(k policy.Key, value string)) {
	for name, v := range e.labels {
		f(policy.Key{Of: policy.PodLabel, Name: name}, v)
	}
	for name, v := range w.spaces[e.space].Labels {
		f(policy.Key{Of: policy.NamespaceLabel, Name: name}, v)
	}
	f(policy.Key{Of: policy.NamespaceName}, w.spaces[e.space].Name)
	f(policy.Key{Of: policy.Account}, w.snapshot.Workloads[e.workload].ServiceAccount)
	for name, v := range w.accountLabels(e) {
		f(policy.Key{Of: policy.AccountLabel, Name: name}, v)
	}
	for name, v := range e.marks {
		f(policy.Key{Of: policy.Mark, Name: name}, v)
	}
}

// none returns an empty set of peers: classes, then address blocks.
func (w *world) none() set { return make(set, len(w.all)) }

// signer writes what policies can see of an endpoint as bytes. Texts are
// numbered, so that those of thousands of pods stay short.
type signer struct {
	w        *world
	m        *mentions
	space    *addressSpace
	texts    map[string]int
	labels   map[string]int // mentioned keys of pods
	marks    []string       // mentioned
	spaces   []int          // numbers of what is seen of each namespace
	accounts map[[2]int]int // by space and text: the same of accounts
	blocks   []int          // of the last endpoint, sorted
	pairs    []uint64
	buf      []byte
}

func newSigner(w *world, m *mentions, space *addressSpace) *signer {
	s := &signer{w: w, m: m, space: space, texts: map[string]int{}, labels: map[string]int{}, accounts: map[[2]int]int{}}
	for k := range m.keys {
		switch k.Of {
		case policy.PodLabel:
			s.labels[k.Name] = len(s.labels)
		case policy.Mark:
			s.marks = append(s.marks, k.Name)
		}
	}
	slices.Sort(s.marks)
	for i := range w.spaces {
		text := s.seen(policy.NamespaceLabel, w.spaces[i].Labels)
		if m.keys[policy.Key{Of: policy.NamespaceName}] {
			text += fmt.Sprintf("%q", w.spaces[i].Name)
		}
		s.spaces = append(s.spaces, s.number(text))
	}
	return s
}

func (s *signer) number(text string) int {
	n, known := s.texts[text]
	if !known {
		n = len(s.texts) + 1
		s.texts[text] = n
	}
	return n
}

// seen is what is mentioned of some labels, as one text.
func (s *signer) seen(of policy.Of, labels map[string]string) string {
	text := ""
	for _, name := range slices.Sorted(maps.Keys(labels)) {
		if s.m.keys[policy.Key{Of: of, Name: name}] {
			text += fmt.Sprintf("%q=%q ", name, labels[name])
		}
	}
	return text
}

func (s *signer) put(n int) { s.buf = binary.AppendUvarint(s.buf, uint64(n)) }

// of returns the signature, which holds until the next call.
func (s *signer) of(e *endpoint) []byte {
	s.buf, s.pairs, s.blocks = s.buf[:0], s.pairs[:0], s.blocks[:0]
	s.put(s.spaces[e.space])
	s.put(s.account(e))
	for name, v := range e.labels {
		if k, mentioned := s.labels[name]; mentioned {
			s.pairs = append(s.pairs, uint64(k)<<32|uint64(s.number(v)))
		}
	}
	slices.Sort(s.pairs)
	s.put(len(s.pairs))
	for _, p := range s.pairs {
		s.buf = binary.AppendUvarint(s.buf, p)
	}
	for _, name := range s.marks {
		if v, has := e.marks[name]; has {
			s.put(s.number(v))
		} else {
			s.put(0)
		}
	}
	s.putPorts(e)
	for _, ip := range e.ips {
		s.blocks = append(s.blocks, s.space.like[s.space.of(ip)])
	}
	slices.Sort(s.blocks)
	s.blocks = slices.Compact(s.blocks)
	s.put(len(s.blocks))
	for _, b := range s.blocks {
		s.put(b)
	}
	if e.host {
		s.put(1)
		if s.m.nodes[0] || s.m.nodes[1] {
			s.put(s.number(e.node))
		}
	}
	return s.buf
}

// account numbers what is seen of the account of a pod.
func (s *signer) account(e *endpoint) int {
	id := [2]int{e.space, s.number(s.w.snapshot.Workloads[e.workload].ServiceAccount)}
	n, known := s.accounts[id]
	if !known {
		text := s.seen(policy.AccountLabel, s.w.accountLabels(e))
		if s.m.keys[policy.Key{Of: policy.Account}] {
			text += fmt.Sprintf("%q", s.w.snapshot.Workloads[e.workload].ServiceAccount)
		}
		n = s.number(text)
		s.accounts[id] = n
	}
	return n
}

// putPorts writes the numbers of the port names that some rule names.
func (s *signer) putPorts(e *endpoint) {
	s.pairs = s.pairs[:0]
	for name, numbers := range e.ports {
		at, mentioned := slices.BinarySearchFunc(s.m.names, name, compareNamed)
		for _, n := range numbers {
			if mentioned {
				s.pairs = append(s.pairs, uint64(at)<<16|uint64(n))
			}
		}
	}
	slices.Sort(s.pairs)
	s.put(len(s.pairs))
	for _, p := range s.pairs {
		s.buf = binary.AppendUvarint(s.buf, p)
	}
}
