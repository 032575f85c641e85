package s3

import (
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/holdfast/holdfast/internal/lab/wire"
)

// Locate finds bucket and key in a request: bucket.HOST/key or HOST/bucket/key.
func Locate(r *http.Request, host string) (bucket, key string, err error) {
	path := strings.TrimPrefix(r.URL.EscapedPath(), "/")
	if name, ok := strings.CutSuffix(r.Host, "."+host); ok {
		key, err = url.PathUnescape(path)
		return name, key, err
	}
	first, rest, _ := strings.Cut(path, "/")
	if bucket, err = url.PathUnescape(first); err != nil {
		return "", "", err
	}
	key, err = url.PathUnescape(rest)
	return bucket, key, err
}

// Operation names what a request asks for, "" if the lab has no name for it.
func Operation(r *http.Request, bucket, key string) string {
	query := r.URL.Query()
	what := r.Method
	for _, name := range slices.Sorted(maps.Keys(query)) {
		if slices.Contains(subresources(), name) {
			what += " " + name
		}
	}
	switch {
	case bucket == "":
		return map[string]string{"GET": "ListBuckets"}[what]
	case key == "":
		return map[string]string{
			"HEAD": "HeadBucket", "PUT": "CreateBucket", "DELETE": "DeleteBucket",
			"GET": "ListObjects", "GET list-type": "ListObjectsV2", "GET versions": "ListObjectVersions",
			"GET location": "GetBucketLocation", "GET versioning": "GetBucketVersioning",
			"PUT versioning": "PutBucketVersioning", "POST delete": "DeleteObjects",
		}[what]
	}
	if r.Header.Get("X-Amz-Copy-Source") != "" {
		return ""
	}
	return map[string]string{"PUT": "PutObject", "GET": "GetObject", "HEAD": "HeadObject", "DELETE": "DeleteObject"}[what]
}

// subresources are query parameters that change what a request means.
func subresources() []string {
	return []string{
		"accelerate", "acl", "analytics", "append", "attributes", "cors", "delete", "encryption", "intelligent-tiering",
		"inventory", "legal-hold", "lifecycle", "list-type", "location", "logging", "metrics", "notification", "object-lock",
		"ownershipControls", "partNumber", "policy", "policyStatus", "publicAccessBlock", "replication", "requestPayment",
		"restore", "retention", "select", "session", "tagging", "torrent", "uploadId", "uploads", "versioning", "versions", "website",
	}
}

// known refuses query parameters and x-amz-* headers that no code reads.
func known(r *wire.Request) error {
	for name := range r.HTTP.URL.Query() {
		if !slices.Contains(parameters(r.Operation), name) && !strings.HasPrefix(name, "X-Amz-") && name != "x-id" {
			return wire.Unsupported("the query parameter " + name + " of s3:" + r.Operation)
		}
	}
	for name := range r.HTTP.Header {
		lower := strings.ToLower(name)
		if strings.HasPrefix(lower, "x-amz-") && !strings.HasPrefix(lower, metaPrefix) && !slices.Contains(headers(), lower) {
			return wire.Unsupported("the header " + lower + " of s3:" + r.Operation)
		}
	}
	return nil
}

const metaPrefix = "x-amz-meta-"

func parameters(operation string) []string {
	listing := []string{"prefix", "delimiter", "max-keys", "encoding-type"}
	switch operation {
	case "ListObjects":
		return append(listing, "marker")
	case "ListObjectsV2":
		return append(listing, "list-type", "continuation-token", "start-after", "fetch-owner")
	case "ListObjectVersions":
		return append(listing, "versions", "key-marker", "version-id-marker")
	case "GetObject", "HeadObject", "DeleteObject":
		return []string{"versionId"}
	case "GetBucketLocation":
		return []string{"location"}
	case "GetBucketVersioning", "PutBucketVersioning":
		return []string{"versioning"}
	case "DeleteObjects":
		return []string{"delete"}
	}
	return nil
}

func headers() []string {
	return []string{
		"x-amz-date", "x-amz-content-sha256", "x-amz-security-token", "x-amz-user-agent",
		"x-amz-decoded-content-length", "x-amz-trailer", "x-amz-sdk-checksum-algorithm", "x-amz-checksum-mode",
		"x-amz-checksum-crc32", "x-amz-checksum-crc32c", "x-amz-checksum-crc64nvme", "x-amz-checksum-sha1", "x-amz-checksum-sha256",
		"x-amz-server-side-encryption", "x-amz-server-side-encryption-aws-kms-key-id",
		"x-amz-server-side-encryption-customer-algorithm", "x-amz-server-side-encryption-customer-key", "x-amz-server-side-encryption-customer-key-md5",
		"x-amz-acl", "x-amz-tagging", "x-amz-expected-bucket-owner",
	}
}

// Permission is the IAM action and the resource of a request.
// https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazons3.html
func Permission(r *wire.Request) (action, resource string) {
	arn := "arn:aws:s3:::" + r.Bucket
	versioned := r.HTTP.URL.Query().Has("versionId")
	switch r.Operation {
	case "ListBuckets":
		return "s3:ListAllMyBuckets", "*"
	case "HeadBucket", "ListObjects", "ListObjectsV2":
		return "s3:ListBucket", arn
	case "ListObjectVersions":
		return "s3:ListBucketVersions", arn
	case "GetObject", "HeadObject":
		action = "s3:GetObject"
	case "DeleteObject":
		action = "s3:DeleteObject"
	case "PutObject":
		return "s3:PutObject", arn + "/" + r.Key
	default:
		return "s3:" + r.Operation, arn
	}
	if versioned {
		action += "Version"
	}
	return action, arn + "/" + r.Key
}
