package sigv4

import (
	"bytes"
	"crypto/hmac"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
)

// The values of X-Amz-Content-Sha256 that aren't a hash.
const (
	UnsignedPayload          = "UNSIGNED-PAYLOAD"
	StreamingUnsignedTrailer = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
	StreamingSigned          = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
	StreamingSignedTrailer   = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"
)

var (
	// ErrChunk is an aws-chunked body that can't be read.
	ErrChunk = errors.New("malformed aws-chunked body")
	// ErrChunkSignature is a chunk or a trailer whose signature is wrong.
	ErrChunkSignature = errors.New("chunk signature doesn't match")
)

// Decode takes the chunks of an aws-chunked body apart and verifies their
// signatures, each of which covers the one before it:
// https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html and
// https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming-trailers.html
func (a *Authorization) Decode(mode, secret string, body []byte) (payload []byte, trailer http.Header, err error) {
	d := decoder{auth: a, secret: secret, signed: mode != StreamingUnsignedTrailer, previous: a.Signature, rest: body}
	withTrailer := mode != StreamingSigned
	for {
		chunk, err := d.chunk()
		if err != nil {
			return nil, nil, err
		}
		if len(chunk) == 0 {
			break
		}
		payload = append(payload, chunk...)
	}
	if !withTrailer {
		// The last chunk's own CRLF; nothing may follow.
		if !bytes.Equal(d.rest, []byte("\r\n")) {
			return nil, nil, fmt.Errorf("%w: data after the last chunk", ErrChunk)
		}
		return payload, nil, nil
	}
	trailer, err = d.trailer()
	return payload, trailer, err
}

type decoder struct {
	auth     *Authorization
	secret   string
	signed   bool
	previous string
	rest     []byte
}

func (d *decoder) line() (string, error) {
	line, rest, ok := bytes.Cut(d.rest, []byte("\r\n"))
	if !ok {
		return "", fmt.Errorf("%w: a line without an end", ErrChunk)
	}
	d.rest = rest
	return string(line), nil
}

// chunk reads one; an empty one is the last, whose CRLF is left unread because
// with a trailer there is none.
func (d *decoder) chunk() ([]byte, error) {
	line, err := d.line()
	if err != nil {
		return nil, err
	}
	size, extension, _ := strings.Cut(line, ";")
	n, err := strconv.ParseUint(size, 16, 31)
	if err != nil || int(n) > len(d.rest) {
		return nil, fmt.Errorf("%w: chunk size %q", ErrChunk, size)
	}
	data := d.rest[:n]
	d.rest = d.rest[n:]
	if n > 0 {
		if !bytes.HasPrefix(d.rest, []byte("\r\n")) {
			return nil, fmt.Errorf("%w: a chunk longer than its size", ErrChunk)
		}
		d.rest = d.rest[2:]
	}
	if !d.signed {
		if extension != "" {
			return nil, fmt.Errorf("%w: chunk extension %q", ErrChunk, extension)
		}
		return data, nil
	}
	signature, ok := strings.CutPrefix(extension, "chunk-signature=")
	if !ok {
		return nil, fmt.Errorf("%w: a chunk without chunk-signature", ErrChunk)
	}
	want := d.auth.sign(d.secret, Algorithm+"-PAYLOAD", d.previous+"\n"+hash(nil)+"\n"+hash(data))
	return data, d.check(want, signature)
}

func (d *decoder) check(want, got string) error {
	if !hmac.Equal([]byte(want), []byte(got)) {
		return ErrChunkSignature
	}
	d.previous = want
	return nil
}

func (d *decoder) trailer() (http.Header, error) {
	trailer := http.Header{}
	var canonical strings.Builder
	seen := false
	for {
		line, err := d.line()
		if err != nil {
			return nil, err
		}
		if line == "" {
			break
		}
		name, value, ok := strings.Cut(line, ":")
		if !ok {
			return nil, fmt.Errorf("%w: trailer %q", ErrChunk, line)
		}
		name, value = strings.ToLower(strings.TrimSpace(name)), strings.TrimSpace(value)
		if name == "x-amz-trailer-signature" {
			if !d.signed || seen {
				return nil, fmt.Errorf("%w: a trailer signature that has no place here", ErrChunk)
			}
			seen = true
			want := d.auth.sign(d.secret, Algorithm+"-TRAILER", d.previous+"\n"+hash([]byte(canonical.String())))
			if err := d.check(want, value); err != nil {
				return nil, err
			}
			continue
		}
		if seen {
			return nil, fmt.Errorf("%w: trailer %q after the trailer signature", ErrChunk, name)
		}
		canonical.WriteString(name + ":" + value + "\n")
		trailer.Add(name, value)
	}
	if len(d.rest) > 0 {
		return nil, fmt.Errorf("%w: data after the trailer", ErrChunk)
	}
	if d.signed && !seen {
		return nil, fmt.Errorf("%w: no x-amz-trailer-signature", ErrChunk)
	}
	return trailer, nil
}
