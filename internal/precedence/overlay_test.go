package precedence_test

import (
	"testing"

	"github.com/holdfast/holdfast/internal/precedence"
)

func TestOverlayBlanksOnlyWhatEverySDKTakesForUnset(t *testing.T) {
	d := precedence.Delivery{FullURI: "http://127.0.0.1:1/v1/x", Token: "t", TokenFile: "/t", Region: "eu-west-1"}
	over, winner := precedence.Overlay(precedence.Facts{Env: precedence.Env{
		"AWS_ACCESS_KEY_ID": "A", "AWS_SECRET_ACCESS_KEY": "S", "AWS_SESSION_TOKEN": "T", "AWS_WEB_IDENTITY_TOKEN_FILE": "/w", "AWS_ROLE_ARN": "r", "OTHER": "x",
	}}, d)
	if !winner.Endpoint() {
		t.Errorf("after the overlay %v wins", winner)
	}
	for name, want := range map[string]string{
		"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "", "AWS_SESSION_TOKEN": "", "AWS_WEB_IDENTITY_TOKEN_FILE": "", "AWS_ROLE_ARN": "",
		"AWS_CONTAINER_CREDENTIALS_FULL_URI": d.FullURI, "AWS_CONTAINER_AUTHORIZATION_TOKEN": "t", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": "/t",
		"AWS_EC2_METADATA_DISABLED": "true", "AWS_REGION": "eu-west-1",
	} {
		if got, ok := over[name]; !ok || got != want {
			t.Errorf("%s = %q (%v), want %q", name, got, ok, want)
		}
		delete(over, name)
	}
	if len(over) != 0 {
		t.Errorf("and besides: %v", over)
	}

	over, winner = precedence.Overlay(precedence.Facts{Env: precedence.Env{
		"AWS_PROFILE": "p", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "/v2", "AWS_REGION": "us-east-1",
	}}, d)
	for _, name := range []string{"AWS_PROFILE", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_REGION"} {
		if _, ok := over[name]; ok {
			t.Errorf("%s was touched", name)
		}
	}
	if winner.Endpoint() {
		t.Error("what can't be blanked is said to lose")
	}
}
