package tlsconf

import (
	"crypto/tls"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// A suite is one of TLS 1.2 and before, under OpenSSL's name and with the groups that OpenSSL counts it to.
type suite struct {
	name   string
	id     uint16
	groups string
}

// suites are those that crypto/tls has, in the order of preference. Groups of weak ones are not part of DEFAULT.
var suites = []suite{
	{"ECDHE-ECDSA-AES256-GCM-SHA384", tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, "ECDHE ECDSA AES AES256 AESGCM SHA384 HIGH DEFAULT"},
	{"ECDHE-RSA-AES256-GCM-SHA384", tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384, "ECDHE aRSA AES AES256 AESGCM SHA384 HIGH DEFAULT"},
	{"ECDHE-ECDSA-CHACHA20-POLY1305", tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, "ECDHE ECDSA CHACHA20 HIGH DEFAULT"},
	{"ECDHE-RSA-CHACHA20-POLY1305", tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256, "ECDHE aRSA CHACHA20 HIGH DEFAULT"},
	{"ECDHE-ECDSA-AES128-GCM-SHA256", tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, "ECDHE ECDSA AES AES128 AESGCM SHA256 HIGH DEFAULT"},
	{"ECDHE-RSA-AES128-GCM-SHA256", tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, "ECDHE aRSA AES AES128 AESGCM SHA256 HIGH DEFAULT"},
	{"ECDHE-ECDSA-AES128-SHA256", tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256, "ECDHE ECDSA AES AES128 SHA256 HIGH DEFAULT"},
	{"ECDHE-RSA-AES128-SHA256", tls.TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256, "ECDHE aRSA AES AES128 SHA256 HIGH DEFAULT"},
	{"ECDHE-ECDSA-AES256-SHA", tls.TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA, "ECDHE ECDSA AES AES256 SHA SHA1 HIGH DEFAULT"},
	{"ECDHE-RSA-AES256-SHA", tls.TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA, "ECDHE aRSA AES AES256 SHA SHA1 HIGH DEFAULT"},
	{"ECDHE-ECDSA-AES128-SHA", tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA, "ECDHE ECDSA AES AES128 SHA SHA1 HIGH DEFAULT"},
	{"ECDHE-RSA-AES128-SHA", tls.TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA, "ECDHE aRSA AES AES128 SHA SHA1 HIGH DEFAULT"},
	{"AES256-GCM-SHA384", tls.TLS_RSA_WITH_AES_256_GCM_SHA384, "RSA kRSA aRSA AES AES256 AESGCM SHA384 HIGH DEFAULT"},
	{"AES128-GCM-SHA256", tls.TLS_RSA_WITH_AES_128_GCM_SHA256, "RSA kRSA aRSA AES AES128 AESGCM SHA256 HIGH DEFAULT"},
	{"AES128-SHA256", tls.TLS_RSA_WITH_AES_128_CBC_SHA256, "RSA kRSA aRSA AES AES128 SHA256 HIGH DEFAULT"},
	{"AES256-SHA", tls.TLS_RSA_WITH_AES_256_CBC_SHA, "RSA kRSA aRSA AES AES256 SHA SHA1 HIGH DEFAULT"},
	{"AES128-SHA", tls.TLS_RSA_WITH_AES_128_CBC_SHA, "RSA kRSA aRSA AES AES128 SHA SHA1 HIGH DEFAULT"},
	{"ECDHE-RSA-DES-CBC3-SHA", tls.TLS_ECDHE_RSA_WITH_3DES_EDE_CBC_SHA, "ECDHE aRSA 3DES SHA SHA1 MEDIUM"},
	{"DES-CBC3-SHA", tls.TLS_RSA_WITH_3DES_EDE_CBC_SHA, "RSA kRSA aRSA 3DES SHA SHA1 MEDIUM"},
}

// in tells whether the suite is called word or belongs to that group.
func (c *suite) in(word string) bool {
	return word == c.name || word == "ALL" || word == "COMPLEMENTOFDEFAULT" && !c.in("DEFAULT") ||
		slices.Contains(strings.Fields(c.groups), alias(word))
}

// alias gives groups that have several names one.
func alias(word string) string {
	switch word {
	case "EECDH", "kECDHE", "kEECDH":
		return "ECDHE"
	case "aECDSA":
		return "ECDSA"
	}
	return word
}

// parseCiphers reads a list as OpenSSL has them: names of suites and groups, parted by colons, commas or blanks. A+B are the
// suites of both, -A removes them, !A removes them for good, and +A puts them at the end. Names that mean nothing here are
// passed over, but something has to be left. An empty list is nil.
func parseCiphers(list string) ([]uint16, error) {
	if list == "" {
		return nil, nil
	}
	var chosen []*suite
	banned := map[*suite]bool{}
	for _, word := range strings.FieldsFunc(list, func(r rune) bool { return strings.ContainsRune(": ,;", r) }) {
		operator := word[0]
		if operator == '@' {
			continue // @STRENGTH, @SECLEVEL: the order is by strength already
		}
		if strings.IndexByte("-!+", operator) >= 0 {
			word = word[1:]
		}
		for i := range suites {
			c := &suites[i]
			if slices.ContainsFunc(strings.Split(word, "+"), func(w string) bool { return !c.in(w) }) {
				continue
			}
			at := slices.Index(chosen, c)
			switch operator {
			case '!':
				banned[c] = true
				fallthrough
			case '-':
				if at >= 0 {
					chosen = slices.Delete(chosen, at, at+1)
				}
			case '+':
				if at >= 0 {
					chosen = append(slices.Delete(chosen, at, at+1), c)
				}
			default:
				if at < 0 && !banned[c] {
					chosen = append(chosen, c)
				}
			}
		}
	}
	if len(chosen) == 0 {
		return nil, fmt.Errorf("Failed to configure ciphers: %s", list) //lint:ignore ST1005 operators search logs for this text
	}
	ids := make([]uint16, len(chosen))
	for i, c := range chosen {
		ids[i] = c.id
	}
	return ids, nil
}

// parseSuites reads a list of TLS 1.3 suites, parted by colons. An empty list is nil.
func parseSuites(list string) ([]uint16, error) {
	var ids []uint16
	for _, word := range strings.FieldsFunc(list, func(r rune) bool { return strings.ContainsRune(": ,", r) }) {
		at := slices.IndexFunc(tls.CipherSuites(), func(s *tls.CipherSuite) bool {
			return s.Name == word && slices.Contains(s.SupportedVersions, tls.VersionTLS13)
		})
		if at < 0 {
			return nil, fmt.Errorf("Failed to configure ciphersuites: %s", list) //lint:ignore ST1005 operators search logs for this text
		}
		ids = append(ids, tls.CipherSuites()[at].ID)
	}
	return ids, nil
}

// checkSuite ends a handshake of TLS 1.3 that has come to a suite which is not on the list: crypto/tls chooses by itself.
func checkSuite(st tls.ConnectionState, allowed []uint16) error {
	if st.Version == tls.VersionTLS13 && !slices.Contains(allowed, st.CipherSuite) {
		return errors.New("the cipher suite " + tls.CipherSuiteName(st.CipherSuite) + " is not among tls-ciphersuites")
	}
	return nil
}

// choose makes a configuration for one client that leaves one suite of TLS 1.2 and before: the first in the order of one
// side that the other has and a certificate of ours serves. crypto/tls would go by an order of its own.
func choose(t *tls.Config, hello *tls.ClientHelloInfo, order []uint16, preferOurs bool) *tls.Config {
	ours, theirs := order, hello.CipherSuites
	if !preferOurs {
		ours, theirs = theirs, ours
	}
	for _, id := range ours {
		if slices.Contains(theirs, id) && slices.ContainsFunc(t.Certificates, func(cert tls.Certificate) bool { return fits(id, &cert) }) {
			c := t.Clone()
			c.GetConfigForClient, c.CipherSuites = nil, []uint16{id}
			return c
		}
	}
	return nil
}

// fits tells whether a suite goes with a certificate's key.
func fits(id uint16, cert *tls.Certificate) bool {
	return strings.Contains(tls.CipherSuiteName(id), "ECDSA") == isECDSA(cert)
}
