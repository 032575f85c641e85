package lab_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/holdfast/holdfast/internal/lab"
)

func TestListing(t *testing.T) {
	f := start(t, lab.Options{})
	c := f.s3(f.admin())
	for _, key := range []string{"a/1", "a/2", "a/b/3", "b", "c/4", "d e"} {
		if _, err := c.PutObject(t.Context(), put(key, key)); err != nil {
			t.Fatal(err)
		}
	}
	for _, test := range []struct {
		prefix, delimiter string
		size              int32
		want              string
	}{
		{"", "", 1000, "a/1 a/2 a/b/3 b c/4 d e"},
		{"", "/", 1, "a/ b c/ d e"},
		{"", "/", 2, "a/ b c/ d e"},
		{"a/", "/", 1, "a/1 a/2 a/b/"},
		{"a", "", 2, "a/1 a/2 a/b/3"},
		{"x", "", 2, ""},
	} {
		var got []string
		pages := s3.NewListObjectsV2Paginator(c, &s3.ListObjectsV2Input{Bucket: aws.String(bucket), Prefix: aws.String(test.prefix), Delimiter: aws.String(test.delimiter), MaxKeys: aws.Int32(test.size)})
		for pages.HasMorePages() {
			page, err := pages.NextPage(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			for _, o := range page.Contents {
				got = append(got, *o.Key)
			}
			for _, p := range page.CommonPrefixes {
				got = append(got, *p.Prefix)
			}
			if len(page.Contents)+len(page.CommonPrefixes) > int(test.size) || int(*page.KeyCount) != len(page.Contents)+len(page.CommonPrefixes) {
				t.Errorf("%+v: a page of %d", test, *page.KeyCount)
			}
		}
		slices.Sort(got)
		if strings.Join(got, " ") != test.want {
			t.Errorf("%+v: got %q", test, got)
		}
	}
	old, err := c.ListObjects(t.Context(), &s3.ListObjectsInput{Bucket: aws.String(bucket), Marker: aws.String("a/b/3"), MaxKeys: aws.Int32(1), EncodingType: types.EncodingTypeUrl})
	if err != nil || len(old.Contents) != 1 || *old.Contents[0].Key != "b" || !*old.IsTruncated {
		t.Errorf("%+v, %v", old, err)
	}
	deleted, err := c.DeleteObjects(t.Context(), &s3.DeleteObjectsInput{Bucket: aws.String(bucket), Delete: &types.Delete{Objects: []types.ObjectIdentifier{
		{Key: aws.String("a/1")}, {Key: aws.String("b"), ETag: aws.String("other")}, {Key: aws.String("none")}}}})
	if err != nil || len(deleted.Deleted) != 2 || len(deleted.Errors) != 1 || *deleted.Errors[0].Code != "PreconditionFailed" {
		t.Errorf("%+v, %v", deleted, err)
	}
}

// A bucket of another region is said to be there, whoever asks.
func TestBucketsHaveARegion(t *testing.T) {
	world := lab.ZeroWorld()
	world.Accounts[0].Buckets = append(world.Accounts[0].Buckets, lab.Bucket{Name: "far-away", Region: "eu-central-1"})
	f := start(t, lab.Options{World: world})
	c := f.s3(f.admin())
	in := &s3.PutObjectInput{Bucket: aws.String("far-away"), Key: aws.String("k"), Body: strings.NewReader("x")}
	_, err := c.PutObject(t.Context(), in)
	refused(t, err, "PermanentRedirect", 301, "must be addressed using the specified endpoint")
	var response *awshttp.ResponseError
	if !errors.As(err, &response) || response.HTTPResponse().Header.Get("X-Amz-Bucket-Region") != "eu-central-1" {
		t.Errorf("%v doesn't say where", err)
	}
	there := func(o *s3.Options) { o.Region = "eu-central-1" }
	if _, err := c.PutObject(t.Context(), in, there); err != nil {
		t.Error(err)
	}
	location, err := c.GetBucketLocation(t.Context(), &s3.GetBucketLocationInput{Bucket: in.Bucket}, there)
	if err != nil || location.LocationConstraint != "eu-central-1" {
		t.Errorf("%+v, %v", location, err)
	}
	_, err = c.GetObject(t.Context(), get("k"), there)
	refused(t, err, "PermanentRedirect", 301, "")
}

func TestBuckets(t *testing.T) {
	world := lab.ZeroWorld()
	world.Accounts = append(world.Accounts, lab.Account{ID: "222222222222", Buckets: []lab.Bucket{{Name: "theirs"}}})
	f := start(t, lab.Options{World: world})
	c := f.s3(f.admin())
	name := aws.String("new-bucket")
	_, err := c.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: name})
	refused(t, err, "IllegalLocationConstraintException", 400, "")
	in := &s3.CreateBucketInput{Bucket: name, CreateBucketConfiguration: &types.CreateBucketConfiguration{LocationConstraint: "eu-west-1"}}
	if _, err := c.CreateBucket(t.Context(), in); err != nil {
		t.Fatal(err)
	}
	_, err = c.CreateBucket(t.Context(), in)
	refused(t, err, "BucketAlreadyOwnedByYou", 409, "")
	in.Bucket = aws.String("theirs")
	_, err = c.CreateBucket(t.Context(), in)
	refused(t, err, "BucketAlreadyExists", 409, "")
	_, err = c.GetObject(t.Context(), &s3.GetObjectInput{Bucket: in.Bucket, Key: aws.String("x")})
	refused(t, err, "AccessDenied", 403, "Access Denied")
	location, err := c.GetBucketLocation(t.Context(), &s3.GetBucketLocationInput{Bucket: name})
	if err != nil || location.LocationConstraint != "eu-west-1" {
		t.Errorf("%+v, %v", location, err)
	}
	versioning, err := c.GetBucketVersioning(t.Context(), &s3.GetBucketVersioningInput{Bucket: name})
	if err != nil || versioning.Status != "" {
		t.Errorf("%+v, %v", versioning, err)
	}
	if _, err := c.PutBucketVersioning(t.Context(), &s3.PutBucketVersioningInput{Bucket: name, VersioningConfiguration: &types.VersioningConfiguration{Status: types.BucketVersioningStatusSuspended}}); err != nil {
		t.Error(err)
	}
	stored, err := c.PutObject(t.Context(), &s3.PutObjectInput{Bucket: name, Key: aws.String("k"), Body: strings.NewReader("x")})
	if err != nil || *stored.VersionId != "null" {
		t.Errorf("suspended: %+v, %v", stored, err)
	}
	_, err = c.DeleteBucket(t.Context(), &s3.DeleteBucketInput{Bucket: name})
	refused(t, err, "BucketNotEmpty", 409, "")
	if _, err := c.DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: name, Key: aws.String("k"), VersionId: aws.String("null")}); err != nil {
		t.Error(err)
	}
	if _, err := c.DeleteBucket(t.Context(), &s3.DeleteBucketInput{Bucket: name}); err != nil {
		t.Error(err)
	}
	_, err = c.HeadBucket(t.Context(), &s3.HeadBucketInput{Bucket: name})
	refused(t, err, "NotFound", 404, "")
	list, err := c.ListBuckets(t.Context(), nil)
	if err != nil || len(list.Buckets) != 1 || *list.Buckets[0].Name != bucket {
		t.Errorf("%+v, %v", list, err)
	}
}
