// Package s3 (lab) is S3 as far as a state bucket needs it: buckets with and
// without versioning, whole objects, conditional writes, checksums, server-side
// encryption headers, listings.
//
// It promises S3's answers to what can go wrong between two writers (412, 409,
// delete markers, versions), that every checksum that a client sends is
// computed and compared, and that a header or a query parameter that it doesn't
// know is refused.
//
// It has no multipart uploads, copies, ACLs (buckets are BucketOwnerEnforced,
// as new ones are), bucket policies, lifecycle or object lock. It doesn't
// encrypt: keys are compared, objects stay in memory as they came. Unlike S3 it
// takes customer keys over plain HTTP, because it has nothing else. A bucket
// belongs to its account alone.
package s3

import (
	"crypto/rand"
	"encoding/hex"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/holdfast/holdfast/internal/lab/wire"
)

// Store is safe for concurrent use.
type Store struct {
	Region string

	mu         sync.Mutex
	generation uint64
	buckets    map[string]*bucket
}

type bucket struct {
	name       string
	owner      string
	region     string
	created    time.Time
	versioning string                // "", Enabled, Suspended
	objects    map[string][]*version // oldest first
	deleted    map[string]uint64     // generation of the last delete of a key
}

type version struct {
	id         string // "null" without versioning
	marker     bool   // a delete marker
	body       []byte
	etag       string // quoted
	modified   time.Time
	header     http.Header // Content-Type and its like, x-amz-meta-*
	checksum   string      // name of the header
	sum        string      // base64
	encryption encryption
	tags       int
}

// NewStore returns a store without buckets.
func NewStore(region string) *Store {
	return &Store{Region: region, buckets: map[string]*bucket{}}
}

// AddBucket creates a bucket in a region, the store's own if it is empty; false
// if there is one of that name.
func (s *Store) AddBucket(account, name, region string, versioned bool, now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.buckets[name] != nil {
		return false
	}
	if region == "" {
		region = s.Region
	}
	b := &bucket{name: name, owner: account, region: region, created: now, objects: map[string][]*version{}, deleted: map[string]uint64{}}
	if versioned {
		b.versioning = "Enabled"
	}
	s.buckets[name] = b
	return true
}

// Generation counts the changes; a request remembers it when it arrives.
func (s *Store) Generation() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.generation
}

// Handle answers one operation of an account.
func (s *Store) Handle(r *wire.Request, account string) (*wire.Response, error) {
	if err := known(r); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch r.Operation {
	case "ListBuckets":
		return s.listBuckets(account)
	case "CreateBucket":
		return s.createBucket(r, account)
	}
	b, err := s.owned(r, account)
	if err != nil {
		return nil, err
	}
	switch r.Operation {
	case "PutObject":
		return s.putObject(b, r)
	case "GetObject", "HeadObject":
		return getObject(b, r)
	case "DeleteObject":
		return s.deleteObject(b, r)
	case "DeleteObjects":
		return s.deleteObjects(b, r)
	case "ListObjects", "ListObjectsV2", "ListObjectVersions":
		return list(b, r)
	}
	return s.bucketOperation(b, r)
}

// Redirect sends a request away that was made to another region than its
// bucket's, before anybody looks at who makes it. The lab knows the region by the
// signature alone: all of its regions have one address.
// https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
func (s *Store) Redirect(r *wire.Request, region string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	b := s.buckets[r.Bucket]
	if b == nil || b.region == region || r.Operation == "CreateBucket" {
		return nil
	}
	return &wire.Error{Status: http.StatusMovedPermanently, Code: "PermanentRedirect",
		Message: "The bucket you are attempting to access must be addressed using the specified endpoint. Please send all future requests to this endpoint.",
		Header:  http.Header{"X-Amz-Bucket-Region": {b.region}},
		Detail:  map[string]any{"Bucket": b.name, "Endpoint": b.name + ".s3." + b.region + ".amazonaws.com"}}
}

// owned finds the bucket of a request.
func (s *Store) owned(r *wire.Request, account string) (*bucket, error) {
	b := s.buckets[r.Bucket]
	if b == nil {
		return nil, &wire.Error{Status: http.StatusNotFound, Code: "NoSuchBucket", Message: "The specified bucket does not exist",
			Detail: map[string]any{"BucketName": r.Bucket}}
	}
	expected := r.HTTP.Header.Get("X-Amz-Expected-Bucket-Owner")
	if b.owner != account || expected != "" && expected != b.owner {
		return nil, accessDenied()
	}
	return b, nil
}

func accessDenied() error { return wire.Refuse(http.StatusForbidden, "AccessDenied", "Access Denied") }

// current is the newest version, nil if there is none or it is a delete marker.
func (b *bucket) current(key string) *version {
	v := b.newest(key)
	if v == nil || v.marker {
		return nil
	}
	return v
}

func (b *bucket) newest(key string) *version {
	all := b.objects[key]
	if len(all) == 0 {
		return nil
	}
	return all[len(all)-1]
}

// add puts a version on top. Without versioning, and while it is suspended,
// the new one takes the place of the one called "null".
func (s *Store) add(b *bucket, key string, v *version) {
	s.generation++
	v.id = "null"
	if b.versioning == "Enabled" {
		v.id = randomHex(16)
	} else {
		b.drop(key, "null")
	}
	b.objects[key] = append(b.objects[key], v)
}

// drop takes one version out and says whether it was a delete marker.
func (b *bucket) drop(key, id string) (marker, found bool) {
	all := b.objects[key]
	i := slices.IndexFunc(all, func(v *version) bool { return v.id == id })
	if i < 0 {
		return false, false
	}
	marker = all[i].marker
	if b.objects[key] = slices.Delete(slices.Clone(all), i, i+1); len(b.objects[key]) == 0 {
		delete(b.objects, key)
	}
	return marker, true
}

// randomHex is 2n characters; S3's version IDs have 32.
func randomHex(n int) string {
	b := make([]byte, n)
	rand.Read(b) // never fails: https://pkg.go.dev/crypto/rand#Read
	return hex.EncodeToString(b)
}
