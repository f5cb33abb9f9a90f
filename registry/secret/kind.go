package secret

import "github.com/scantling/scantling/model"

// Class says what a secret of a kind is good for.
type Class string

// The classes.
const (
	Key      Class = "key"      // proves an identity: private keys
	Token    Class = "token"    // opens a cloud or a service
	Store    Class = "store"    // a file that programs keep credentials in
	Password Class = "password" // one that stands in a text: recognised by entropy, not by form
)

// Kind is a sort of secret. Source is where its form is described.
type Kind struct {
	ID       string
	Name     string // for people, as "GitHub token"
	Class    Class
	Severity model.Severity
	Source   string
}

// Names of the kinds that code speaks of.
const (
	privateKey   = "private-key"
	encryptedKey = "encrypted-private-key"
	pgpKey       = "pgp-private-key"
	puttyKey     = "putty-private-key"
	ageKey       = "age-identity"

	awsKey         = "aws-secret-key"
	gcpAccount     = "gcp-service-account"
	azureKey       = "azure-access-key"
	azureSecret    = "azure-client-secret"
	githubToken    = "github-token"
	gitlabToken    = "gitlab-token"
	npmToken       = "npm-token"
	registryToken  = "npm-registry-token"
	pypiToken      = "pypi-token"
	gemToken       = "rubygems-token"
	slackToken     = "slack-token"
	slackWebhook   = "slack-webhook"
	stripeKey      = "stripe-key"
	twilioToken    = "twilio-auth-token"
	sendgridKey    = "sendgrid-key"
	oceanToken     = "digitalocean-token"
	huggingToken   = "huggingface-token"
	openaiKey      = "openai-key"
	anthropicKey   = "anthropic-key"
	googleKey      = "google-api-key"
	dockerToken    = "docker-hub-token"
	terraformToken = "terraform-cloud-token"
	grafanaToken   = "grafana-token"
	vaultToken     = "vault-token"
	webToken       = "jwt"

	dockerAuth     = "docker-auth"
	netrc          = "netrc"
	gitCredentials = "git-credentials"
	pgpass         = "pgpass"
	mysqlOptions   = "mysql-password"
	passwordHash   = "password-hash"
	kubeconfig     = "kubeconfig"
	terraformState = "terraform-state"
	railsKey       = "rails-master-key"

	urlPassword        = "url-password"
	passwordAssignment = "password-assignment"
)

