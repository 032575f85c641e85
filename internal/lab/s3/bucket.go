package s3

import (
	"encoding/xml"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"github.com/holdfast/holdfast/internal/lab/wire"
)

const (
	namespace  = "http://s3.amazonaws.com/doc/2006-03-01/"
	timeFormat = "2006-01-02T15:04:05.000Z"
	usEast1    = "us-east-1"
)

type bucketXML struct{ Name, CreationDate string }

type ownerXML struct{ ID string }

func (s *Store) listBuckets(account string) (*wire.Response, error) {
	out := struct {
		XMLName xml.Name    `xml:"http://s3.amazonaws.com/doc/2006-03-01/ ListAllMyBucketsResult"`
		Owner   ownerXML    `xml:"Owner"`
		Buckets []bucketXML `xml:"Buckets>Bucket"`
	}{Owner: ownerXML{account}}
	for _, name := range slices.Sorted(maps.Keys(s.buckets)) {
		if b := s.buckets[name]; b.owner == account {
			out.Buckets = append(out.Buckets, bucketXML{name, b.created.UTC().Format(timeFormat)})
		}
	}
	return &wire.Response{Result: out}, nil
}

// ValidName is S3's rule for bucket names, shortened to what a world file can
// get wrong. https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
func ValidName(name string) bool {
	return regexp.MustCompile(`^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$`).MatchString(name) && !strings.Contains(name, "..")
}

func (s *Store) createBucket(r *wire.Request, account string) (*wire.Response, error) {
	if !ValidName(r.Bucket) {
		return nil, wire.Refuse(http.StatusBadRequest, "InvalidBucketName", "The specified bucket is not valid.")
	}
	var in struct {
		XMLName            xml.Name `xml:"CreateBucketConfiguration"`
		LocationConstraint string
	}
	if len(r.Body) > 0 {
		if err := xml.Unmarshal(r.Body, &in); err != nil {
			return nil, wire.Refuse(http.StatusBadRequest, "MalformedXML", "The XML you provided was not well-formed or did not validate against our published schema")
		}
	}
	switch {
	case in.LocationConstraint == "" && s.Region != usEast1:
		return nil, wire.Refuse(http.StatusBadRequest, "IllegalLocationConstraintException",
			"The unspecified location constraint is incompatible for the region specific endpoint this request was sent to.")
	case in.LocationConstraint != "" && (in.LocationConstraint != s.Region || s.Region == usEast1):
		return nil, wire.Refuse(http.StatusBadRequest, "IllegalLocationConstraintException",
			"The "+in.LocationConstraint+" location constraint is incompatible for the region specific endpoint this request was sent to.")
	}
	if b := s.buckets[r.Bucket]; b != nil {
		if b.owner == account {
			return nil, wire.Refuse(http.StatusConflict, "BucketAlreadyOwnedByYou", "Your previous request to create the named bucket succeeded and you already own it.")
		}
		return nil, wire.Refuse(http.StatusConflict, "BucketAlreadyExists", "The requested bucket name is not available. The bucket namespace is shared by all users of the system. Please select a different name and try again.")
	}
	s.generation++
	s.buckets[r.Bucket] = &bucket{name: r.Bucket, owner: account, region: s.Region, created: r.Now, objects: map[string][]*version{}, deleted: map[string]uint64{}}
	return &wire.Response{Header: http.Header{"Location": {"/" + r.Bucket}}}, nil
}

func (s *Store) bucketOperation(b *bucket, r *wire.Request) (*wire.Response, error) {
	switch r.Operation {
	case "HeadBucket":
		return &wire.Response{Header: http.Header{"X-Amz-Bucket-Region": {b.region}}}, nil
	case "DeleteBucket":
		if len(b.objects) > 0 {
			return nil, wire.Refuse(http.StatusConflict, "BucketNotEmpty", "The bucket you tried to delete is not empty")
		}
		delete(s.buckets, b.name)
		return &wire.Response{Status: http.StatusNoContent}, nil
	case "GetBucketLocation":
		region := b.region
		if region == usEast1 {
			region = ""
		}
		return &wire.Response{Result: struct {
			XMLName xml.Name `xml:"http://s3.amazonaws.com/doc/2006-03-01/ LocationConstraint"`
			Region  string   `xml:",chardata"`
		}{Region: region}}, nil
	case "GetBucketVersioning":
		return &wire.Response{Result: struct {
			XMLName xml.Name `xml:"http://s3.amazonaws.com/doc/2006-03-01/ VersioningConfiguration"`
			Status  string   `xml:",omitempty"`
		}{Status: b.versioning}}, nil
	case "PutBucketVersioning":
		return putVersioning(b, r)
	}
	return nil, wire.Unsupported("s3:" + r.Operation)
}

func putVersioning(b *bucket, r *wire.Request) (*wire.Response, error) {
	if _, _, err := checksum(r); err != nil {
		return nil, err
	}
	var in struct {
		XMLName   xml.Name `xml:"VersioningConfiguration"`
		Status    string
		MfaDelete string
	}
	if err := xml.Unmarshal(r.Body, &in); err != nil || in.Status != "Enabled" && in.Status != "Suspended" {
		return nil, wire.Refuse(http.StatusBadRequest, "MalformedXML", "The XML you provided was not well-formed or did not validate against our published schema")
	}
	if in.MfaDelete == "Enabled" {
		return nil, wire.Unsupported("MFA delete")
	}
	b.versioning = in.Status
	return &wire.Response{}, nil
}
