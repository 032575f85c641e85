package s3

import (
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"hash"
	"hash/crc32"
	"hash/crc64"
	"net/http"
	"slices"
	"strings"

	"github.com/holdfast/holdfast/internal/lab/wire"
)

const checksumPrefix = "x-amz-checksum-"

// nvme is the polynomial of CRC-64/NVME, reflected.
// https://reveng.sourceforge.io/crc-catalogue/17plus.htm#crc.cat.crc-64-nvme
const nvme = 0x9a6c9329ac4bc9b5

func hasher(algorithm string) hash.Hash {
	switch algorithm {
	case "crc32":
		return crc32.NewIEEE()
	case "crc32c":
		return crc32.New(crc32.MakeTable(crc32.Castagnoli))
	case "crc64nvme":
		return crc64.New(crc64.MakeTable(nvme))
	case "sha1":
		return sha1.New()
	case "sha256":
		return sha256.New()
	}
	return nil
}

func digest(h hash.Hash, body []byte) string {
	h.Write(body)
	return base64.StdEncoding.EncodeToString(h.Sum(nil))
}

// checksum verifies what the client said of the body, in a header or in the
// trailer, and returns the checksum to keep: the client's, or CRC-64/NVME, which
// S3 computes by itself for an object that came without one.
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity-upload.html
func checksum(r *wire.Request) (name, sum string, err error) {
	if err := contentMD5(r); err != nil {
		return "", "", err
	}
	given := map[string]string{}
	for _, algorithm := range []string{"crc32", "crc32c", "crc64nvme", "sha1", "sha256"} {
		name := checksumPrefix + algorithm
		if v := r.HTTP.Header.Get(name); v != "" {
			given[name] = v
		}
	}
	if announced := r.HTTP.Header.Get("X-Amz-Trailer"); announced != "" {
		v := r.Trailer.Get(announced)
		if v == "" || len(r.Trailer) != 1 {
			return "", "", wire.Refuse(http.StatusBadRequest, "MalformedTrailerError",
				"The request contained trailing data that was not well-formed or did not conform to our published schema.")
		}
		given[strings.ToLower(announced)] = v
	} else if len(r.Trailer) > 0 {
		return "", "", wire.Refuse(http.StatusBadRequest, "MalformedTrailerError",
			"The request contained trailing data that was not well-formed or did not conform to our published schema.")
	}
	if len(given) > 1 {
		return "", "", wire.Refuse(http.StatusBadRequest, "InvalidRequest",
			"Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.")
	}
	for name, want := range given {
		return verify(name, want, r.Body)
	}
	if r.HTTP.Header.Get("X-Amz-Sdk-Checksum-Algorithm") != "" {
		return "", "", wire.Refuse(http.StatusBadRequest, "InvalidRequest",
			"x-amz-sdk-checksum-algorithm specified, but no corresponding x-amz-checksum-* or x-amz-trailer headers were found.")
	}
	return checksumPrefix + "crc64nvme", digest(hasher("crc64nvme"), r.Body), nil
}

// guarded says whether the client sent any checksum at all.
func guarded(r *wire.Request) bool {
	for name := range r.HTTP.Header {
		if lower := strings.ToLower(name); lower == "content-md5" || lower == "x-amz-trailer" ||
			strings.HasPrefix(lower, checksumPrefix) && lower != checksumPrefix+"mode" {
			return true
		}
	}
	return false
}

func verify(name, want string, body []byte) (string, string, error) {
	algorithm := strings.TrimPrefix(name, checksumPrefix)
	h := hasher(algorithm)
	if h == nil {
		return "", "", wire.Refuse(http.StatusBadRequest, "InvalidRequest", "The value specified in the x-amz-trailer header is not supported")
	}
	if raw, err := base64.StdEncoding.DecodeString(want); err != nil || len(raw) != h.Size() {
		return "", "", wire.Refuse(http.StatusBadRequest, "InvalidRequest", "Value for "+name+" header is invalid.")
	}
	got := digest(h, body)
	if got != want {
		return "", "", wire.Refuse(http.StatusBadRequest, "BadDigest",
			"The "+strings.ToUpper(algorithm)+" you specified did not match the calculated checksum.")
	}
	return name, got, nil
}

func contentMD5(r *wire.Request) error {
	want := r.HTTP.Header.Get("Content-Md5")
	if want == "" {
		return nil
	}
	raw, err := base64.StdEncoding.DecodeString(want)
	if err != nil || len(raw) != md5.Size {
		return wire.Refuse(http.StatusBadRequest, "InvalidDigest", "The Content-MD5 you specified was invalid.")
	}
	if sum := md5.Sum(r.Body); !slices.Equal(sum[:], raw) {
		return &wire.Error{Status: http.StatusBadRequest, Code: "BadDigest", Message: "The Content-MD5 you specified did not match what we received.",
			Detail: map[string]any{"ExpectedDigest": want, "CalculatedDigest": base64.StdEncoding.EncodeToString(sum[:])}}
	}
	return nil
}
