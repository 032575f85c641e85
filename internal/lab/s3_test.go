package lab_test

import (
	"bytes"
	"crypto/md5"
	"encoding/base64"
	"io"
	"net/http"
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
