package ledger

import (
	"fmt"
	"regexp"
	"strings"
)

// scheme begins the address of an object.
const scheme = "s3://"

// Address is where an object in S3 lies.
type Address struct{ Bucket, Key string }

// String is the address as people write it: s3://BUCKET/KEY.
func (a Address) String() string { return scheme + a.Bucket + "/" + a.Key }

// bucketName is looser than the rule for new buckets: old ones in us-east-1 have
// capitals, underscores and longer names
// (https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html).
func bucketName(name string) bool {
	return regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{2,254}$`).MatchString(name)
}

// ParseAddress reads s3://BUCKET, s3://BUCKET/DIRECTORY/ and s3://BUCKET/KEY; in
// a directory a ledger is called FileName. Ok is false for the name of a file.
// What is neither, as the address of another store, is an error.
func ParseAddress(text string) (a Address, ok bool, err error) {
	rest, ok := strings.CutPrefix(text, scheme)
	if !ok {
		if strings.Contains(text, "://") || strings.HasPrefix(strings.ToLower(text), "s3:") {
			return a, false, fmt.Errorf("%q is neither a file nor s3://BUCKET/KEY", text)
		}
		return a, false, nil
	}
	a.Bucket, a.Key, _ = strings.Cut(rest, "/")
	switch {
	case !bucketName(a.Bucket):
		return Address{}, false, fmt.Errorf("%q: %q can't be the name of a bucket; it is s3://BUCKET/KEY", text, a.Bucket)
	case strings.HasPrefix(a.Key, "/"):
		return Address{}, false, fmt.Errorf("%q: one slash behind the bucket, not two", text)
	case a.Key == "" || strings.HasSuffix(a.Key, "/"):
		a.Key += FileName
	}
	return a, true, nil
}
