package source

// find settles what `auto` takes, and says of everything else that is there why
// it wasn't taken.
func (p *Plan) find(w Wish, s surroundings) {
	role := len(w.Roles) > 0 || s.env("AWS_ROLE_ARN") != "" || s.env("TG_IAM_ASSUME_ROLE") != ""
	over := func(text string) { p.PassedOver = append(p.PassedOver, text) }
	taken := func() bool { return p.First.From != "" }
	take := func(f First) { p.First = f }

	if s.keys() {
		take(First{From: Environment})
	}
	switch file := s.tokenFile(); {
	case file == "":
	case taken():
		over("AWS_WEB_IDENTITY_TOKEN_FILE (" + file + "): keys in the environment win in every SDK; unset AWS_ACCESS_KEY_ID to use it, it can be renewed and they can't")
	default:
		take(First{From: IRSA})
	}
	switch name := s.env("AWS_PROFILE"); {
	case name != "" && taken():
		over("AWS_PROFILE (" + name + "): " + p.winner() + " in the SDK that Terraform uses")
	case name != "":
		take(First{From: Profile, Profile: name})
	case w.ProfileGives != "" && taken():
		over("the credentials of a profile (" + w.ProfileGives + "): " + p.winner() + " in the SDK that Terraform uses")
	case w.ProfileGives != "":
		take(First{From: Default})
		p.Found = "what the SDK finds"
	}
	switch {
	case s.pod() && taken():
		over("EKS Pod Identity: " + p.winner() + ` in every SDK; from = "pod_identity" uses it`)
	case s.pod():
		take(First{From: PodIdentity})
	}
	p.findGitHub(s, role, taken(), over)
	if s.env("GITLAB_CI") == "true" && !taken() {
		over(`GitLab's id_tokens: nothing says which variable holds one; from = "gitlab" and token_variable = "NAME" do`)
	}
	if !taken() {
		take(First{From: Default})
		p.Found = "what the SDK finds"
	}
}

// findGitHub is for the one source that no SDK knows: it takes it only where an
// SDK would find nothing but, perhaps, the runner's own role.
func (p *Plan) findGitHub(s surroundings, role, taken bool, over func(string)) {
	switch {
	case s.github() && taken:
		over("GitHub's token endpoint: " + p.winner() + `; from = "github" uses it, and can be renewed for as long as the job lasts`)
	case s.github() && !role:
		over("GitHub's token endpoint: there is no role to exchange a token for; name one: --role-arn ARN")
	case s.github():
		p.First = First{From: GitHub}
	case s.githubJob() && !taken:
		what, cure := mayNotAsk()
		over("GitHub's token endpoint: " + what + "; " + cure)
	}
}

// winner says what was taken, for the reason why something else wasn't.
func (p *Plan) winner() string {
	switch p.First.From {
	case Environment:
		return "keys in the environment win"
	case IRSA:
		return "the web identity token wins"
	case Profile, Default:
		return "a profile wins"
	}
	return "the pod's identity wins"
}
