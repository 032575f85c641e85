package app

import (
	"context"
	"net/http"
	"os"
	"time"

	"github.com/holdfast/holdfast/internal/alert"
	"github.com/holdfast/holdfast/internal/awsapi/topic"
	"github.com/holdfast/holdfast/internal/config"
	"github.com/holdfast/holdfast/internal/cred"
	"github.com/holdfast/holdfast/internal/cure"
	"github.com/holdfast/holdfast/internal/event"
	"github.com/holdfast/holdfast/internal/precedence"
	"github.com/holdfast/holdfast/internal/report"
)

// alertsWithin is how long the end of a run waits for alerts that weren't sent.
const alertsWithin = 3 * time.Second

// rules are what holdfast.hcl says of alerts. Commands is where a GitHub runner
// reads its workflow commands. What can't be used is an error of its own and
// keeps no other from being sent.
func (i identities) rules(commands *os.File, sns func(topic string) alert.Sink) (rules []alert.Rule, problems []error) {
	client := &http.Client{Transport: &http.Transport{Proxy: http.ProxyFromEnvironment}}
	for _, block := range i.file.Alerts {
		address := block.URL
		if block.URLVariable != "" {
			address = i.env[block.URLVariable]
		}
		secret := i.env[block.SecretVariable]
		rule := alert.Rule{Name: block.Name, Kinds: block.Events, Least: severity(block.Severity)}
		switch block.To {
		case config.ToWebhook:
			rule.Sink = alert.Webhook{URL: address, Secret: secret, Client: client, Now: time.Now}
		case config.ToSlack:
			rule.Sink = alert.Slack{URL: address, Client: client}
		case config.ToGitHub:
			rule.Sink = alert.GitHub{Commands: commands, Summary: i.env["GITHUB_STEP_SUMMARY"]}
		case config.ToSNS:
			rule.Sink = sns(block.Topic)
		}
		var missing string
		switch {
		case address == "" && (block.To == config.ToWebhook || block.To == config.ToSlack):
			missing = block.URLVariable
		case block.SecretVariable != "" && secret == "":
			missing = block.SecretVariable
		case block.To == config.ToGitHub && i.env["GITHUB_ACTIONS"] != "true":
			continue // nobody reads its commands elsewhere
		}
		if missing != "" {
			problems = append(problems, &cure.Error{What: "alert \"" + block.Name + "\" can't be sent: the variable " + missing + " is empty", Cure: "set it, or take the block out of " + block.Range.Filename})
			continue
		}
		rules = append(rules, rule)
	}
	return rules, problems
}

func severity(word string) event.Severity {
	for _, s := range []event.Severity{event.Info, event.Notice, event.Loss} {
		if s.String() == word {
			return s
		}
	}
	return event.Warning
}

// alerting sends what happens in a run to whoever isn't looking.
func (k *keeping) alerting() {
	rules, problems := k.all.rules(k.proc.Stderr, k.topic)
	for _, problem := range problems {
		k.note(event.Warning, Noted, problem.Error())
	}
	if len(rules) > 0 {
		k.alerts = alert.New(context.WithoutCancel(k.service.life), rules) // alerted ends it
		k.mu.Lock()
		k.listener = k.alerts.Take
		k.mu.Unlock()
	}
}

// alerted waits for what is under way.
func (k *keeping) alerted() {
	if k.alerts == nil {
		return
	}
	k.mu.Lock()
	k.listener = nil
	k.mu.Unlock()
	if err := k.alerts.Close(alertsWithin); err != nil {
		k.note(event.Warning, Noted, err.Error())
	}
}

// AlertsTested is what `holdfast alert test` tells.
type AlertsTested struct {
	SchemaVersion int           `json:"schema_version"`
	Alerts        []AlertResult `json:"alerts"`
}

// AlertResult is what became of a test.
type AlertResult struct {
	Name string `json:"name"`
	To   string `json:"to"`
	Err  string `json:"error,omitempty"`
}

// TestAlerts sends an event to each place that holdfast.hcl names, whatever its
// rules, or to the one of that name.
func TestAlerts(ctx context.Context, req Request, name string, proc Process) (AlertsTested, error) {
	env := precedence.NewEnv(proc.Environ)
	all, err := declaredBy(req, proc, env)
	out := AlertsTested{SchemaVersion: report.SchemaVersion, Alerts: []AlertResult{}}
	if err != nil {
		return out, err
	}
	s := newService(ctx, proc, event.Discard)
	defer s.close()
	k := &keeping{job: &job{req: req, proc: proc, env: env}, all: all, service: s}
	for _, block := range all.file.Alerts {
		if name != "" && block.Name != name {
			continue
		}
		one := all
		one.file.Alerts = []config.Alert{block}
		rules, problems := one.rules(proc.Stdout, k.topic)
		result := AlertResult{Name: block.Name, To: string(block.To)}
		switch {
		case len(problems) > 0:
			result.Err = problems[0].Error()
		case len(rules) == 0:
			result.Err = "there is no GitHub job around"
		default:
			e := event.Event{Time: time.Now().Round(0), Kind: "alert.test", Severity: event.Warning, Subject: "test", Message: "holdfast alert test: whoever reads this would be told"}
			if err := alert.Send(ctx, rules[0].Sink, e); err != nil {
				result.Err = err.Error()
			}
		}
		out.Alerts = append(out.Alerts, result)
	}
	if len(out.Alerts) == 0 {
		what := "holdfast.hcl has no alert block"
		if name != "" {
			what = "holdfast.hcl has no alert \"" + name + "\""
		}
		return out, &cure.Error{What: what, Cure: "docs/ALERTS.md shows one", Class: cure.Usage}
	}
	return out, nil
}

// topic is a topic of SNS, published to as the identity of the run.
func (k *keeping) topic(arn string) alert.Sink {
	return topic.Topic{
		ARN: arn, Endpoint: first(k.env["AWS_ENDPOINT_URL_SNS"], k.env["AWS_ENDPOINT_URL"]),
		Client: &http.Client{Transport: &http.Transport{Proxy: http.ProxyFromEnvironment}},
		Credentials: func(ctx context.Context) (cred.Set, error) {
			who, _, err := k.all.ofRun(true)
			if err != nil {
				return cred.Set{}, err
			}
			c, err := k.service.chain(ctx, who)
			if err != nil {
				return cred.Set{}, err
			}
			if err := c.ready(ctx); err != nil {
				return cred.Set{}, err
			}
			return c.last().Get(ctx)
		},
	}
}
