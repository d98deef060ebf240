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
	TLSAuthClientsUser     Enum[TLSUser]
	TLSSNICerts            Value[[]string] // certificate, key, certificate, key …: further ones, for the names in them
}

var tlsRows = []*Row{
	integer("tls-port", 0, 0, 65535, func(c *Config) *Int { return &c.TLSPort }),
	boolean("tls-cluster", false, func(c *Config) *Bool { return &c.TLSCluster }),
	boolean("tls-replication", false, func(c *Config) *Bool { return &c.TLSReplication }),
	enum("tls-auth-clients", TLSAuthYes, tlsAuthWords, func(c *Config) *Enum[TLSAuth] { return &c.TLSAuthClients }),
	optional("tls-cert-file", func(c *Config) *String { return &c.TLSCertFile }).reread(),
	optional("tls-key-file", func(c *Config) *String { return &c.TLSKeyFile }).reread(),
	optional("tls-key-file-pass", func(c *Config) *String { return &c.TLSKeyFilePass }).sensitive(),
	optional("tls-client-cert-file", func(c *Config) *String { return &c.TLSClientCertFile }).reread(),
	optional("tls-client-key-file", func(c *Config) *String { return &c.TLSClientKeyFile }).reread(),
	optional("tls-client-key-file-pass", func(c *Config) *String { return &c.TLSClientKeyFilePass }).sensitive(),
	optional("tls-dh-params-file", func(c *Config) *String { return &c.TLSDHParamsFile }).noEffect("keys are agreed on by elliptic curves only"),
	optional("tls-ca-cert-file", func(c *Config) *String { return &c.TLSCACertFile }).reread(),
	optional("tls-ca-cert-dir", func(c *Config) *String { return &c.TLSCACertDir }).reread(),
	optional("tls-protocols", func(c *Config) *String { return &c.TLSProtocols }),
	optional("tls-ciphers", func(c *Config) *String { return &c.TLSCiphers }),
	optional("tls-ciphersuites", func(c *Config) *String { return &c.TLSCiphersuites }),
	boolean("tls-prefer-server-ciphers", false, func(c *Config) *Bool { return &c.TLSPreferServerCiphers }),
	boolean("tls-session-caching", true, func(c *Config) *Bool { return &c.TLSSessionCaching }),
	integer("tls-session-cache-size", 20480, 0, math.MaxInt32, func(c *Config) *Int { return &c.TLSSessionCacheSize }).noEffect("sessions are kept by the clients, as sealed tickets"),
	integer("tls-session-cache-timeout", 300, 0, math.MaxInt32, func(c *Config) *Int { return &c.TLSSessionCacheTimeout }),
	enum("tls-auth-clients-user", TLSUserOff, tlsUserWords, func(c *Config) *Enum[TLSUser] { return &c.TLSAuthClientsUser }).larder(),
	sniCertsRow(func(c *Config) *Value[[]string] { return &c.TLSSNICerts }).larder().reread(),
}
