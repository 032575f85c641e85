package ledger_test

import (
	"testing"

	"github.com/holdfast/holdfast/internal/ledger"
)

func TestParseAddress(t *testing.T) {
	for text, want := range map[string]string{ // empty: a file; no: an error
		"":                            "",
		"none":                        "",
		"bindings.jsonl":              "",
		"/var/lib/holdfast/b.jsonl":   "",
		"./s3:odd":                    "",
		"s3/acme":                     "",
		"s3://acme-ledger":            "s3://acme-ledger/bindings.jsonl",
		"s3://acme-ledger/":           "s3://acme-ledger/bindings.jsonl",
		"s3://acme-ledger/eks/":       "s3://acme-ledger/eks/bindings.jsonl",
		"s3://acme-ledger/eks":        "s3://acme-ledger/eks",
		"s3://acme-ledger/a/b.jsonl":  "s3://acme-ledger/a/b.jsonl",
		"s3://acme-ledger/a b?c=d#e":  "s3://acme-ledger/a b?c=d#e",
		"s3://acme-ledger/a//b.jsonl": "s3://acme-ledger/a//b.jsonl",
		"s3://Old_Bucket/k":           "s3://Old_Bucket/k",
		"s3://a.b-c/none":             "s3://a.b-c/none",
		"s3://":                       "no",
		"s3:///key":                   "no",
		"s3://ab/key":                 "no",
		"s3://-ab/key":                "no",
		"s3://a b c/key":              "no",
		"s3://acme-ledger//key":       "no",
		"s3:acme":                     "no",
		"s3:/acme/key":                "no",
		"S3://acme-ledger/key":        "no",
		"gs://acme/key":               "no",
		"https://acme.s3.amazonaws.com/bindings.jsonl": "no",
	} {
		at, ok, err := ledger.ParseAddress(text)
		got := ""
		switch {
		case err != nil:
			got = "no"
			if ok {
				t.Errorf("%q: an error, and an address", text)
			}
		case ok:
			got = at.String()
			if again, ok, err := ledger.ParseAddress(got); again != at || !ok || err != nil {
				t.Errorf("%q isn't read as it was written: %+v, %v", got, again, err)
			}
		}
		if got != want {
			t.Errorf("%q: %q (%v), want %q", text, got, err, want)
		}
	}
}
