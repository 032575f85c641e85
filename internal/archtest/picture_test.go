package archtest

// layer is a row of the picture in docs/ARCHITECTURE.md.
type layer struct {
	word  string   // what the package comment calls it; package lab says its name already
	below []string // layers that it may import
	links []string // modules that it may import, by the beginning of their path
	pure  bool     // no process, no network; os only with a reason
	why   string
}

// Names of layers.
const (
	words   = "words"
	files   = "files" // of Terraform: logic that reads formats, imported by other logic
	logic   = "logic"
	aws     = "aws"
	adapter = "adapter"
	config  = "config"
	app     = "app"
	view    = "view"
	cli     = "cli"
	lab     = "lab"
	labRoot = "lab root"
	command = "command"
	tests   = "tests"
)

const (
	sdk   = "github.com/aws/"
	hcl   = "github.com/hashicorp/hcl/v2"
	cty   = "github.com/zclconf/go-cty/"
	x     = "golang.org/x/"
	cobra = "github.com/spf13/"
	jose  = "github.com/go-jose/"
	yaml  = "sigs.k8s.io/yaml"
)

// layers is who may import whom, from the bottom up. A layer that isn't named
// in below is out of reach, a sibling in the same layer included.
func layers() map[string]layer {
	return map[string]layer{
		words: {word: "words", pure: true,
			why: "words are what every package shares; one that needs more than the standard library makes everybody need it"},
		files: {word: "logic", below: []string{words}, links: []string{hcl, cty}, pure: true,
			why: "readers of Terraform's files are tested with text alone, and don't know each other"},
		logic: {word: "logic", below: []string{words, files}, pure: true,
			why: "logic decides from facts that it is given, so that its tests need no AWS, no process and no network; declare an interface here and let an adapter fill it"},
		aws: {word: "adapter", below: []string{words, logic, files}, links: []string{sdk},
			why: "awsapi fills interfaces that logic declares; it knows no other adapter"},
		adapter: {word: "adapter", below: []string{words, logic, files}, links: []string{x},
			why: "adapters touch one thing in the world each and don't know their siblings or the AWS SDK; package app joins them"},
		config: {word: "composition", below: []string{words}, links: []string{hcl, cty},
			why: "config gives plain structs to app, and only app imports it: whoever reads configuration elsewhere has a second truth"},
		app: {word: "composition", below: []string{words, logic, files, aws, adapter, config}, links: []string{x},
			why: "app joins the packages below it; words for people are above it, in view and cli"},
		view: {word: "words out", below: []string{words, app},
			why: "view turns values into text; what it has to compute belongs below, and only cli imports it"},
		cli: {word: "words in", below: []string{words, app, view}, links: []string{cobra},
			why: "a command binds flags, makes one call to app and shows the answer; an adapter here is a decision in the wrong place"},
		lab: {word: "lab", below: []string{lab}, links: []string{hcl, jose},
			why: "a simulator that shares code with what it tests shares its mistakes; the SDK is its judge, never its part"},
		labRoot: {below: []string{lab}, links: []string{hcl, jose},
			why: "a simulator that shares code with what it tests shares its mistakes; the SDK is its judge, never its part"},
		command: {links: []string{cobra},
			why: "a command holds main and nothing else; nobody but cmd/holdfast imports cli, and the lab must never ship in holdfast"},
		tests: {word: "tests only", why: "nothing that ships is in it"},
	}
}

// place is where a package stands; also are imports that its layer wouldn't
// allow, with the reason.
type place struct {
	layer string
	also  map[string]string
}

