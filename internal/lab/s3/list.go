package s3

import (
	"encoding/base64"
	"encoding/xml"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/holdfast/holdfast/internal/lab/wire"
)

const maxKeys = 1000

type objectXML struct {
	Key               string
	LastModified      string
	ETag              string
	ChecksumAlgorithm string
	ChecksumType      string
	Size              int
	StorageClass      string
	Owner             *ownerXML `xml:",omitempty"`
}

type versionXML struct {
	Key          string
	VersionID    string `xml:"VersionId"`
	IsLatest     bool
	LastModified string
	ETag         string `xml:",omitempty"`
	Size         *int   `xml:",omitempty"`
	StorageClass string `xml:",omitempty"`
	Owner        ownerXML
}

type prefixXML struct{ Prefix string }

// listing holds the members of all three answers; those of the other two stay
// empty.
type listing struct {
	XMLName               xml.Name
	Name                  string
	Prefix                string
	Delimiter             string `xml:",omitempty"`
	MaxKeys               int
	EncodingType          string `xml:",omitempty"`
	IsTruncated           bool
	KeyCount              *int    `xml:",omitempty"`
	StartAfter            string  `xml:",omitempty"`
	ContinuationToken     string  `xml:",omitempty"`
	NextContinuationToken string  `xml:",omitempty"`
	Marker                *string `xml:",omitempty"`
	NextMarker            string  `xml:",omitempty"`
	KeyMarker             *string `xml:",omitempty"`
	VersionIDMarker       *string `xml:"VersionIdMarker,omitempty"`
	NextKeyMarker         string  `xml:",omitempty"`
	NextVersionIDMarker   string  `xml:"NextVersionIdMarker,omitempty"`
	Contents              []objectXML
	Versions              []versionXML `xml:"Version"`
	DeleteMarkers         []versionXML `xml:"DeleteMarker"`
	CommonPrefixes        []prefixXML
}

// lister walks the keys of one request.
type lister struct {
	bucket    *bucket
	query     url.Values
	out       listing
	count     int
	lastKey   string // last key or common prefix that is in the answer
	lastID    string
	wantOwner bool
}

func list(b *bucket, r *wire.Request) (*wire.Response, error) {
	l := &lister{bucket: b, query: r.HTTP.URL.Query()}
	q := l.query
	l.out = listing{Name: b.name, Prefix: q.Get("prefix"), Delimiter: q.Get("delimiter"), MaxKeys: maxKeys, EncodingType: q.Get("encoding-type")}
	if s := q.Get("max-keys"); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil || n < 0 {
			return nil, argument("max-keys", s, "Provided max-keys not an integer or within integer range")
		}
		l.out.MaxKeys = min(n, maxKeys)
	}
	if e := l.out.EncodingType; e != "" && e != "url" {
		return nil, argument("encoding-type", e, "Invalid Encoding Method specified in Request")
	}
	var err error
	switch r.Operation {
	case "ListObjectsV2":
		err = l.version2()
	case "ListObjects":
		l.version1()
	case "ListObjectVersions":
		l.versions()
	}
	if err != nil {
		return nil, err
	}
	l.encode()
	return &wire.Response{Result: l.out}, nil
}

func (l *lister) version2() error {
	l.out.XMLName = xml.Name{Space: namespace, Local: "ListBucketResult"}
	l.wantOwner = l.query.Get("fetch-owner") == "true"
	l.out.StartAfter, l.out.ContinuationToken = l.query.Get("start-after"), l.query.Get("continuation-token")
	after := l.out.StartAfter
	if token := l.out.ContinuationToken; token != "" {
		raw, err := base64.StdEncoding.DecodeString(token)
		if err != nil {
			return argument("continuation-token", token, "The continuation token provided is incorrect")
		}
		after = string(raw)
	}
	l.objects(after)
	if l.out.IsTruncated {
		l.out.NextContinuationToken = base64.StdEncoding.EncodeToString([]byte(l.lastKey))
	}
	l.out.KeyCount = &l.count
	return nil
}

func (l *lister) version1() {
	l.out.XMLName = xml.Name{Space: namespace, Local: "ListBucketResult"}
	l.wantOwner = true
	marker := l.query.Get("marker")
	l.out.Marker = &marker
	l.objects(marker)
	// S3 sends NextMarker only with a delimiter.
	if l.out.IsTruncated && l.out.Delimiter != "" {
		l.out.NextMarker = l.lastKey
	}
}

