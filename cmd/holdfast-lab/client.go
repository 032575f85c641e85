package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/holdfast/holdfast/internal/lab"
)

func (e env) tokenCommand() *cobra.Command {
	var in lab.TokenRequest
	var audience, out string
	cmd := &cobra.Command{
		Use:   "token",
		Short: "Print a web identity token of the lab's issuer",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			in.Audience = []string{audience}
			token, err := e.call(cmd.Context(), http.MethodPost, "token", in)
			if err != nil {
				return err
			}
			if out != "" {
				return writeFile(out, string(token))
			}
			_, err = fmt.Fprintln(e.stdout, string(token))
			return err
		},
	}
	f := cmd.Flags()
	f.StringVar(&in.Subject, "sub", "system:serviceaccount:ci:runner", "`subject`")
	f.StringVar(&audience, "aud", "sts.amazonaws.com", "`audience`")
	f.StringVar(&in.TTL, "ttl", "10m", "`life`; a negative one is a token that ended already")
	f.StringToStringVar(&in.Tags, "tag", nil, "session tag, `key=value`; repeatable")
	f.StringSliceVar(&in.TransitiveTags, "transitive-tag", nil, "`key` of a tag that a chain inherits")
	f.StringVar(&in.SourceIdentity, "source-identity", "", "source `identity`")
	f.StringVar(&out, "out", "", "write it to this `file` instead, at once and complete")
	return cmd
}

func (e env) callsCommand() *cobra.Command {
	var asJSON, count bool
	filters := []string{"service", "operation", "principal", "role", "status", "error"}
	cmd := &cobra.Command{
		Use:   "calls",
		Short: "List the requests that the lab has answered",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			q := url.Values{}
			for _, name := range filters {
				if v := cmd.Flag(name).Value.String(); v != "" {
					q.Set(name, v)
				}
			}
			body, err := e.call(cmd.Context(), http.MethodGet, "calls?"+q.Encode(), nil)
			if err != nil {
				return err
			}
			if asJSON && !count {
				_, err = e.stdout.Write(body)
				return err
			}
			var calls []lab.Call
			if err := json.Unmarshal(body, &calls); err != nil {
				return err
			}
			if count {
				_, err = fmt.Fprintln(e.stdout, len(calls))
				return err
			}
			return printCalls(e.stdout, calls)
		},
	}
	f := cmd.Flags()
	for _, name := range filters {
		f.String(name, "", "only those with this `"+name+"`")
	}
	f.BoolVar(&asJSON, "json", false, "JSON array, one object for each call")
	f.BoolVar(&count, "count", false, "print how many there are")
	return cmd
}

func printCalls(w io.Writer, calls []lab.Call) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, c := range calls {
		about := strings.Trim(strings.Join([]string{c.Role, c.Bucket, c.Key, c.Table, c.Cluster}, " "), " ")
		note := c.Error
		if c.Fault != "" {
			note = strings.TrimSpace(note + " (fault: " + c.Fault + ")")
		}
		fmt.Fprintf(t, "%d\t%s\t%s:%s\t%d\t%s\t%s\t%s\n", c.Seq, c.Time.Format("15:04:05.000"), c.Service, c.Operation, c.Status, note, about, c.Principal)
	}
	return t.Flush()
}

func (e env) faultCommand() *cobra.Command {
	var f lab.Fault
	var kind string
	var clear bool
	cmd := &cobra.Command{
		Use:   "fault",
		Short: "Script trouble, or end it",
		Example: `  holdfast-lab fault --service sts --kind throttle --count 3
  holdfast-lab fault --operation AssumeRole --role deploy --kind hang --during-lifetime 0.8
  holdfast-lab fault --clear`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if clear {
				_, err := e.call(cmd.Context(), http.MethodDelete, "faults", nil)
				return err
			}
			f.Kind = lab.Kind(kind)
			if err := f.Check(); err != nil {
				return err
			}
			_, err := e.call(cmd.Context(), http.MethodPost, "faults", f)
			return err
		},
	}
	fs := cmd.Flags()
	fs.StringVar(&f.Service, "service", "", "only this `service`: sts, iam, s3, dynamodb, eks, logs")
	fs.StringVar(&f.Operation, "operation", "", "only this `operation`")
	fs.StringVar(&f.Role, "role", "", "only this role's `name`: the one to assume, or the caller's")
	fs.StringVar(&kind, "kind", "", "status, throttle, slow, hang, drop, error or skew")
	fs.IntVar(&f.Status, "status", 0, "status for kinds status (500, 503) and error")
	fs.StringVar(&f.Code, "code", "", "AWS's error `code` for kind error")
	fs.StringVar(&f.Message, "message", "", "`text` for kind error")
	fs.DurationVar(&f.Delay, "delay", 0, "wait of kind slow")
	fs.DurationVar(&f.Offset, "offset", 0, "how far kind skew moves the lab's clock")
	fs.IntVar(&f.Count, "count", 0, "hit so many requests; 0 hits all")
	fs.Float64Var(&f.Percent, "percent", 0, "hit this share of the requests; 0 hits all")
	fs.Float64Var(&f.DuringLifetime, "during-lifetime", 0, "hit an exchange only while less than this share of the role's last session has passed")
	fs.BoolVar(&clear, "clear", false, "end all faults")
	return cmd
}

// call asks a control path of the running lab.
func (e env) call(ctx context.Context, method, path string, in any) ([]byte, error) {
	endpoint := e.getenv("AWS_ENDPOINT_URL")
	if endpoint == "" {
		return nil, errors.New("AWS_ENDPOINT_URL isn't set; start holdfast-lab serve --env-file FILE and export what is in it")
	}
	body, err := json.Marshal(in)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, strings.TrimSuffix(endpoint, "/")+"/lab/"+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := e.client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("no lab answers at %s: %w", endpoint, err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode >= 300 {
		return nil, fmt.Errorf("the lab at %s: %s", endpoint, strings.TrimSpace(string(answer)))
	}
	return answer, nil
}