// packages is every package of the module.
func packages() map[string]place {
	return map[string]place{
		"internal/cred":   {layer: words},
		"internal/cure":   {layer: words},
		"internal/event":  {layer: words},
		"internal/report": {layer: words},

		"internal/finding": {layer: words},

		"internal/durable": {layer: words, also: map[string]string{
			"os": "files that survive a kill are its whole business; journals and adapters share it",
		}},
		"internal/kubetoken": {layer: words},

		"internal/tf/code":    {layer: files, also: map[string]string{"os": "reads the directory that it is asked about"}},
		"internal/tf/log":     {layer: files},
		"internal/tf/backend": {layer: files},
		"internal/tf/state":   {layer: files},
		"internal/tf/plan":    {layer: files},

		"internal/access": {layer: logic, also: map[string]string{
			"internal/journal": "nothing is deleted that isn't recorded first",
		}},
		"internal/assign":     {layer: logic},
		"internal/doctor":     {layer: logic, also: map[string]string{"internal/precedence": "which source wins is a part of its answer, and decided there"}},
		"internal/gate":       {layer: logic},
		"internal/journal":    {layer: logic, also: map[string]string{"os": "the record that has to be on the disk before anything is changed"}},
		"internal/drain":      {layer: logic},
		"internal/keeper":     {layer: logic},
		"internal/pace":       {layer: logic},
		"internal/lint":       {layer: logic},
		"internal/precedence": {layer: logic, also: map[string]string{"os": "os.Expand, which is a function of its arguments"}},
		"internal/rescue":     {layer: logic, also: map[string]string{"internal/journal": "what it changes is recorded before", "os": "reads the copy that lies beside a journal"}},
		"internal/source":     {layer: logic, also: map[string]string{"os": "reads a token file anew for every exchange"}},

		"internal/awsapi/identity":   {layer: aws},
		"internal/awsapi/statestore": {layer: aws},
		"internal/awsapi/topic":      {layer: aws},
		"internal/alert":             {layer: adapter},
		"internal/awsapi/eks":        {layer: aws},
		"internal/credcmd":           {layer: adapter},
		"internal/credcache":         {layer: adapter},
		"internal/endpoint":          {layer: adapter},
		"internal/kube": {layer: adapter, also: map[string]string{
			yaml: "a ConfigMap's rows are YAML, which aws-iam-authenticator reads with this module",
		}},
		"internal/ledger":    {layer: adapter},
		"internal/link":      {layer: adapter},
		"internal/oidc":      {layer: adapter},
		"internal/private":   {layer: adapter},
		"internal/profile":   {layer: adapter},
		"internal/shim":      {layer: adapter},
		"internal/supervise": {layer: adapter},
		"internal/tfexec":    {layer: adapter},

		"internal/config": {layer: config},
		"internal/app":    {layer: app},
		"internal/view": {layer: view, also: map[string]string{
			"internal/view/pipeline": "one entry for every format of findings",
		}},
		"internal/view/pipeline": {layer: view},
		"internal/cli": {layer: cli, also: map[string]string{
			"internal/precedence": "the environment's type, for flags that have a variable",
			"internal/source":     "the roles of a request, which flags fill",
			"internal/private":    "closes this process's memory before anything else happens in it",
		}},

		"internal/lab": {layer: labRoot},
		"internal/lab/awsauth": {layer: lab, also: map[string]string{
			yaml: "a ConfigMap's rows are YAML, which aws-iam-authenticator reads with this module",
		}},
		"internal/lab/cluster": {layer: lab},
		"internal/lab/dynamo":  {layer: lab},
		"internal/lab/eks":     {layer: lab},
		"internal/lab/iam":     {layer: lab},
		"internal/lab/logs":    {layer: lab},
		"internal/lab/policy":  {layer: lab},
		"internal/lab/s3":      {layer: lab},
		"internal/lab/sigv4":   {layer: lab},
		"internal/lab/sns":     {layer: lab},
		"internal/lab/sts":     {layer: lab},
		"internal/lab/wire":    {layer: lab},

		"cmd/holdfast": {layer: command, also: map[string]string{"internal/cli": "it is that command line"}},
		"cmd/holdfast-lab": {layer: command, also: map[string]string{
			"internal/lab":                                   "it is that lab",
			"github.com/aws/aws-sdk-go-v2/aws":               "assume is a client of the lab as any other",
			"github.com/aws/aws-sdk-go-v2/aws/signer/v4":     "join signs a token as any kubelet's plugin does",
			"github.com/aws/aws-sdk-go-v2/service/eks":       "recreate is a client of the lab as any other",
			"github.com/aws/aws-sdk-go-v2/service/eks/types": "recreate is a client of the lab as any other",
			"github.com/aws/aws-sdk-go-v2/service/iam":       "recreate is a client of the lab as any other",
			"github.com/aws/aws-sdk-go-v2/service/sts":       "assume is a client of the lab as any other",
			"github.com/aws/aws-sdk-go-v2/service/sts/types": "assume is a client of the lab as any other",
		}},

		"bench": {layer: command, also: map[string]string{
			"internal/lab":                             "measures against it, and is never installed",
			"github.com/aws/aws-sdk-go-v2/aws":         "the naive scan, for comparison",
			"github.com/aws/aws-sdk-go-v2/aws/retry":   "the naive scan, for comparison",
			"github.com/aws/aws-sdk-go-v2/credentials": "the naive scan, for comparison",
			"github.com/aws/aws-sdk-go-v2/service/eks": "the naive scan, for comparison",
			"github.com/aws/aws-sdk-go-v2/service/iam": "the naive scan, for comparison",
			"github.com/aws/aws-sdk-go-v2/service/s3":  "states to rescue",
		}},

		"internal/archtest": {layer: tests},
		"internal/pairwise": {layer: tests},
		"e2e":               {layer: tests},
	}
}
