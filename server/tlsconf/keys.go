package tlsconf

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/des"
	"crypto/pbkdf2"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"hash"
)

var (
	errNoKey       = errors.New("the file holds no private key")
	errPassword    = errors.New("the password is wrong or missing (tls-key-file-pass)")
	errUnknownSeal = errors.New("the key is encrypted in a way that is not known here; use AES and PBKDF2")
)

// decryptKey makes a key file plain if it is under a password. There are two forms: the old one, with the method in the
// header of the PEM block, and PKCS #8. A file that is plain stays as it is.
func decryptKey(text []byte, password string) ([]byte, error) {
	for rest := text; ; {
		var b *pem.Block
		if b, rest = pem.Decode(rest); b == nil {
			return text, nil // crypto/tls says what is wrong with it
		}
		switch {
		//lint:ignore SA1019 keys in this form exist, and how well they are sealed is their owner's choice
		case x509.IsEncryptedPEMBlock(b):
			if password == "" {
				return nil, errPassword
			}
			//lint:ignore SA1019 as above
			der, err := x509.DecryptPEMBlock(b, []byte(password))
			if err != nil {
				return nil, errPassword
			}
			return pem.EncodeToMemory(&pem.Block{Type: b.Type, Bytes: der}), nil
		case b.Type == "ENCRYPTED PRIVATE KEY":
			if password == "" {
				return nil, errPassword
			}
			der, err := decryptPKCS8(b.Bytes, []byte(password))
			if err != nil {
				return nil, err
			}
			return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), nil
		}
	}
}

// The structures of RFC 5958 and RFC 8018.
type encryptedKey struct {
	Algorithm pkix.AlgorithmIdentifier
	Data      []byte
}

type pbes2 struct{ KeyDerivation, Encryption pkix.AlgorithmIdentifier }

type pbkdf2Params struct {
	Salt       []byte
	Iterations int
	KeyLength  int                      `asn1:"optional"`
	PRF        pkix.AlgorithmIdentifier `asn1:"optional"`
}

var (
	oidPBES2  = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 5, 13}
	oidPBKDF2 = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 5, 12}

	prfs = []struct {
		oid asn1.ObjectIdentifier
		new func() hash.Hash
	}{
		{asn1.ObjectIdentifier{1, 2, 840, 113549, 2, 7}, sha1.New},
		{asn1.ObjectIdentifier{1, 2, 840, 113549, 2, 9}, sha256.New},
		{asn1.ObjectIdentifier{1, 2, 840, 113549, 2, 10}, sha512.New384},
		{asn1.ObjectIdentifier{1, 2, 840, 113549, 2, 11}, sha512.New},
	}
	seals = []struct {
		oid     asn1.ObjectIdentifier
		keySize int
		new     func([]byte) (cipher.Block, error)
	}{
		{asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 1, 2}, 16, aes.NewCipher},
		{asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 1, 22}, 24, aes.NewCipher},
		{asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 1, 42}, 32, aes.NewCipher},
		{asn1.ObjectIdentifier{1, 2, 840, 113549, 3, 7}, 24, des.NewTripleDESCipher},
	}
)

// maxIterations bounds how long a key file may keep the server busy: some seconds.
const maxIterations = 10_000_000

// decryptPKCS8 opens a key in the form of RFC 5958 that was sealed with PBES2: a block cipher in CBC mode under a key that
// PBKDF2 makes of the password.
func decryptPKCS8(der, password []byte) ([]byte, error) {
	var (
		outer  encryptedKey
		scheme pbes2
		kdf    pbkdf2Params
		iv     []byte
	)
	if _, err := asn1.Unmarshal(der, &outer); err != nil {
		return nil, errNoKey
	}
	if !outer.Algorithm.Algorithm.Equal(oidPBES2) {
		return nil, errUnknownSeal
	}
	if _, err := asn1.Unmarshal(outer.Algorithm.Parameters.FullBytes, &scheme); err != nil {
		return nil, errNoKey
	}
	if !scheme.KeyDerivation.Algorithm.Equal(oidPBKDF2) {
		return nil, errUnknownSeal
	}
	if _, err := asn1.Unmarshal(scheme.KeyDerivation.Parameters.FullBytes, &kdf); err != nil || kdf.Iterations < 1 || kdf.Iterations > maxIterations {
		return nil, errUnknownSeal
	}
	if _, err := asn1.Unmarshal(scheme.Encryption.Parameters.FullBytes, &iv); err != nil {
		return nil, errUnknownSeal
	}
	prf := sha1.New
	if kdf.PRF.Algorithm != nil {
		prf = nil
		for _, p := range prfs {
			if p.oid.Equal(kdf.PRF.Algorithm) {
				prf = p.new
			}
		}
	}
	for _, s := range seals {
		if prf == nil || !s.oid.Equal(scheme.Encryption.Algorithm) {
			continue
		}
		key, err := pbkdf2.Key(prf, string(password), kdf.Salt, kdf.Iterations, s.keySize)
		if err != nil {
			return nil, err
		}
		block, err := s.new(key)
		if err != nil {
			return nil, err
		}
		return openCBC(block, iv, outer.Data)
	}
	return nil, errUnknownSeal
}

// openCBC decrypts, and checks and removes the padding.
func openCBC(block cipher.Block, iv, data []byte) ([]byte, error) {
	size := block.BlockSize()
	if len(iv) != size || len(data) == 0 || len(data)%size != 0 {
		return nil, errNoKey
	}
	plain := make([]byte, len(data))
	cipher.NewCBCDecrypter(block, iv).CryptBlocks(plain, data)
	n := int(plain[len(plain)-1])
	if n == 0 || n > size || !bytes.Equal(plain[len(plain)-n:], bytes.Repeat([]byte{byte(n)}, n)) {
		return nil, errPassword
	}
	return plain[:len(plain)-n], nil
}
