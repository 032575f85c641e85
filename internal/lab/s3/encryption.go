package s3

import (
	"crypto/md5"
	"encoding/base64"
	"net/http"

	"github.com/holdfast/holdfast/internal/lab/wire"
)

const (
	sseHeader      = "X-Amz-Server-Side-Encryption"
	kmsHeader      = sseHeader + "-Aws-Kms-Key-Id"
	customerPrefix = sseHeader + "-Customer-"
)

// encryption is what an object says about its own. Every object of S3 is
// encrypted, with S3's own key if nobody asked for another.
type encryption struct {
	method   string // AES256, aws:kms, aws:kms:dsse; "" with a customer key
	kmsKey   string
	customer string // base64 MD5 of the customer's key
}

func argument(name, value, message string) error {
	return &wire.Error{Status: http.StatusBadRequest, Code: "InvalidArgument", Message: message,
		Detail: map[string]any{"ArgumentName": name, "ArgumentValue": value}}
}

func requested(h http.Header) (encryption, error) {
	customer, err := customerKey(h)
	if err != nil {
		return encryption{}, err
	}
	e := encryption{method: h.Get(sseHeader), kmsKey: h.Get(kmsHeader), customer: customer}
	switch {
	case customer != "" && (e.method != "" || e.kmsKey != ""):
		return e, argument(sseHeader, e.method, "Server Side Encryption with Customer provided key is incompatible with the encryption method specified")
	case customer != "":
		return e, nil
	}
	switch e.method {
	case "", "AES256":
		if e.kmsKey != "" {
			return e, argument(kmsHeader, e.kmsKey, "Server Side Encryption with AWS KMS managed key requires HTTP header x-amz-server-side-encryption : aws:kms")
		}
		e.method = "AES256"
	case "aws:kms", "aws:kms:dsse":
	default:
		return e, argument("x-amz-server-side-encryption", e.method, "The encryption method specified is not supported")
	}
	return e, nil
}

// customerKey checks the three SSE-C headers and returns the key's MD5.
func customerKey(h http.Header) (string, error) {
	algorithm, key, sum := h.Get(customerPrefix+"Algorithm"), h.Get(customerPrefix+"Key"), h.Get(customerPrefix+"Key-Md5")
	if algorithm == "" && key == "" && sum == "" {
		return "", nil
	}
	raw, err := base64.StdEncoding.DecodeString(key)
	switch {
	case algorithm == "":
		return "", argument("x-amz-server-side-encryption", "null", "Requests specifying Server Side Encryption with Customer provided keys must provide a valid encryption algorithm.")
	case algorithm != "AES256":
		return "", argument("x-amz-server-side-encryption", algorithm, "The encryption algorithm specified is not supported")
	case key == "":
		return "", argument("x-amz-server-side-encryption", "null", "Requests specifying Server Side Encryption with Customer provided keys must provide an appropriate secret key.")
	case sum == "":
		return "", argument("x-amz-server-side-encryption", "null", "Requests specifying Server Side Encryption with Customer provided keys must provide the client calculated MD5 of the secret key.")
	case err != nil || len(raw) != 32:
		return "", argument("x-amz-server-side-encryption", "null", "The secret key was invalid for the specified algorithm.")
	}
	if got := md5.Sum(raw); base64.StdEncoding.EncodeToString(got[:]) != sum {
		return "", argument("x-amz-server-side-encryption", "null", "The calculated MD5 hash of the key did not match the hash that was provided.")
	}
	return sum, nil
}

// opens refuses a read without the right customer key.
func (e encryption) opens(h http.Header) error {
	given, err := customerKey(h)
	switch {
	case err != nil:
		return err
	case e.customer == "" && given != "":
		return wire.Refuse(http.StatusBadRequest, "InvalidRequest", "The encryption parameters are not applicable to this object.")
	case e.customer != "" && given == "":
		return wire.Refuse(http.StatusBadRequest, "InvalidRequest", "The object was stored using a form of Server Side Encryption. The correct parameters must be provided to retrieve the object.")
	case e.customer != given:
		return accessDenied()
	}
	return nil
}

func (e encryption) show(h http.Header) {
	if e.customer != "" {
		h.Set(customerPrefix+"Algorithm", "AES256")
		h.Set(customerPrefix+"Key-Md5", e.customer)
		return
	}
	h.Set(sseHeader, e.method)
	if e.kmsKey != "" {
		h.Set(kmsHeader, e.kmsKey)
	}
}
