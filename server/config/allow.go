package config

import (
	"net/netip"
	"slices"
	"strings"
)

// AllowRule is one word of allow-from: addresses from which connections may come. Listener says to which listeners they may
// come: "tcp", "tls", an address that is listened at, with or without its port, or "" for all.
type AllowRule struct {
	Listener string
	From     netip.Prefix
}

// String is the word.
func (r AllowRule) String() string {
	if r.Listener == "" {
		return r.From.String()
	}
	return r.Listener + "=" + r.From.String()
}

// Concerns tells whether the rule is about a listener of a kind ("tcp" or "tls") at an address.
func (r AllowRule) Concerns(kind string, at netip.AddrPort) bool {
	switch r.Listener {
	case "", kind:
		return true
	}
	if a, err := netip.ParseAddrPort(r.Listener); err == nil {
		return a == at
	}
	a, err := netip.ParseAddr(r.Listener)
	return err == nil && a == at.Addr()
}

// AllowsFrom tells whether a connection may come from an address to a listener. Listeners that no rule concerns are open.
func AllowsFrom(rules []AllowRule, kind string, at netip.AddrPort, from netip.Addr) bool {
	from = from.Unmap().WithZone("")
	concerned := false
	for _, r := range rules {
		if r.Concerns(kind, at) {
			if r.From.Contains(from) {
				return true
			}
			concerned = true
		}
	}
	return !concerned
}

const errAllowFrom = wording("each word must be an address or a range like 10.0.0.0/8, or LISTENER=RANGE, where LISTENER is tcp, tls, or an address that is listened at")

func parseAllowFrom(args []string) ([]AllowRule, error) {
	var rules []AllowRule
	for _, arg := range args {
		if arg == "" {
			continue
		}
		listener, text, found := strings.Cut(arg, "=")
		if !found {
			listener, text = "", arg
		}
		rule := AllowRule{Listener: strings.ToLower(listener)}
		if found && !isListener(rule.Listener) {
			return nil, errAllowFrom
		}
		prefix, err := netip.ParsePrefix(text)
		if err != nil {
			addr, err := netip.ParseAddr(text)
			if err != nil || addr.Zone() != "" {
				return nil, errAllowFrom
			}
			addr = addr.Unmap()
			prefix = netip.PrefixFrom(addr, addr.BitLen())
		}
		if prefix.Addr().Is4In6() { // addresses are compared as those of IPv4
			if prefix.Bits() < 96 {
				return nil, errAllowFrom
			}
			prefix = netip.PrefixFrom(prefix.Addr().Unmap(), prefix.Bits()-96)
		}
		rule.From = prefix.Masked()
		rules = append(rules, rule)
	}
	return rules, nil
}

func isListener(name string) bool {
	_, err1 := netip.ParseAddrPort(name)
	_, err2 := netip.ParseAddr(name)
	return name == "tcp" || name == "tls" || err1 == nil || err2 == nil
}

func formatAllowFrom(rules []AllowRule) string {
	words := make([]string, len(rules))
	for i, r := range rules {
		words[i] = r.String()
	}
	return joinWords(words)
}

func allowFromRow(field func(*Config) *Value[[]AllowRule]) *Row {
	r := special("allow-from", nil, field, parseAllowFrom, formatAllowFrom).multi()
	r.merge = func(old, more any) any { return slices.Concat(old.([]AllowRule), more.([]AllowRule)) }
	r.lines = func(v any) []line {
		if len(v.([]AllowRule)) == 0 {
			return []line{}
		}
		return []line{{formatAllowFrom(v.([]AllowRule)), true}}
	}
	return r
}

func parseSNICerts(args []string) ([]string, error) {
	if len(args) == 1 && args[0] == "" {
		args = nil
	}
	if len(args)%2 != 0 || slices.Contains(args, "") {
		return nil, wording("each certificate file must be followed by its key file")
	}
	return slices.Clone(args), nil
}

func sniCertsRow(field func(*Config) *Value[[]string]) *Row {
	r := special("tls-sni-certs", nil, field, parseSNICerts, joinWords).multi()
	r.merge = func(old, more any) any { return slices.Concat(old.([]string), more.([]string)) }
	r.lines = func(v any) []line {
		lines := []line{}
		for files := v.([]string); len(files) > 0; files = files[2:] {
			lines = append(lines, line{Quote(files[0]) + " " + Quote(files[1]), true})
		}
		return lines
	}
	return r
}
