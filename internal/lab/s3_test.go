package lab_test

import (
	"bytes"
	"crypto/md5"
	"encoding/base64"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/holdfast/holdfast/internal/lab"
)

func put(key, body string) *s3.PutObjectInput {
	return &s3.PutObjectInput{Bucket: aws.String(bucket), Key: aws.String(key), Body: strings.NewReader(body)}
}

func get(key string) *s3.GetObjectInput {
	return &s3.GetObjectInput{Bucket: aws.String(bucket), Key: aws.String(key)}
}

func read(t *testing.T, out *s3.GetObjectOutput, err error) string {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	defer out.Body.Close()
	b, err := io.ReadAll(out.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestObjectRoundTrip(t *testing.T) {
	f := start(t, lab.Options{})
	c := f.s3(f.ci())
	key := "env:/a b+c/ü~(1).tfstate//x"
	in := put(key, "state")
	in.ContentType, in.CacheControl, in.Metadata = aws.String("application/json"), aws.String("no-store"), map[string]string{"by": "test"}
	in.ServerSideEncryption, in.SSEKMSKeyId = types.ServerSideEncryptionAwsKms, aws.String("alias/state")
	in.Tagging = aws.String("a=1&b=2")
	stored, err := c.PutObject(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	want := get(key)
	want.ChecksumMode = types.ChecksumModeEnabled
	out, err := c.GetObject(t.Context(), want)
	if body := read(t, out, err); body != "state" {
		t.Errorf("body %q", body)
	}
	if *out.ContentType != "application/json" || *out.CacheControl != "no-store" || out.Metadata["by"] != "test" || *out.TagCount != 2 ||
		out.ServerSideEncryption != types.ServerSideEncryptionAwsKms || *out.SSEKMSKeyId != "alias/state" ||
		*out.VersionId != *stored.VersionId || *out.ETag != *stored.ETag || out.ChecksumCRC32 == nil {
		t.Errorf("%+v", out)
	}
	head, err := c.HeadObject(t.Context(), &s3.HeadObjectInput{Bucket: aws.String(bucket), Key: aws.String(key)})
	if err != nil || *head.ContentLength != 5 {
		t.Errorf("%+v, %v", head, err)
	}
	_, err = c.HeadObject(t.Context(), &s3.HeadObjectInput{Bucket: aws.String(bucket), Key: aws.String("none")})
	refused(t, err, "NotFound", 404, "")
	_, err = c.GetObject(t.Context(), get("none"))
	refused(t, err, "NoSuchKey", 404, "The specified key does not exist.")
	missing := get("none")
	missing.Bucket = aws.String("no-such-bucket")
	_, err = c.GetObject(t.Context(), missing)
	refused(t, err, "NoSuchBucket", 404, "The specified bucket does not exist")
}

func TestEveryChecksum(t *testing.T) {
	f := start(t, lab.Options{})
	c := f.s3(f.admin())
	for _, algorithm := range []types.ChecksumAlgorithm{
		types.ChecksumAlgorithmCrc32, types.ChecksumAlgorithmCrc32c, types.ChecksumAlgorithmCrc64nvme,
		types.ChecksumAlgorithmSha1, types.ChecksumAlgorithmSha256,
	} {
		in := put(string(algorithm), "123456789")
		in.ChecksumAlgorithm = algorithm
		if _, err := c.PutObject(t.Context(), in); err != nil {
			t.Errorf("%s: %v", algorithm, err)
			continue
		}
		want := get(string(algorithm))
		want.ChecksumMode = types.ChecksumModeEnabled
		out, err := c.GetObject(t.Context(), want)
		if body := read(t, out, err); body != "123456789" {
			t.Errorf("%s: %q", algorithm, body)
		}
	}
	wrong := put("x", "y")
	wrong.ChecksumSHA256 = aws.String(base64.StdEncoding.EncodeToString(make([]byte, 32)))
	_, err := c.PutObject(t.Context(), wrong)
	refused(t, err, "BadDigest", 400, "The SHA256 you specified did not match the calculated checksum.")
	wrong = put("x", "y")
	wrong.ContentMD5 = aws.String(base64.StdEncoding.EncodeToString(make([]byte, 16)))
	_, err = c.PutObject(t.Context(), wrong)
	refused(t, err, "BadDigest", 400, "The Content-MD5 you specified did not match what we received.")
	wrong.ContentMD5 = aws.String("x")
	_, err = c.PutObject(t.Context(), wrong)
	refused(t, err, "InvalidDigest", 400, "")
}

func TestConditionalWrites(t *testing.T) {
	f := start(t, lab.Options{})
	c := f.s3(f.admin())
	lock := put("lock", "1")
	lock.IfNoneMatch = aws.String("*")
	first, err := c.PutObject(t.Context(), lock)
	if err != nil {
		t.Fatal(err)
	}
	again := put("lock", "2")
	again.IfNoneMatch = aws.String("*")
	_, err = c.PutObject(t.Context(), again)
	refused(t, err, "PreconditionFailed", 412, "At least one of the pre-conditions you specified did not hold")
	next := put("lock", "2")
	next.IfMatch = aws.String(`"0123"`)
	_, err = c.PutObject(t.Context(), next)
	refused(t, err, "PreconditionFailed", 412, "")
	next = put("lock", "2")
	next.IfMatch = first.ETag
	if _, err = c.PutObject(t.Context(), next); err != nil {
		t.Error(err)
	}
	none := put("none", "2")
	none.IfMatch = first.ETag
	_, err = c.PutObject(t.Context(), none)
	refused(t, err, "NoSuchKey", 404, "")
	other := put("other", "x")
	other.IfNoneMatch = aws.String("abc")
	_, err = c.PutObject(t.Context(), other)
	refused(t, err, "NotImplemented", 501, "A header you provided implies functionality that is not implemented")

	remove := &s3.DeleteObjectInput{Bucket: aws.String(bucket), Key: aws.String("lock"), IfMatch: first.ETag}
	_, err = c.DeleteObject(t.Context(), remove)
	refused(t, err, "PreconditionFailed", 412, "")
	remove.IfMatch = aws.String("*")
	if _, err := c.DeleteObject(t.Context(), remove); err != nil {
		t.Error(err)
	}
	_, err = c.DeleteObject(t.Context(), remove) // a delete marker is the current version now
	refused(t, err, "PreconditionFailed", 412, "")
	remove.Key = aws.String("never")
	_, err = c.DeleteObject(t.Context(), remove)
	refused(t, err, "NoSuchKey", 404, "")
	lock.Body = strings.NewReader("1")
	if _, err := c.PutObject(t.Context(), lock); err != nil {
		t.Error("a deleted key is free again:", err)
	}
}

// The upload is held up by a slow answer while the key is deleted.
func TestConditionalWriteLosesARace(t *testing.T) {
	f := start(t, lab.Options{})
	c := f.s3(f.admin())
	f.Fault(lab.Fault{Operation: "PutObject", Kind: lab.FaultHang, Count: 1})
	failed := make(chan error, 1)
	go func() {
		lock := put("lock", "1")
		lock.IfNoneMatch = aws.String("*")
		_, err := c.PutObject(t.Context(), lock)
		failed <- err
	}()
	waitFor(t, func() bool { return f.Hits() == 1 })
	if _, err := c.PutObject(t.Context(), put("lock", "other")); err != nil {
		t.Fatal(err)
	}
	if _, err := c.DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: aws.String(bucket), Key: aws.String("lock")}); err != nil {
		t.Fatal(err)
	}
	f.ClearFaults()
	refused(t, <-failed, "ConditionalRequestConflict", 409, "The conditional request cannot succeed due to a conflicting operation against this resource.")
}

func TestReads(t *testing.T) {
	f := start(t, lab.Options{})
	c := f.s3(f.admin())
	stored, err := c.PutObject(t.Context(), put("k", "0123456789"))
	if err != nil {
		t.Fatal(err)
	}
	for spec, want := range map[string]string{"bytes=2-4": "234", "bytes=7-": "789", "bytes=-2": "89", "bytes=5-100": "56789", "bytes=-100": "0123456789", "lines=1-2": "0123456789"} {
		in := get("k")
		in.Range = aws.String(spec)
		out, err := c.GetObject(t.Context(), in)
		if got := read(t, out, err); got != want {
			t.Errorf("%s: %q", spec, got)
		}
	}
	in := get("k")
	in.Range = aws.String("bytes=10-")
	_, err = c.GetObject(t.Context(), in)
	refused(t, err, "InvalidRange", 416, "The requested range is not satisfiable")
	in = get("k")
	in.IfMatch = aws.String("x")
	_, err = c.GetObject(t.Context(), in)
	refused(t, err, "PreconditionFailed", 412, "")
	in = get("k")
	in.IfNoneMatch = stored.ETag
	_, err = c.GetObject(t.Context(), in)
	refused(t, err, "NotModified", 304, "")
}

func TestVersions(t *testing.T) {
	f := start(t, lab.Options{})
	c := f.s3(f.admin())
	one, err := c.PutObject(t.Context(), put("k", "one"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.PutObject(t.Context(), put("k", "two")); err != nil {
		t.Fatal(err)
	}
	gone, err := c.DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: aws.String(bucket), Key: aws.String("k")})
	if err != nil || !*gone.DeleteMarker {
		t.Fatalf("%+v, %v", gone, err)
	}
	_, err = c.GetObject(t.Context(), get("k"))
	refused(t, err, "NoSuchKey", 404, "")
	in := get("k")
	in.VersionId = one.VersionId
	out, err := c.GetObject(t.Context(), in)
	if got := read(t, out, err); got != "one" {
		t.Error(got)
	}
	in.VersionId = gone.VersionId
	_, err = c.GetObject(t.Context(), in)
	refused(t, err, "MethodNotAllowed", 405, "")
	in.VersionId = aws.String(strings.Repeat("0", 32))
	_, err = c.GetObject(t.Context(), in)
	refused(t, err, "NoSuchVersion", 404, "")
	in.VersionId = aws.String("1")
	_, err = c.GetObject(t.Context(), in)
	refused(t, err, "InvalidArgument", 400, "Invalid version id specified")

	var seen []string
	pages := s3.NewListObjectVersionsPaginator(c, &s3.ListObjectVersionsInput{Bucket: aws.String(bucket), MaxKeys: aws.Int32(1)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range page.Versions {
			seen = append(seen, *v.VersionId)
		}
		for _, v := range page.DeleteMarkers {
			seen = append(seen, "marker "+*v.VersionId)
		}
	}
	if len(seen) != 3 || seen[0] != "marker "+*gone.VersionId || seen[2] != *one.VersionId {
		t.Errorf("versions %q", seen)
	}
	if _, err := c.DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: aws.String(bucket), Key: aws.String("k"), VersionId: gone.VersionId}); err != nil {
		t.Fatal(err)
	}
	out, err = c.GetObject(t.Context(), get("k"))
	if got := read(t, out, err); got != "two" {
		t.Errorf("without the marker: %q", got)
	}
}

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

