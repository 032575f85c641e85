package s3

import (
	"crypto/md5"
	"encoding/hex"
	"maps"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/holdfast/holdfast/internal/lab/wire"
)

const maxKey = 1024

func (s *Store) putObject(b *bucket, r *wire.Request) (*wire.Response, error) {
	h := r.HTTP.Header
	if len(r.Key) > maxKey {
		return nil, wire.Refuse(http.StatusBadRequest, "KeyTooLongError", "Your key is too long")
	}
	if acl := h.Get("X-Amz-Acl"); acl != "" && acl != "bucket-owner-full-control" {
		return nil, wire.Refuse(http.StatusBadRequest, "AccessControlListNotSupported", "The bucket does not allow ACLs")
	}
	name, sum, err := checksum(r)
	if err != nil {
		return nil, err
	}
	crypt, err := requested(h)
	if err != nil {
		return nil, err
	}
	tags, err := url.ParseQuery(h.Get("X-Amz-Tagging"))
	if err != nil {
		return nil, argument("x-amz-tagging", h.Get("X-Amz-Tagging"), "The header 'x-amz-tagging' shall be encoded as UTF-8 then URLEncoded URL query parameters without tag name duplicates.")
	}
	if err := b.writable(r); err != nil {
		return nil, err
	}
	v := &version{
		body: r.Body, modified: r.Now.UTC().Truncate(time.Second), header: kept(h),
		checksum: name, sum: sum, encryption: crypt, tags: len(tags),
	}
	// The ETag is the MD5 only where S3 holds the key.
	v.etag = `"` + randomHex(md5.Size) + `"`
	if crypt.method == "AES256" {
		hash := md5.Sum(r.Body)
		v.etag = `"` + hex.EncodeToString(hash[:]) + `"`
	}
	s.add(b, r.Key, v)
	out := http.Header{"Etag": {v.etag}}
	out.Set(name, sum)
	out.Set("X-Amz-Checksum-Type", "FULL_OBJECT")
	crypt.show(out)
	b.showVersion(out, v)
	return &wire.Response{Header: out}, nil
}

func (b *bucket) showVersion(h http.Header, v *version) {
	if b.versioning != "" {
		h.Set("X-Amz-Version-Id", v.id)
	}
}

// writable decides the conditions of a write. 409 is a race: the key was
// deleted while this upload was on its way.
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html
func (b *bucket) writable(r *wire.Request) error {
	noneMatch, match := r.HTTP.Header.Get("If-None-Match"), r.HTTP.Header.Get("If-Match")
	switch {
	case noneMatch == "" && match == "":
		return nil
	case noneMatch != "" && match != "", noneMatch != "" && noneMatch != "*":
		return wire.Refuse(http.StatusNotImplemented, "NotImplemented", "A header you provided implies functionality that is not implemented")
	}
	current := b.current(r.Key)
	switch {
	case noneMatch != "" && current != nil:
		return preconditionFailed("If-None-Match")
	case noneMatch != "" && b.deleted[r.Key] > r.Arrived:
		return &wire.Error{Status: http.StatusConflict, Code: "ConditionalRequestConflict",
			Message: "The conditional request cannot succeed due to a conflicting operation against this resource.",
			Detail:  map[string]any{"Key": r.Key, "Condition": "If-None-Match"}}
	case match != "" && current == nil:
		return noSuchKey(r.Key)
	case match != "" && !sameETag(match, current.etag):
		return preconditionFailed("If-Match")
	}
	return nil
}

func preconditionFailed(condition string) error {
	return &wire.Error{Status: http.StatusPreconditionFailed, Code: "PreconditionFailed",
		Message: "At least one of the pre-conditions you specified did not hold", Detail: map[string]any{"Condition": condition}}
}

func noSuchKey(key string) *wire.Error {
	return &wire.Error{Status: http.StatusNotFound, Code: "NoSuchKey", Message: "The specified key does not exist.",
		Detail: map[string]any{"Key": key}}
}

func sameETag(header, etag string) bool {
	for part := range strings.SplitSeq(header, ",") {
		part = strings.TrimSpace(part)
		if part == "*" || strings.Trim(part, `"`) == strings.Trim(etag, `"`) {
			return true
		}
	}
	return false
}

// kept are the headers that S3 stores with an object.
func kept(h http.Header) http.Header {
	out := http.Header{"Content-Type": {"binary/octet-stream"}}
	for name, values := range h {
		switch name {
		case "Content-Type", "Cache-Control", "Content-Disposition", "Content-Language", "Expires":
			out[name] = values
		case "Content-Encoding":
			// aws-chunked was for the way here.
			rest := strings.Trim(strings.ReplaceAll(values[0], "aws-chunked", ""), ", ")
			if rest != "" {
				out.Set(name, rest)
			}
		default:
			if strings.HasPrefix(strings.ToLower(name), metaPrefix) {
				out[name] = values
			}
		}
	}
	return out
}