func (l *lister) objects(after string) {
	l.walk(after, func(key string) bool {
		v := l.bucket.current(key)
		if v == nil {
			return true
		}
		if !l.room() {
			return false
		}
		o := objectXML{
			Key: key, LastModified: v.modified.Format(timeFormat), ETag: v.etag,
			ChecksumAlgorithm: strings.ToUpper(strings.TrimPrefix(v.checksum, checksumPrefix)), ChecksumType: "FULL_OBJECT",
			Size: len(v.body), StorageClass: "STANDARD",
		}
		if l.wantOwner {
			o.Owner = &ownerXML{l.bucket.owner}
		}
		l.out.Contents = append(l.out.Contents, o)
		l.lastKey = key
		return true
	}, func(key string) bool { return l.bucket.current(key) != nil })
}

func (l *lister) versions() {
	l.out.XMLName = xml.Name{Space: namespace, Local: "ListVersionsResult"}
	keyMarker, idMarker := l.query.Get("key-marker"), l.query.Get("version-id-marker")
	l.out.KeyMarker, l.out.VersionIDMarker = &keyMarker, &idMarker
	emit := func(key string) bool {
		all := l.bucket.objects[key]
		skip := key == keyMarker && idMarker != ""
		for i, v := range slices.Backward(all) {
			if skip {
				skip = v.id != idMarker
				continue
			}
			if !l.room() {
				return false
			}
			x := versionXML{Key: key, VersionID: v.id, IsLatest: i == len(all)-1, LastModified: v.modified.Format(timeFormat), Owner: ownerXML{l.bucket.owner}}
			if v.marker {
				l.out.DeleteMarkers = append(l.out.DeleteMarkers, x)
			} else {
				size := len(v.body)
				x.ETag, x.Size, x.StorageClass = v.etag, &size, "STANDARD"
				l.out.Versions = append(l.out.Versions, x)
			}
			l.lastKey, l.lastID = key, v.id
		}
		return true
	}
	more := true
	if idMarker != "" && strings.HasPrefix(keyMarker, l.out.Prefix) {
		more = emit(keyMarker)
	}
	if more {
		l.walk(keyMarker, emit, func(string) bool { return true })
	}
	if l.out.IsTruncated {
		l.out.NextKeyMarker, l.out.NextVersionIDMarker = l.lastKey, l.lastID
	}
}

// walk goes over the keys behind a marker in order and rolls those behind a
// delimiter up into a common prefix, which counts as one.
func (l *lister) walk(after string, emit, shown func(key string) bool) {
	prefix, delimiter := l.out.Prefix, l.out.Delimiter
	for _, key := range slices.Sorted(maps.Keys(l.bucket.objects)) {
		if key <= after || !strings.HasPrefix(key, prefix) || !shown(key) {
			continue
		}
		head, _, rolled := strings.Cut(key[len(prefix):], delimiter)
		if delimiter == "" || !rolled {
			if !emit(key) {
				return
			}
			continue
		}
		common := prefix + head + delimiter
		if common == l.lastKey || common == after {
			continue
		}
		if !l.room() {
			return
		}
		l.out.CommonPrefixes = append(l.out.CommonPrefixes, prefixXML{common})
		l.lastKey, l.lastID = common, ""
	}
}

func (l *lister) room() bool {
	if l.count >= l.out.MaxKeys {
		l.out.IsTruncated = l.out.MaxKeys > 0
		return false
	}
	l.count++
	return true
}

// encode applies encoding-type=url to everything that comes from a key.
func (l *lister) encode() {
	if l.out.EncodingType != "url" {
		return
	}
	escape := func(s *string) { *s = strings.ReplaceAll(url.QueryEscape(*s), "%2F", "/") }
	for _, s := range []*string{&l.out.Prefix, &l.out.Delimiter, &l.out.StartAfter, &l.out.NextMarker, &l.out.NextKeyMarker, l.out.Marker, l.out.KeyMarker} {
		if s != nil {
			escape(s)
		}
	}
	for i := range l.out.Contents {
		escape(&l.out.Contents[i].Key)
	}
	for i := range l.out.Versions {
		escape(&l.out.Versions[i].Key)
	}
	for i := range l.out.DeleteMarkers {
		escape(&l.out.DeleteMarkers[i].Key)
	}
	for i := range l.out.CommonPrefixes {
		escape(&l.out.CommonPrefixes[i].Prefix)
	}
}

// HostID is S3's second request ID.
func HostID() string { return base64.StdEncoding.EncodeToString([]byte(randomHex(24))) }