func TestCustomerKeys(t *testing.T) {
	f := start(t, lab.Options{})
	c := f.s3(f.admin())
	sse := func(b byte) (algorithm, key, sum *string) {
		raw := bytes.Repeat([]byte{b}, 32)
		hash := md5.Sum(raw)
		return aws.String("AES256"), aws.String(base64.StdEncoding.EncodeToString(raw)), aws.String(base64.StdEncoding.EncodeToString(hash[:]))
	}
	in := put("k", "secret")
	in.SSECustomerAlgorithm, in.SSECustomerKey, in.SSECustomerKeyMD5 = sse(1)
	if _, err := c.PutObject(t.Context(), in); err != nil {
		t.Fatal(err)
	}
	_, err := c.GetObject(t.Context(), get("k"))
	refused(t, err, "InvalidRequest", 400, "The object was stored using a form of Server Side Encryption.")
	out := get("k")
	out.SSECustomerAlgorithm, out.SSECustomerKey, out.SSECustomerKeyMD5 = sse(2)
	_, err = c.GetObject(t.Context(), out)
	refused(t, err, "AccessDenied", 403, "")
	out.SSECustomerAlgorithm, out.SSECustomerKey, out.SSECustomerKeyMD5 = sse(1)
	got, err := c.GetObject(t.Context(), out)
	if body := read(t, got, err); body != "secret" || *got.SSECustomerKeyMD5 != *in.SSECustomerKeyMD5 {
		t.Errorf("%q, %+v", body, got)
	}
	_, out.SSECustomerKey, _ = sse(3)
	_, err = c.GetObject(t.Context(), out)
	refused(t, err, "InvalidArgument", 400, "The calculated MD5 hash of the key did not match the hash that was provided.")
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

func TestS3RefusesWhatItDoesNotKnow(t *testing.T) {
	f := start(t, lab.Options{})
	c := f.s3(f.admin())
	_, err := c.GetBucketPolicy(t.Context(), &s3.GetBucketPolicyInput{Bucket: aws.String(bucket)})
	refused(t, err, "HoldfastLabUnsupported", 501, "policy")
	_, err = c.CreateMultipartUpload(t.Context(), &s3.CreateMultipartUploadInput{Bucket: aws.String(bucket), Key: aws.String("k")})
	refused(t, err, "HoldfastLabUnsupported", 501, "uploads")
	_, err = c.CopyObject(t.Context(), &s3.CopyObjectInput{Bucket: aws.String(bucket), Key: aws.String("k"), CopySource: aws.String("a/b")})
	refused(t, err, "HoldfastLabUnsupported", 501, "")
	in := put("k", "x")
	in.StorageClass = types.StorageClassGlacier
	_, err = c.PutObject(t.Context(), in)
	refused(t, err, "HoldfastLabUnsupported", 501, "x-amz-storage-class")
	in = put("k", "x")
	in.ACL = types.ObjectCannedACLPrivate
	_, err = c.PutObject(t.Context(), in)
	refused(t, err, "AccessControlListNotSupported", 400, "The bucket does not allow ACLs")
	last := f.Calls()[len(f.Calls())-1]
	if last.Status != http.StatusBadRequest || last.Error != "AccessControlListNotSupported" || last.Bucket != bucket || last.Key != "k" {
		t.Errorf("%+v", last)
	}
}

func TestPresigned(t *testing.T) {
	f := start(t, lab.Options{})
	if _, err := f.s3(f.admin()).PutObject(t.Context(), put("a b", "x")); err != nil {
		t.Fatal(err)
	}
	signed, err := s3.NewPresignClient(f.s3(f.ci())).PresignGetObject(t.Context(), get("a b"))
	if err != nil {
		t.Fatal(err)
	}
	fetch := func(url string) (int, string) {
		t.Helper()
		resp, err := http.Get(url)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		b, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, string(b)
	}
	if status, body := fetch(signed.URL); status != 200 || body != "x" {
		t.Errorf("%d %s", status, body)
	}
	for _, change := range [][3]string{
		{"X-Amz-Expires=", "1", "SignatureDoesNotMatch"},
		{"a%20b", "c", "SignatureDoesNotMatch"},
		{"x-id=GetObject", "s", "SignatureDoesNotMatch"},
		{"X-Amz-Expires=", "999999", "AuthorizationQueryParametersError"},
		{"X-Amz-Security-Token=", "x", "InvalidToken"},
		{"X-Amz-Security-Token", "s", "InvalidAccessKeyId"},
		{"X-Amz-Algorithm=", "x", "AuthorizationQueryParametersError"},
	} {
		if !strings.Contains(signed.URL, change[0]) {
			t.Fatalf("%s isn't in %s", change[0], signed.URL)
		}
		url := strings.Replace(signed.URL, change[0], change[0]+change[1], 1)
		if status, body := fetch(url); status < 400 || !strings.Contains(body, "<Code>"+change[2]+"</Code>") {
			t.Errorf("%s: %d %s", change, status, body)
		}
	}
	f.Fault(lab.Fault{Kind: lab.FaultSkew, Offset: 20 * time.Minute})
	if status, body := fetch(signed.URL); status != 403 || !strings.Contains(body, "Request has expired") {
		t.Errorf("%d %s", status, body)
	}
}