func getObject(b *bucket, r *wire.Request) (*wire.Response, error) {
	v, err := b.pick(r)
	if err != nil {
		return nil, err
	}
	h := r.HTTP.Header
	if err := v.encryption.opens(h); err != nil {
		return nil, err
	}
	out := maps.Clone(v.header)
	out.Set("ETag", v.etag)
	out.Set("Last-Modified", v.modified.Format(http.TimeFormat))
	out.Set("Accept-Ranges", "bytes")
	v.encryption.show(out)
	b.showVersion(out, v)
	if v.tags > 0 {
		out.Set("X-Amz-Tagging-Count", strconv.Itoa(v.tags))
	}
	if err := unchanged(h, v, out); err != nil {
		return nil, err
	}
	body, status := v.body, http.StatusOK
	if spec := h.Get("Range"); spec != "" {
		first, last, ok, err := byteRange(spec, len(v.body))
		if err != nil {
			return nil, err
		}
		if ok {
			body, status = v.body[first:last+1], http.StatusPartialContent
			out.Set("Content-Range", "bytes "+strconv.Itoa(first)+"-"+strconv.Itoa(last)+"/"+strconv.Itoa(len(v.body)))
		}
	}
	// A checksum of the whole says nothing about a part.
	if h.Get("X-Amz-Checksum-Mode") == "ENABLED" && status == http.StatusOK {
		out.Set(v.checksum, v.sum)
		out.Set("X-Amz-Checksum-Type", "FULL_OBJECT")
	}
	out.Set("Content-Length", strconv.Itoa(len(body)))
	if r.Operation == "HeadObject" {
		body = nil
	}
	return &wire.Response{Status: status, Header: out, Body: body}, nil
}

// pick finds the version that a request names.
func (b *bucket) pick(r *wire.Request) (*version, error) {
	id := r.HTTP.URL.Query().Get("versionId")
	if id == "" {
		v := b.newest(r.Key)
		if v != nil && !v.marker {
			return v, nil
		}
		// Without the right to list, S3 doesn't say whether a key exists.
		if !r.May("s3:ListBucket", "arn:aws:s3:::"+b.name) {
			return nil, accessDenied()
		}
		missing := noSuchKey(r.Key)
		if v != nil {
			missing.Header = http.Header{"X-Amz-Delete-Marker": {"true"}}
			b.showVersion(missing.Header, v)
		}
		return nil, missing
	}
	if err := validVersion(id); err != nil {
		return nil, err
	}
	for _, v := range b.objects[r.Key] {
		switch {
		case v.id != id:
		case v.marker:
			return nil, &wire.Error{Status: http.StatusMethodNotAllowed, Code: "MethodNotAllowed",
				Message: "The specified method is not allowed against this resource.",
				Header:  http.Header{"X-Amz-Delete-Marker": {"true"}, "Allow": {"DELETE"}}}
		default:
			return v, nil
		}
	}
	return nil, &wire.Error{Status: http.StatusNotFound, Code: "NoSuchVersion", Message: "The specified version does not exist.",
		Detail: map[string]any{"Key": r.Key, "VersionId": id}}
}

func validVersion(id string) error {
	if id != "null" && len(id) != 32 {
		return argument("versionId", id, "Invalid version id specified")
	}
	return nil
}

// unchanged decides the conditions of a read, in the order of RFC 9110 13.2.2.
func unchanged(h http.Header, v *version, out http.Header) error {
	notModified := &wire.Error{Status: http.StatusNotModified, Code: "NotModified", Header: http.Header{"Etag": {v.etag}, "Last-Modified": out["Last-Modified"]}}
	since := func(name string) (time.Time, bool) {
		t, err := http.ParseTime(h.Get(name))
		return t, err == nil
	}
	if match := h.Get("If-Match"); match != "" {
		if !sameETag(match, v.etag) {
			return preconditionFailed("If-Match")
		}
	} else if t, ok := since("If-Unmodified-Since"); ok && v.modified.After(t) {
		return preconditionFailed("If-Unmodified-Since")
	}
	if noneMatch := h.Get("If-None-Match"); noneMatch != "" {
		if sameETag(noneMatch, v.etag) {
			return notModified
		}
	} else if t, ok := since("If-Modified-Since"); ok && !v.modified.After(t) {
		return notModified
	}
	return nil
}

// byteRange reads one range; ok is false for what S3 ignores.
func byteRange(spec string, size int) (first, last int, ok bool, err error) {
	rest, found := strings.CutPrefix(spec, "bytes=")
	from, to, dash := strings.Cut(rest, "-")
	if !found || !dash || strings.Contains(rest, ",") {
		return 0, 0, false, nil
	}
	last = size - 1
	switch {
	case from == "":
		n, err := strconv.Atoi(to)
		if err != nil {
			return 0, 0, false, nil
		}
		first = max(size-n, 0)
		if n == 0 {
			first = size
		}
	default:
		if first, err = strconv.Atoi(from); err != nil {
			return 0, 0, false, nil
		}
		if to != "" {
			n, err := strconv.Atoi(to)
			if err != nil || n < first {
				return 0, 0, false, nil
			}
			last = min(n, last)
		}
	}
	if first >= size {
		return 0, 0, false, &wire.Error{Status: http.StatusRequestedRangeNotSatisfiable, Code: "InvalidRange",
			Message: "The requested range is not satisfiable", Detail: map[string]any{"RangeRequested": spec, "ActualObjectSize": size}}
	}
	return first, last, true, nil
}
