package precedence

// The variables of the container endpoint, which holdfast speaks through.
const (
	fullURI     = "AWS_CONTAINER_CREDENTIALS_FULL_URI"
	relativeURI = "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"
	token       = "AWS_CONTAINER_AUTHORIZATION_TOKEN"
	tokenFile   = "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"
)
