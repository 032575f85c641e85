package cli_test

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/holdfast/holdfast/internal/app"
	"github.com/holdfast/holdfast/internal/cli"
	"github.com/holdfast/holdfast/internal/config"
	"github.com/holdfast/holdfast/internal/gate"
	"github.com/holdfast/holdfast/internal/lint"
	"github.com/holdfast/holdfast/internal/report"
)

const docs = "../../docs"

// page is what a command says of itself, for docs/cli.
func page(cmd *cobra.Command) string {
	var b strings.Builder
	text := func(s string) { b.WriteString(strings.TrimRight(s, "\n") + "\n\n") }
	text("# " + cmd.CommandPath())
	text("<!-- written by: go test ./internal/cli -run TestDocs -update -->")
	about := cmd.Long
	if about == "" {
		about = cmd.Short
	}
	text(about)
	block := func(title, s string) {
		if s = strings.Trim(s, "\n"); s != "" {
			text("## " + title + "\n\n```\n" + s + "\n```")
		}
	}
	if cmd.Runnable() {
		block("Usage", cmd.UseLine())
	}
	block("Examples", cmd.Example)
	block("Flags", cmd.LocalFlags().FlagUsagesWrapped(80))
	for _, sub := range cmd.Commands() {
		if sub.IsAvailableCommand() && sub.Name() != "completion" && sub.Name() != "help" {
			text("- [" + sub.CommandPath() + "](" + fileName(sub) + "): " + sub.Short)
		}
	}
	return strings.TrimRight(b.String(), "\n") + "\n"
}

func fileName(cmd *cobra.Command) string {
	return strings.ReplaceAll(cmd.CommandPath(), " ", "_") + ".md"
}

func TestDocsOfCommands(t *testing.T) {
	var walk func(*cobra.Command)
	written := map[string]bool{}
	walk = func(cmd *cobra.Command) {
		cmd.InitDefaultHelpFlag()
		name := fileName(cmd)
		written[name] = true
		path, want := filepath.Join(docs, "cli", name), page(cmd)
		if *update {
			if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if got, err := os.ReadFile(path); err != nil || string(got) != want {
			t.Errorf("docs/cli/%s isn't what the command says (%v); go test ./internal/cli -run TestDocs -update", name, err)
		}
		for _, sub := range cmd.Commands() {
			if sub.IsAvailableCommand() && sub.Name() != "completion" && sub.Name() != "help" {
				walk(sub)
			}
		}
	}
	walk(cli.Commands(app.Process{}))
	all, err := os.ReadDir(filepath.Join(docs, "cli"))
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range all {
		if !written[entry.Name()] {
			t.Errorf("docs/cli/%s is of no command", entry.Name())
		}
	}
}

// TestDocsOfHelpFit: what a person reads fits 80 columns.
func TestDocsOfHelpFit(t *testing.T) {
	root := cli.Commands(app.Process{})
	for _, cmd := range append(root.Commands(), root) {
		cmd.InitDefaultHelpFlag()
		for _, line := range strings.Split(cmd.Long+"\n"+cmd.Short+"\n"+cmd.UsageString(), "\n") {
			if len([]rune(line)) > 80 {
				t.Errorf("%s: %d columns: %s", cmd.CommandPath(), len([]rune(line)), line)
			}
		}
		if cmd.Runnable() && cmd.HasParent() && cmd.Example == "" && cmd.Name() != "help" {
			t.Errorf("%s has no example", cmd.CommandPath())
		}
	}
}

func TestDocsOfTheReportNameEveryField(t *testing.T) {
	b, err := os.ReadFile(filepath.Join(docs, "JSON.md"))
	if err != nil {
		t.Fatal(err)
	}
	var walk func(reflect.Type)
	walk = func(of reflect.Type) {
		for of.Kind() == reflect.Slice || of.Kind() == reflect.Pointer {
			of = of.Elem()
		}
		if of.Kind() != reflect.Struct || of.PkgPath() != reflect.TypeFor[report.Run]().PkgPath() {
			return
		}
		for i := range of.NumField() {
			name, _, _ := strings.Cut(of.Field(i).Tag.Get("json"), ",")
			if name != "" && !strings.Contains(string(b), name) {
				t.Errorf("docs/JSON.md doesn't name %q of %s", name, of.Name())
			}
			walk(of.Field(i).Type)
		}
	}
	walk(reflect.TypeFor[report.Run]())
	walk(reflect.TypeFor[report.Doctor]())
}

func TestDocsOfConfigurationAreValid(t *testing.T) {
	for _, name := range []string{"../../README.md", filepath.Join(docs, "CONFIGURATION.md"), filepath.Join(docs, "ALERTS.md"), filepath.Join(docs, "TERRAGRUNT.md"), filepath.Join(docs, "SOURCES.md")} {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		blocks := strings.Split(string(b), "```hcl\n")[1:]
		if len(blocks) == 0 {
			t.Errorf("%s shows no configuration", name)
		}
		for _, block := range blocks {
			src, _, _ := strings.Cut(block, "```")
			if _, err := config.Parse(name, []byte(src)); err != nil {
				t.Error(err)
			}
		}
	}
}

// TestDocsLinksLead: every relative link of a page leads to a file.
func TestDocsLinksLead(t *testing.T) {
	pages, err := filepath.Glob(docs + "/*.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range append(pages, "../../README.md", "../../SECURITY.md", "../../CONTRIBUTING.md") {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, rest := range strings.Split(string(b), "](")[1:] {
			to, _, _ := strings.Cut(rest, ")")
			if _, err := os.Stat(filepath.Join(filepath.Dir(name), to)); err != nil && !strings.Contains(to, "://") {
				t.Errorf("%s links to %s: %v", name, to, err)
			}
		}
	}
}

// rulesPage is docs/RULES.md, as the packages that have rules say it.
func rulesPage() string {
	var b strings.Builder
	b.WriteString(`# Rules

<!-- written by: go test ./internal/cli -run TestDocs -update -->

What ` + "`holdfast lint`" + ` (HF1xx) and ` + "`holdfast gate`" + ` (HF2xx) look for;
[DOCTOR.md](DOCTOR.md) has the other HF1xx.
Errors and warnings make the exit code 2, notes don't.

| rule | | |
|---|---|---|
`)
	all := append(lint.Rules(), gate.Rules()...)
	for _, r := range all {
		b.WriteString("| " + r.ID + " | " + string(r.Severity) + " | " + r.Title + " |\n")
	}
	for _, r := range all {
		b.WriteString("\n## " + r.ID + "\n\n**" + r.Name + "** (" + string(r.Severity) + "): " + r.Title + ".\n\n" + r.About + "\n\n" + r.Cure + "\n")
	}
	return b.String()
}

func TestDocsOfRules(t *testing.T) {
	path := filepath.Join(docs, "RULES.md")
	if *update {
		if err := os.WriteFile(path, []byte(rulesPage()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := os.ReadFile(path); err != nil || string(got) != rulesPage() {
		t.Errorf("docs/RULES.md isn't what the rules say (%v); go test ./internal/cli -run TestDocs -update", err)
	}
}
