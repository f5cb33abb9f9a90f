package cilium

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"github.com/scantling/scantling/infrastructure/kube"
	"github.com/scantling/scantling/infrastructure/network/policy"
)

// block adds the addresses of a prefix: only those that are neither a pod's nor
// a node's, unless Cilium is set to match nodes too.
func (r *reader) block(to *peers, depends string, block netip.Prefix, except []netip.Prefix) {
	to.add(depends, policy.Peer{Block: block, Except: except, Outside: true})
	if slices.Contains(strings.FieldsFunc(r.settings.data["policy-cidr-match-mode"], isSeparator), "nodes") {
		to.add(join(depends, "policy-cidr-match-mode has nodes: those with an address in a CIDR"), allNodes)
	}
}

func isSeparator(c rune) bool { return c == ',' || c == ' ' }

// parsePrefix reads a CIDR; an IPv4 address written as IPv6 is IPv4.
func parsePrefix(text string) (netip.Prefix, error) {
	p, err := netip.ParsePrefix(text)
	if err != nil {
		return p, fmt.Errorf("%q is no CIDR", short(text))
	}
	if p.Addr().Is4In6() && p.Bits() >= 96 {
		p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
	}
	return p.Masked(), nil
}

func (r *reader) cidrs(o object, field string, _ scope, to *peers) (int, error) {
	list, _, err := o.texts(field)
	if err != nil {
		return 0, err
	}
	for _, text := range list {
		block, err := parsePrefix(text)
		if err != nil {
			address, bad := netip.ParseAddr(text)
			if bad != nil || address.Zone() != "" {
				return 0, fmt.Errorf("%s: %w", o.at(field), err)
			}
			address = address.Unmap()
			block = netip.PrefixFrom(address, address.BitLen())
		}
		r.block(to, "", block, nil)
	}
	return len(list), nil
}

func (r *reader) cidrSets(o object, field string, _ scope, to *peers) (int, error) {
	list, _, err := o.objects(field)
	if err != nil {
		return 0, err
	}
	for _, item := range list {
		if err := r.cidrSet(item, to); err != nil {
			return 0, err
		}
	}
	return len(list), nil
}

// cidrSet reads a prefix, or groups of them, without exceptions.
func (r *reader) cidrSet(o object, to *peers) error {
	text, err := o.text("cidr")
	if err != nil {
		return err
	}
	group, err := o.text("cidrGroupRef")
	if err != nil {
		return err
	}
	labels, selects, err := o.object("cidrGroupSelector")
	if err != nil {
		return err
	}
	named := 0
	for _, has := range []bool{text != "", group != "", selects} {
		if has {
			named++
		}
	}
	if named != 1 {
		return fmt.Errorf("%s has to have one of cidr, cidrGroupRef and cidrGroupSelector", o.path)
	}
	except, err := exceptions(o)
	if err != nil {
		return err
	}
	unknown := o.unknown("cidr cidrGroupRef cidrGroupSelector except")
	switch {
	case group != "":
		return r.groupNamed(o, group, unknown, except, to)
	case selects:
		return r.groupsOf(labels, unknown, except, to)
	}
	block, err := parsePrefix(text)
	if err != nil {
		return fmt.Errorf("%s: %w", o.at("cidr"), err)
	}
	for _, e := range except {
		if e.Addr().Is4() != block.Addr().Is4() || e.Bits() < block.Bits() || !block.Contains(e.Addr()) {
			return fmt.Errorf("%s: %s is not within %s", o.at("except"), e, block)
		}
	}
	r.block(to, unknown, block, except)
	return nil
}

func exceptions(o object) ([]netip.Prefix, error) {
	list, _, err := o.texts("except")
	if err != nil {
		return nil, err
	}
	var except []netip.Prefix
	for _, text := range list {
		block, err := parsePrefix(text)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", o.at("except"), err)
		}
		except = append(except, block)
	}
	return except, nil
}

// groupNamed adds the prefixes of one CiliumCIDRGroup.
func (r *reader) groupNamed(o object, name, unknown string, except []netip.Prefix, to *peers) error {
	if g := r.named.groups[name]; g != nil {
		return r.group(g, unknown, except, to)
	}
	to.add(join(unknown, fmt.Sprintf("the CiliumCIDRGroup %s was not read", short(name))), outside...)
	return nil
}

// groupsOf adds those of the groups that a selector matches.
func (r *reader) groupsOf(labels object, unknown string, except []netip.Prefix, to *peers) error {
	s, err := newSelector(labels)
	if err != nil {
		return err
	}
	if err := r.look(len(r.named.groups)); err != nil {
		return err
	}
	unknown = join(unknown, s.depends)
	for _, name := range slices.Sorted(maps.Keys(r.named.groups)) {
		if g := r.named.groups[name]; s.plain(g.Labels()) {
			if err := r.group(g, unknown, except, to); err != nil {
				return err
			}
		}
	}
	return nil
}

// plain evaluates a selector on the labels of an object that is no endpoint.
func (s selector) plain(labels map[string]string) bool {
	return !slices.ContainsFunc(s.all, func(req requirement) bool {
		value, has := labels[req.key]
		return !req.holds(value, has)
	})
}

func (r *reader) group(g *kube.Object, depends string, except []netip.Prefix, to *peers) error {
	spec, _, err := object{"", g.Raw}.object("spec")
	if err != nil {
		return fmt.Errorf("%s: %w", g, err)
	}
	list, _, err := spec.texts("externalCIDRs")
	if err != nil {
		return fmt.Errorf("%s: %w", g, err)
	}
	if err := r.spend(len(list)); err != nil {
		return err
	}
	for _, text := range list {
		block, err := parsePrefix(text)
		if err != nil {
			return fmt.Errorf("%s: %w", g, err)
		}
		r.block(to, depends, block, except)
	}
	return nil
}
