package sigv4

import (
	"net/url"
	"slices"
	"strings"
)

// pairs is a query string in order; url.Values would forget it.
type pairs [][2]string

func parseQuery(raw string) (pairs, error) {
	var out pairs
	for part := range strings.SplitSeq(raw, "&") {
		if part == "" {
			continue
		}
		name, value, _ := strings.Cut(part, "=")
		n, err := url.QueryUnescape(name)
		if err != nil {
			return nil, err
		}
		v, err := url.QueryUnescape(value)
		if err != nil {
			return nil, err
		}
		out = append(out, [2]string{n, v})
	}
	return out, nil
}

func (p pairs) get(name string) string {
	for _, pair := range p {
		if pair[0] == name {
			return pair[1]
		}
	}
	return ""
}

func (p pairs) count(name string) int {
	n := 0
	for _, pair := range p {
		if pair[0] == name {
			n++
		}
	}
	return n
}

func (p pairs) has(name string) bool { return p.count(name) > 0 }

func (p pairs) without(name string) pairs {
	return slices.DeleteFunc(slices.Clone(p), func(pair [2]string) bool { return pair[0] == name })
}

// canonical encodes first and sorts then: the order is that of the encoded
// names, and of the values where names are equal.
func (p pairs) canonical() string {
	encoded := make([][2]string, len(p))
	for i, pair := range p {
		encoded[i] = [2]string{encode(pair[0], ""), encode(pair[1], "")}
	}
	slices.SortFunc(encoded, func(a, b [2]string) int {
		if c := strings.Compare(a[0], b[0]); c != 0 {
			return c
		}
		return strings.Compare(a[1], b[1])
	})
	out := make([]string, len(encoded))
	for i, pair := range encoded {
		out[i] = pair[0] + "=" + pair[1]
	}
	return strings.Join(out, "&")
}

// encode is UriEncode of the specification: everything but unreserved
// characters, in upper case; keep names what else stays as it is.
func encode(s, keep string) string {
	const hexDigits = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(s) {
		c := s[i]
		if unreserved(c) || strings.IndexByte(keep, c) >= 0 {
			b.WriteByte(c)
			continue
		}
		b.WriteByte('%')
		b.WriteByte(hexDigits[c>>4])
		b.WriteByte(hexDigits[c&15])
	}
	return b.String()
}

func unreserved(c byte) bool {
	return 'A' <= c && c <= 'Z' || 'a' <= c && c <= 'z' || '0' <= c && c <= '9' ||
		c == '-' || c == '.' || c == '_' || c == '~'
}

// removeDots normalises a path as RFC 3986 6.2.2.3 does, and joins repeated
// slashes; S3 alone doesn't, because a key may hold them.
func removeDots(path string) string {
	var out []string
	parts := strings.Split(path, "/")
	for _, part := range parts {
		switch part {
		case "", ".":
		case "..":
			if len(out) > 0 {
				out = out[:len(out)-1]
			}
		default:
			out = append(out, part)
		}
	}
	clean := "/" + strings.Join(out, "/")
	last := parts[len(parts)-1]
	if len(out) > 0 && (last == "" || last == "." || last == "..") {
		clean += "/"
	}
	return clean
}
