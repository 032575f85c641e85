package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/holdfast/holdfast/internal/lab"
)

const rescueUnits = 100

// rescue measures units that failed at once: by one `state rescue`, and, for
// comparison, by a `state push` of OpenTofu's own for each, one after the other.
func (p *programs) rescue(ctx context.Context) []row {
	const what = "100 units rescued"
	tofu, err := exec.CommandContext(ctx, "sh", "tools/tofu").Output()
	if err != nil {
		return unmeasured(err, what)
	}
	l, err := lab.Start(lab.Options{Session: time.Hour, Latency: 20 * time.Millisecond})
	if err != nil {
		return unmeasured(err, what)
	}
	defer l.Close()
	r := &rescued{ctx: ctx, lab: l, tofu: strings.TrimSpace(string(tofu)), env: append(p.bare(), l.Env()...)}
	r.env = append(r.env, "AWS_ENDPOINT_URL_STS="+l.URL(), "TF_CLI_CONFIG_FILE="+os.DevNull, "AWS_EC2_METADATA_DISABLED=true")
	ours, theirs := filepath.Join(p.dir, "ours"), filepath.Join(p.dir, "theirs")
	if err := errors.Join(r.prepare(ours), r.prepare(theirs)); err != nil {
		return unmeasured(err, what)
	}
	began := time.Now()
	cmd := exec.CommandContext(ctx, p.holdfast, "state", "rescue", "--engine", r.tofu, "--output", "json", ours)
	cmd.Env = r.env
	out, err := cmd.Output()
	took := time.Since(began)
	if err != nil {
		return unmeasured(fmt.Errorf("state rescue: %w: %s", err, out), what)
	}
	var told struct {
		Directories []struct{ Pushed bool }
	}
	if err := json.Unmarshal(out, &told); err != nil {
		return unmeasured(err, what)
	}
	pushed := 0
	for _, d := range told.Directories {
		if d.Pushed {
			pushed++
		}
	}
	began = time.Now()
	for i := range rescueUnits {
		cmd := exec.CommandContext(ctx, r.tofu, "state", "push", "errored.tfstate")
		cmd.Dir, cmd.Env = unitOf(theirs, i), r.env
		if out, err := cmd.CombinedOutput(); err != nil {
			return unmeasured(fmt.Errorf("state push: %w: %s", err, out), what)
		}
	}
	byHand := time.Since(began)
	return []row{{
		what: what, measured: fmt.Sprintf("%.1f s", took.Seconds()), goal: "<= 1 x by hand", met: pushed == rescueUnits && took <= byHand,
		detail: fmt.Sprintf("%d pushed, read back, copies kept; %d times `state push` by hand, unchecked: %.1f s (%.2f x)", pushed, rescueUnits, byHand.Seconds(), took.Seconds()/byHand.Seconds()),
	}}
}

type rescued struct {
	ctx  context.Context
	lab  *lab.Server
	tofu string
	env  []string
}

func unitOf(root string, i int) string { return filepath.Join(root, fmt.Sprintf("unit%03d", i)) }

// prepare makes a hundred initialised directories with a state each that is one
// serial ahead of the bucket's.
func (r *rescued) prepare(root string) error {
	values := map[string]string{}
	for _, e := range r.env {
		name, value, _ := strings.Cut(e, "=")
		values[name] = value
	}
	client := s3.New(s3.Options{
		Region: values["AWS_REGION"], BaseEndpoint: aws.String(r.lab.URL()), UsePathStyle: true,
		Credentials: credentials.NewStaticCredentialsProvider(values["AWS_ACCESS_KEY_ID"], values["AWS_SECRET_ACCESS_KEY"], ""),
	})
	for i := range rescueUnits {
		dir, key := unitOf(root, i), filepath.Base(root)+fmt.Sprintf("/unit%03d.tfstate", i)
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return err
		}
		main := fmt.Sprintf("terraform {\n  backend \"s3\" {\n    bucket = %q\n    key = %q\n    use_path_style = true\n    use_lockfile = true\n  }\n}\n", values["HOLDFAST_LAB_BUCKET"], key)
		if err := os.WriteFile(filepath.Join(dir, "main.tf"), []byte(main), 0o600); err != nil {
			return err
		}
		cmd := exec.CommandContext(r.ctx, r.tofu, "init", "-no-color")
		cmd.Dir, cmd.Env = dir, r.env
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("init: %w: %s", err, out)
		}
		if _, err := client.PutObject(r.ctx, &s3.PutObjectInput{Bucket: aws.String(values["HOLDFAST_LAB_BUCKET"]), Key: &key, Body: bytes.NewReader(unitState(i, 1))}); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, "errored.tfstate"), unitState(i, 2), 0o600); err != nil {
			return err
		}
	}
	return nil
}

func unitState(i, serial int) []byte {
	return fmt.Appendf(nil, `{"version":4,"terraform_version":"1.12.6","serial":%d,"lineage":"unit-%d","outputs":{"serial":{"value":%d,"type":"number"}},"resources":[],"check_results":null}`, serial, i, serial)
}
