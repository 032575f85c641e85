package endpoint

import (
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	"github.com/holdfast/holdfast/internal/cred"
)

// endless is the expiry that long-lived keys are given: the JavaScript SDK
// wants all four fields, and botocore fails without this one.
const endless = 12 * time.Hour

type credentials struct {
	AccessKeyID     string `json:"AccessKeyId"`
	SecretAccessKey string
	Token           string
	Expiration      string
}

func answer(w http.ResponseWriter, set cred.Set) {
	expires := set.Expires
	if expires.IsZero() {
		expires = time.Now().Add(endless)
	}
	body, err := json.Marshal(credentials{
		AccessKeyID: set.AccessKeyID(), SecretAccessKey: set.Secret(), Token: set.Token(),
		Expiration: expires.UTC().Format(time.RFC3339),
	})
	if err != nil {
		answerError(w, http.StatusInternalServerError, "Internal", "the credential can't be written")
		return
	}
	write(w, http.StatusOK, body)
}

// answerError writes an error as the SDKs parse it: Go takes the names in any
// case, JavaScript only capitalised.
func answerError(w http.ResponseWriter, status int, code, message string) {
	body, err := json.Marshal(struct{ Code, Message string }{code, message})
	if err != nil {
		body = []byte("{}")
	}
	write(w, status, body)
}

// write sends Content-Type exactly so: the Go SDK reads an error only when
// there is no charset behind it.
func write(w http.ResponseWriter, status int, body []byte) {
	h := w.Header()
	h["Content-Type"] = []string{"application/json"}
	h["Content-Length"] = []string{strconv.Itoa(len(body))}
	h["Cache-Control"] = []string{"no-store"}
	w.WriteHeader(status)
	_, _ = w.Write(body)
}