// Kinds are all that is looked for, by class.
var Kinds = []Kind{
	{privateKey, "private key", Key, model.High, "https://www.rfc-editor.org/rfc/rfc7468"},
	{encryptedKey, "private key with a passphrase", Key, model.Low, "https://www.rfc-editor.org/rfc/rfc7468#section-11"},
	{pgpKey, "PGP private key", Key, model.High, "https://www.rfc-editor.org/rfc/rfc9580#section-6.2"},
	{puttyKey, "PuTTY private key", Key, model.High, "https://the.earth.li/~sgtatham/putty/latest/htmldoc/AppendixC.html"},
	{ageKey, "age identity", Key, model.High, "https://github.com/C2SP/C2SP/blob/main/age.md"},

	{awsKey, "AWS secret access key", Token, model.Critical, "https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_access-keys.html"},
	{gcpAccount, "Google Cloud service account key", Token, model.Critical, "https://cloud.google.com/iam/docs/keys-create-delete"},
	{azureKey, "Azure storage or bus key", Token, model.Critical, "https://learn.microsoft.com/azure/storage/common/storage-configure-connection-string"},
	{azureSecret, "Entra ID client secret", Token, model.Critical, "https://learn.microsoft.com/purview/sit-defn-azure-ad-client-secret"},
	{githubToken, "GitHub token", Token, model.High, "https://github.blog/2021-04-05-behind-githubs-new-authentication-token-formats/"},
	{gitlabToken, "GitLab token", Token, model.High, "https://docs.gitlab.com/security/tokens/#token-prefixes"},
	{npmToken, "npm token", Token, model.High, "https://github.blog/2021-09-23-announcing-npms-new-access-token-format/"},
	{registryToken, "token of an npm registry", Token, model.High, "https://docs.npmjs.com/cli/configuring-npm/npmrc#auth-related-configuration"},
	{pypiToken, "PyPI token", Token, model.High, "https://docs.pypi.org/api/secrets/"},
	{gemToken, "RubyGems token", Token, model.High, "https://guides.rubygems.org/api-key-scopes/"},
	{slackToken, "Slack token", Token, model.High, "https://docs.slack.dev/authentication/tokens"},
	{slackWebhook, "Slack webhook", Token, model.Medium, "https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks"},
	{stripeKey, "Stripe live key", Token, model.Critical, "https://docs.stripe.com/keys"},
	{twilioToken, "Twilio auth token", Token, model.High, "https://www.twilio.com/docs/iam/api/authtoken"},
	{sendgridKey, "SendGrid key", Token, model.High, "https://www.twilio.com/docs/sendgrid/ui/account-and-settings/api-keys"},
	{oceanToken, "DigitalOcean token", Token, model.High, "https://docs.digitalocean.com/reference/api/create-personal-access-token/"},
	{huggingToken, "Hugging Face token", Token, model.High, "https://huggingface.co/docs/hub/security-tokens"},
	{openaiKey, "OpenAI key", Token, model.High, "https://platform.openai.com/docs/api-reference/authentication"},
	{anthropicKey, "Anthropic key", Token, model.High, "https://docs.anthropic.com/en/api/overview"},
	{googleKey, "Google API key", Token, model.Medium, "https://cloud.google.com/docs/authentication/api-keys"},
	{dockerToken, "Docker Hub token", Token, model.High, "https://docs.docker.com/security/access-tokens/"},
	{terraformToken, "HCP Terraform token", Token, model.High, "https://developer.hashicorp.com/terraform/cloud-docs/users-teams-organizations/api-tokens"},
	{grafanaToken, "Grafana token", Token, model.High, "https://grafana.com/docs/grafana/latest/administration/service-accounts/"},
	{vaultToken, "Vault token", Token, model.High, "https://developer.hashicorp.com/vault/docs/concepts/tokens#token-prefixes"},
	{webToken, "JSON web token", Token, model.Medium, "https://www.rfc-editor.org/rfc/rfc7519"},

	{dockerAuth, "password of a container registry", Store, model.High, "https://docs.docker.com/reference/cli/docker/login/#credential-stores"},
	{netrc, "password in .netrc", Store, model.High, "https://www.gnu.org/software/inetutils/manual/html_node/The-_002enetrc-file.html"},
	{gitCredentials, "password in .git-credentials", Store, model.High, "https://git-scm.com/docs/git-credential-store"},
	{pgpass, "password in .pgpass", Store, model.High, "https://www.postgresql.org/docs/current/libpq-pgpass.html"},
	{mysqlOptions, "password in an option file of MySQL", Store, model.High, "https://dev.mysql.com/doc/refman/8.4/en/option-files.html"},
	{passwordHash, "password hash", Store, model.Medium, "https://man7.org/linux/man-pages/man5/crypt.5.html"},
	{kubeconfig, "client key or token of a cluster", Store, model.High, "https://kubernetes.io/docs/reference/config-api/kubeconfig.v1/"},
	{terraformState, "Terraform state", Store, model.Medium, "https://developer.hashicorp.com/terraform/language/manage-sensitive-data"},
	{railsKey, "Rails master key", Store, model.High, "https://guides.rubyonrails.org/security.html#custom-credentials"},

	{urlPassword, "password in a URL", Password, model.Medium, "https://www.rfc-editor.org/rfc/rfc3986#section-3.2.1"},
	{passwordAssignment, "password or token that is assigned", Password, model.Medium, "https://cwe.mitre.org/data/definitions/798.html"},
}

// KindOf returns the kind of an id. Of an unknown id it is a kind without
// name and class.
func KindOf(id string) Kind {
	for _, k := range Kinds {
		if k.ID == id {
			return k
		}
	}
	return Kind{ID: id}
}
