package authenticator

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"sigs.k8s.io/aws-iam-authenticator/pkg/token"

	"github.com/holdfast/holdfast/internal/lab"
)

// TestVerifierTakesHoldfastsToken: what `holdfast eks-token` prints is accepted
// by the real verifier, for the cluster it was made for and no other, although
// AWS_ENDPOINT_URL led holdfast to the lab.
func TestVerifierTakesHoldfastsToken(t *testing.T) {
	const cluster, region = "payments", "eu-west-1"
	s, err := lab.Start(lab.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	playSTS(t, s, []string{"sts." + region + ".amazonaws.com"})

	holdfast := filepath.Join(t.TempDir(), "holdfast")
	if out, err := exec.Command("go", "build", "-C", "../..", "-o", holdfast, "./cmd/holdfast").CombinedOutput(); err != nil {
		t.Fatalf("building holdfast: %v\n%s", err, out)
	}
	cmd := exec.Command(holdfast, "eks-token", cluster)
	cmd.Dir = t.TempDir()
	cmd.Env = append(s.Env(), "HOME="+cmd.Dir, "PATH="+os.Getenv("PATH"), "AWS_EC2_METADATA_DISABLED=true", "AWS_ENDPOINT_URL_STS="+s.URL())
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	var credential struct {
		Kind   string
		Status struct{ Token string }
	}
	if err := json.Unmarshal(out, &credential); err != nil || credential.Kind != "ExecCredential" {
		t.Fatalf("%s: %v", out, err)
	}
	identity, err := token.NewVerifier(cluster, "aws", region).Verify(credential.Status.Token)
	if err != nil || !strings.Contains(identity.ARN, ":user/") {
		t.Errorf("%+v, %v", identity, err)
	}
	if _, err := token.NewVerifier("another", "aws", region).Verify(credential.Status.Token); err == nil {
		t.Error("the token of one cluster was taken for another")
	}
}
