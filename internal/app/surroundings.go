package app

import (
	"errors"
	"path/filepath"
	"slices"
	"strings"

	"github.com/holdfast/holdfast/internal/cure"
	"github.com/holdfast/holdfast/internal/precedence"
	"github.com/holdfast/holdfast/internal/profile"
	"github.com/holdfast/holdfast/internal/supervise"
	"github.com/holdfast/holdfast/internal/tf/code"
)

// surroundings are what stands around a command: the files and the code that
// decide which credentials it would take.
type surroundings struct {
	facts   precedence.Facts
	clients []code.Client
	auth    []string // where code reads a cluster's token
	unseen  []string // what couldn't be looked at, in words
}

// look reads them. Only a Terraform's own directory is read; what a wrapper
// will run, and where, isn't known before it does.
func look(command []string, engine string, p Process, env precedence.Env) surroundings {
	s := surroundings{}
	if engine != "" {
		dir := workDir(command[1:])
		s.readCode(dir, engine)
		if subcommand(command[1:]) != "init" {
			s.readInitialised(dir, env)
		}
	}
	files, err := profile.Read(env, p.Home, s.clients)
	if err != nil {
		s.unseen = append(s.unseen, err.Error())
	}
	s.facts = precedence.Facts{Env: env, Home: p.Home, Files: files}
	return s
}

func (s *surroundings) readCode(dir, engine string) {
	read, err := code.Read(dir, code.Engine(engine))
	if err != nil {
		s.unseen = append(s.unseen, err.Error())
	}
	s.clients = append(s.clients, read.Clients...)
	for _, at := range read.ClusterAuth {
		s.auth = append(s.auth, at.String())
	}
	for _, problem := range read.Problems {
		s.unseen = append(s.unseen, problem.Range.String()+": "+problem.Message)
	}
}

// readInitialised takes the backend as `init` left it, which is what runs, for
// the one in code.
func (s *surroundings) readInitialised(dir string, env precedence.Env) {
	data := first(env["TF_DATA_DIR"], ".terraform")
	if !filepath.IsAbs(data) {
		data = filepath.Join(dir, data)
	}
	client, ok, err := code.ReadInitialised(data)
	if err != nil {
		s.unseen = append(s.unseen, err.Error())
	}
	if ok {
		s.clients = slices.DeleteFunc(s.clients, func(c code.Client) bool { return c.Kind == code.Backend })
		s.clients = append(s.clients, client)
	}
}

// workDir is where a Terraform will work, from here: -chdir in its arguments.
func workDir(args []string) string {
	for _, arg := range args {
		if !strings.HasPrefix(arg, "-") {
			break
		}
		if to, ok := strings.CutPrefix(strings.TrimPrefix(arg, "-"), "chdir="); ok {
			return to
		}
	}
	return "."
}

// subcommand is the first argument that isn't an option.
func subcommand(args []string) string {
	for _, arg := range args {
		if !strings.HasPrefix(arg, "-") {
			return arg
		}
	}
	return ""
}

// others refuses to run where the code names credentials of its own, which
// would win over the endpoint; with allow it returns what to say instead.
func others(shadows []precedence.Shadow, allow bool) (notes []string, err error) {
	refused := &cure.Error{What: "this code names credentials of its own, which would win over holdfast's", Class: cure.Refused}
	for _, s := range shadows {
		text := s.String()
		if !s.Certain || allow {
			notes = append(notes, text)
			continue
		}
		refused.Why = append(refused.Why, text, "  "+s.Cure)
	}
	if len(refused.Why) == 0 {
		return notes, nil
	}
	refused.Cure = "or, if it is meant so:  holdfast run --allow-other-credentials -- ..."
	return nil, refused
}

// find looks the command up; the error knows its exit code.
func find(name string, env precedence.Env) (string, error) {
	path, err := supervise.Find(name, env["PATH"])
	var start *supervise.StartError
	if errors.As(err, &start) {
		return "", start
	}
	return path, err
}
