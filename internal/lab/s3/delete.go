package s3

import (
	"encoding/xml"
	"errors"
	"net/http"
	"time"

	"github.com/holdfast/holdfast/internal/lab/wire"
)

// maxDelete is how many keys one DeleteObjects takes.
const maxDelete = 1000

func (s *Store) deleteObject(b *bucket, r *wire.Request) (*wire.Response, error) {
	id := r.HTTP.URL.Query().Get("versionId")
	if err := b.deletable(r, r.Key, r.HTTP.Header.Get("If-Match")); err != nil {
		return nil, err
	}
	gone, err := s.remove(b, r.Key, id, r.Now)
	if err != nil {
		return nil, err
	}
	out := http.Header{}
	if gone.marker {
		out.Set("X-Amz-Delete-Marker", "true")
	}
	if gone.version != "" {
		out.Set("X-Amz-Version-Id", gone.version)
	}
	return &wire.Response{Status: http.StatusNoContent, Header: out}, nil
}

// deletable decides If-Match of a delete, which looks at the current version
// only, and with an ETag needs the right to read it.
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-deletes.html
func (b *bucket) deletable(r *wire.Request, key, match string) error {
	if match == "" {
		return nil
	}
	if match != "*" && !r.May("s3:GetObject", "arn:aws:s3:::"+b.name+"/"+key) {
		return accessDenied()
	}
	newest := b.newest(key)
	switch {
	case newest == nil:
		return noSuchKey(key)
	case newest.marker, !sameETag(match, newest.etag):
		return preconditionFailed("If-Match")
	}
	return nil
}

type removed struct {
	marker  bool   // made one, or took one away
	version string // of the marker, or what was taken away
}

// remove deletes a key, or one version of it for good. Deleting what isn't
// there succeeds.
func (s *Store) remove(b *bucket, key, id string, now time.Time) (removed, error) {
	if id != "" {
		if err := validVersion(id); err != nil {
			return removed{}, err
		}
		marker, _ := b.drop(key, id)
		s.generation++
		b.deleted[key] = s.generation
		return removed{marker: marker, version: id}, nil
	}
	if b.versioning == "" {
		b.drop(key, "null")
		s.generation++
		b.deleted[key] = s.generation
		return removed{}, nil
	}
	marker := &version{marker: true, modified: now.UTC().Truncate(time.Second)}
	s.add(b, key, marker)
	b.deleted[key] = s.generation
	return removed{marker: true, version: marker.id}, nil
}

type deleteRequest struct {
	XMLName xml.Name `xml:"Delete"`
	Quiet   bool
	Objects []struct {
		Key       string
		VersionID string `xml:"VersionId"`
		ETag      string
	} `xml:"Object"`
}

type deletedXML struct {
	Key           string
	VersionID     string `xml:"VersionId,omitempty"`
	DeleteMarker  bool   `xml:",omitempty"`
	MarkerVersion string `xml:"DeleteMarkerVersionId,omitempty"`
}

type deleteErrorXML struct {
	Key       string
	VersionID string `xml:"VersionId,omitempty"`
	Code      string
	Message   string
}

type deleteResult struct {
	XMLName xml.Name         `xml:"http://s3.amazonaws.com/doc/2006-03-01/ DeleteResult"`
	Deleted []deletedXML     `xml:"Deleted"`
	Errors  []deleteErrorXML `xml:"Error"`
}

func (s *Store) deleteObjects(b *bucket, r *wire.Request) (*wire.Response, error) {
	if !guarded(r) {
		return nil, wire.Refuse(http.StatusBadRequest, "InvalidRequest", "Missing required header for this request: Content-MD5 OR x-amz-checksum-*")
	}
	if _, _, err := checksum(r); err != nil {
		return nil, err
	}
	var in deleteRequest
	if err := xml.Unmarshal(r.Body, &in); err != nil || len(in.Objects) == 0 || len(in.Objects) > maxDelete {
		return nil, wire.Refuse(http.StatusBadRequest, "MalformedXML", "The XML you provided was not well-formed or did not validate against our published schema")
	}
	var out deleteResult
	for _, o := range in.Objects {
		gone, err := s.deleteOne(b, r, o.Key, o.VersionID, o.ETag)
		var refusal *wire.Error
		switch {
		case errors.As(err, &refusal):
			out.Errors = append(out.Errors, deleteErrorXML{o.Key, o.VersionID, refusal.Code, refusal.Message})
		case err != nil:
			return nil, err
		case !in.Quiet:
			d := deletedXML{Key: o.Key, VersionID: o.VersionID, DeleteMarker: gone.marker}
			if gone.marker {
				d.MarkerVersion = gone.version
			}
			out.Deleted = append(out.Deleted, d)
		}
	}
	return &wire.Response{Result: out}, nil
}

func (s *Store) deleteOne(b *bucket, r *wire.Request, key, id, etag string) (removed, error) {
	action := "s3:DeleteObject"
	if id != "" {
		action = "s3:DeleteObjectVersion"
	}
	if !r.May(action, "arn:aws:s3:::"+b.name+"/"+key) {
		return removed{}, accessDenied()
	}
	if err := b.deletable(r, key, etag); err != nil {
		return removed{}, err
	}
	return s.remove(b, key, id, r.Now)
}
