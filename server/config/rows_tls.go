package config

import "math"

// TLS: encrypted connections.
type TLS struct {
	TLSPort                Int
	TLSCluster             Bool
	TLSReplication         Bool
	TLSAuthClients         Enum[TLSAuth]
	TLSCertFile            String
	TLSKeyFile             String
	TLSKeyFilePass         String
	TLSClientCertFile      String
	TLSClientKeyFile       String
	TLSClientKeyFilePass   String
	TLSDHParamsFile        String
	TLSCACertFile          String
	TLSCACertDir           String
	TLSProtocols           String
	TLSCiphers             String
	TLSCiphersuites        String
	TLSPreferServerCiphers Bool
	TLSSessionCaching      Bool
	TLSSessionCacheSize    Int
	TLSSessionCacheTimeout Int // seconds
}

var tlsRows = []*Row{
	integer("tls-port", 0, 0, 65535, func(c *Config) *Int { return &c.TLSPort }).noEffect(noTLS),
	boolean("tls-cluster", false, func(c *Config) *Bool { return &c.TLSCluster }).noEffect(noCluster),
	boolean("tls-replication", false, func(c *Config) *Bool { return &c.TLSReplication }).noEffect(noTLS),
	enum("tls-auth-clients", TLSAuthYes, tlsAuthWords, func(c *Config) *Enum[TLSAuth] { return &c.TLSAuthClients }).noEffect(noTLS),
	optional("tls-cert-file", func(c *Config) *String { return &c.TLSCertFile }).reread().noEffect(noTLS),
	optional("tls-key-file", func(c *Config) *String { return &c.TLSKeyFile }).reread().noEffect(noTLS),
	optional("tls-key-file-pass", func(c *Config) *String { return &c.TLSKeyFilePass }).sensitive().noEffect(noTLS),
	optional("tls-client-cert-file", func(c *Config) *String { return &c.TLSClientCertFile }).reread().noEffect(noTLS),
	optional("tls-client-key-file", func(c *Config) *String { return &c.TLSClientKeyFile }).reread().noEffect(noTLS),
	optional("tls-client-key-file-pass", func(c *Config) *String { return &c.TLSClientKeyFilePass }).sensitive().noEffect(noTLS),
	optional("tls-dh-params-file", func(c *Config) *String { return &c.TLSDHParamsFile }).reread().noEffect(noTLS),
	optional("tls-ca-cert-file", func(c *Config) *String { return &c.TLSCACertFile }).reread().noEffect(noTLS),
	optional("tls-ca-cert-dir", func(c *Config) *String { return &c.TLSCACertDir }).reread().noEffect(noTLS),
	optional("tls-protocols", func(c *Config) *String { return &c.TLSProtocols }).noEffect(noTLS),
	optional("tls-ciphers", func(c *Config) *String { return &c.TLSCiphers }).noEffect(noTLS),
	optional("tls-ciphersuites", func(c *Config) *String { return &c.TLSCiphersuites }).noEffect(noTLS),
	boolean("tls-prefer-server-ciphers", false, func(c *Config) *Bool { return &c.TLSPreferServerCiphers }).noEffect(noTLS),
	boolean("tls-session-caching", true, func(c *Config) *Bool { return &c.TLSSessionCaching }).noEffect(noTLS),
	integer("tls-session-cache-size", 20480, 0, math.MaxInt32, func(c *Config) *Int { return &c.TLSSessionCacheSize }).noEffect(noTLS),
	integer("tls-session-cache-timeout", 300, 0, math.MaxInt32, func(c *Config) *Int { return &c.TLSSessionCacheTimeout }).noEffect(noTLS),
}
