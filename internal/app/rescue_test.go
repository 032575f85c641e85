package app

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	dynamo "github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/holdfast/holdfast/internal/journal"
	"github.com/holdfast/holdfast/internal/lab"
	"github.com/holdfast/holdfast/internal/precedence"
	"github.com/holdfast/holdfast/internal/rescue"
	"github.com/holdfast/holdfast/internal/tf/state"
)

// leftBehind is a directory of a real OpenTofu whose state wasn't uploaded, over
// a real S3 client and the lab.
type leftBehind struct {
	t     *testing.T
	w     workplace
	key   string
	s3    *s3.Client
	items *dynamodb.Client
	run   rescue.Run
}

const rescueBucket, rescueTable = "holdfast-state", "holdfast-locks"

func stateOf(serial int, resource string) []byte {
	return fmt.Appendf(nil, `{"version":4,"terraform_version":"1.12.6","serial":%d,"lineage":"6f0e","outputs":{"r":{"value":%q,"type":"string"}},"resources":[],"check_results":null}`, serial, resource)
}

// leave makes one: serial 17 in the bucket, 18 in the directory, a digest that
// lags behind by the run's own last write, and the run's lock in both places.
func leave(t *testing.T, l *lab.Server, tofu, key string) *leftBehind {
	t.Helper()
	env := precedence.Env{"HOME": t.TempDir(), "PATH": os.Getenv("PATH"), "TF_CLI_CONFIG_FILE": os.DevNull, "CHECKPOINT_DISABLE": "1", "AWS_EC2_METADATA_DISABLED": "true"}
	for _, e := range l.Env() {
		name, value, _ := strings.Cut(e, "=")
		env[name] = value
	}
	b := &leftBehind{t: t, key: key, w: workplace{dir: t.TempDir(), engine: "tofu", path: tofu, env: env, credentials: keysOf(env)}}
	config := aws.Config{
		Region: env["AWS_REGION"], BaseEndpoint: aws.String(l.URL()),
		Credentials: credentials.NewStaticCredentialsProvider(env["AWS_ACCESS_KEY_ID"], env["AWS_SECRET_ACCESS_KEY"], ""),
	}
	b.s3 = s3.NewFromConfig(config, func(o *s3.Options) { o.UsePathStyle = true })
	b.items = dynamodb.NewFromConfig(config)
	b.write("main.tf", fmt.Appendf(nil, "terraform {\n  backend \"s3\" {\n    bucket = %q\n    key = %q\n    use_path_style = true\n    use_lockfile = true\n    dynamodb_table = %q\n  }\n}\n", rescueBucket, key, rescueTable))
	cmd := exec.Command(tofu, "init", "-no-color")
	cmd.Dir, cmd.Env = b.w.dir, env.Environ()
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	now := time.Now().UTC()
	lock := state.Lock{ID: "11111111-2222-3333-4444-555555555555", Operation: "OperationTypeApply", Who: whoLocks(), Created: now.Add(-time.Minute), Path: rescueBucket + "/" + key}
	info, err := json.Marshal(lock)
	b.must(err)
	b.run = rescue.Run{Began: now.Add(-2 * time.Minute), Ended: now.Add(time.Minute), Who: whoLocks(), Seen: lock.ID, Worked: now, Before: rescue.Before{MD5: "another"}}
	b.put(key, stateOf(17, "half"))
	b.put(key+".tflock", info)
	b.item(rescueBucket+"/"+key, "Info", string(info))
	b.item(rescueBucket+"/"+key+"-md5", "Digest", state.Digest(stateOf(16, "before")))
	b.write(state.FileName, stateOf(18, "whole"))
	return b
}

func (b *leftBehind) must(err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
}

func (b *leftBehind) write(name string, content []byte) {
	b.t.Helper()
	b.must(os.WriteFile(filepath.Join(b.w.dir, name), content, 0o600))
}

func (b *leftBehind) put(key string, content []byte) {
	b.t.Helper()
	_, err := b.s3.PutObject(b.t.Context(), &s3.PutObjectInput{Bucket: aws.String(rescueBucket), Key: &key, Body: strings.NewReader(string(content))})
	b.must(err)
}

func (b *leftBehind) item(id, attribute, value string) {
	b.t.Helper()
	_, err := b.items.PutItem(b.t.Context(), &dynamodb.PutItemInput{TableName: aws.String(rescueTable), Item: map[string]dynamo.AttributeValue{
		"LockID": &dynamo.AttributeValueMemberS{Value: id}, attribute: &dynamo.AttributeValueMemberS{Value: value},
	}})
	b.must(err)
}

// rescue is one of a process that is killed where hook says so.
func (b *leftBehind) rescue(home string, run *rescue.Run, hook journal.Hook) (died bool) {
	b.t.Helper()
	defer func() {
		if r := recover(); r != nil {
			if r != "killed" {
				panic(r)
			}
			died = true
		}
	}()
	r := &rescuer{homes: []string{home}, who: whoLocks(), hook: hook}
	if _, err := r.settle(context.Background(), b.w, trace{run: run}); err != nil {
		b.t.Fatal(err)
	}
	return false
}

// settled says what is wrong in the end: the bucket has the state, once, its
// digest fits, and there is no lock and nothing left in the directory.
func (b *leftBehind) settled() (wrong []string) {
	b.t.Helper()
	store, err := b.w.store(b.t.Context())
	b.must(err)
	r, err := store.Look(b.t.Context())
	b.must(err)
	want, err := state.Parse(stateOf(18, "whole"))
	b.must(err)
	if !r.State.SameContent(want) || r.State.Serial < 18 || r.State.Serial > 19 || r.State.Lineage != "6f0e" {
		wrong = append(wrong, fmt.Sprintf("the bucket has serial %d of lineage %s", r.State.Serial, r.State.Lineage))
	}
	if r.Digest != r.MD5 {
		wrong = append(wrong, "the digest doesn't fit")
	}
	if r.File != nil || r.Item != nil {
		wrong = append(wrong, fmt.Sprintf("a lock stays: %v %v", r.File, r.Item))
	}
	if exists(filepath.Join(b.w.dir, state.FileName)) {
		wrong = append(wrong, "errored.tfstate is still there")
	}
	return wrong
}

// Killed after each single step, and run again, a rescue over a real client and
// a real OpenTofu ends as one that wasn't: as soon as anything is recorded,
// without being told of the run again.
func TestRescueKilledAfterEveryStep(t *testing.T) {
	out, err := exec.Command("sh", "../../tools/tofu").Output()
	if err != nil {
		t.Fatal(err)
	}
	l, err := lab.Start(lab.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	var steps []string
	for n := 1; ; n++ {
		b := leave(t, l, strings.TrimSpace(string(out)), fmt.Sprintf("killed-%d.tfstate", n))
		home, passed, at := t.TempDir(), 0, "nowhere"
		died := b.rescue(home, &b.run, func(p journal.Point) {
			if passed++; passed == n {
				at = p.String()
				panic("killed")
			}
		})
		if died {
			steps = append(steps, at)
			again := &b.run
			if all, _ := journal.List(home, rescue.Kind); len(all) > 0 && rescue.DirOf(all[0]) != "" {
				again = nil
			}
			b.rescue(home, again, nil)
		}
		for _, wrong := range b.settled() {
			t.Errorf("killed at %q: %s", at, wrong)
		}
		if !died {
			break
		}
	}
	t.Logf("killed at: %s", strings.Join(steps, ", "))
	if len(steps) < 14 {
		t.Errorf("only %d steps", len(steps))
	}
}
