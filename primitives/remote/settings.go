package remote

import (
	"fmt"
	"net"
	"os"
	"os/user"
	"strconv"
	"strings"
	"time"

	"golang.org/x/crypto/ssh/knownhosts"

	"ctys/primitives"
)

// settings are what ssh_config and the target together say about one machine.
type settings struct {
	alias          string // as typed
	name           string // HostName: what the machine is called in known_hosts
	address        string // what is connected to
	port           int
	network        string // tcp, tcp4, tcp6
	user           string
	password       primitives.Secret
	identityFiles  []string
	defaults       bool // identityFiles are OpenSSH's own, not asked for
	identitiesOnly bool
	agentSocket    string
	knownHosts     []string
	acceptNew      bool
	hashNames      bool
	keyAlias       string
	timeout        time.Duration
	proxyJump      string
	proxyCommand   bool
	skipped        []string
}

// OpenSSH's default identities, the strongest first, less those that need a
// hardware token at the desk (these come through the agent) and those of
// algorithms that are no longer accepted.
var defaultIdentities = []string{"id_ed25519", "id_ecdsa", "id_rsa"}

// resolve reads what is known about target. Errors are of kind Invalid.
func (c *Client) resolve(target Target) (*settings, error) {
	if target.Host == "" {
		target.Host = target.Address
	}
	if target.Host == "" || strings.HasPrefix(target.Host, "-") {
		return nil, primitives.Errorf(primitives.Invalid, opConnect, target.Host, "%q is no host name", target.Host)
	}
	config, err := c.readConfig(target.Host)
	if err != nil {
		return nil, err
	}
	s := &settings{alias: target.Host, password: target.Password, skipped: config.skipped}
	for _, step := range []func(*settings, Target, *configReader) error{
		c.resolveAddress, c.resolveUser, c.resolveJump, c.resolveKnownHosts, c.resolveIdentities,
	} {
		if err := step(s, target, config); err != nil {
			return nil, &primitives.Error{Kind: primitives.Invalid, Op: opConnect, Host: target.Host, Cause: err}
		}
	}
	return s, nil
}

func (c *Client) resolveAddress(s *settings, target Target, config *configReader) error {
	s.name = target.Host
	if configured := config.first("hostname"); configured != "" {
		expanded, err := expand(configured, map[byte]string{'h': target.Host})
		if err != nil {
			return fmt.Errorf("HostName %w", err)
		}
		s.name = expanded
	}
	s.name = strings.ToLower(strings.TrimSuffix(strings.TrimPrefix(s.name, "["), "]"))
	s.address = s.name
	if target.Address != "" {
		s.address = target.Address
	}
	s.network = map[string]string{"inet": "tcp4", "inet6": "tcp6"}[strings.ToLower(config.first("addressfamily"))]
	if s.network == "" {
		s.network = "tcp"
	}
	var err error
	if s.port, err = resolvePort(target.Port, config.first("port")); err != nil {
		return err
	}
	s.timeout = c.options.ConnectTimeout
	if configured := config.first("connecttimeout"); configured != "" && !strings.EqualFold(configured, "none") {
		seconds, err := strconv.Atoi(configured)
		if err != nil || seconds <= 0 {
			return fmt.Errorf("the ConnectTimeout %q is no number of seconds above 0", configured)
		}
		s.timeout = time.Duration(seconds) * time.Second
	}
	return nil
}

func resolvePort(asked int, configured string) (int, error) {
	if asked == 0 && configured == "" {
		return 22, nil
	}
	if asked == 0 {
		number, err := strconv.Atoi(configured)
		if err != nil {
			return 0, fmt.Errorf("the Port %q is no number", configured)
		}
		asked = number
	}
	if asked < 1 || asked > 65535 {
		return 0, fmt.Errorf("port %d is not between 1 and 65535", asked)
	}
	return asked, nil
}

func (c *Client) resolveUser(s *settings, target Target, config *configReader) error {
	s.user = target.User
	if s.user == "" {
		s.user = config.first("user")
	}
	if s.user == "" {
		local, err := localUser()
		if err != nil {
			return err
		}
		s.user = local
	}
	return nil
}

func localUser() (string, error) {
	account, err := user.Current()
	if err == nil && account.Username != "" {
		return account.Username, nil
	}
	if name := os.Getenv("USER"); name != "" {
		return name, nil
	}
	return "", fmt.Errorf("the user's name is not known: name the user to log in as")
}

func (c *Client) resolveJump(s *settings, target Target, config *configReader) error {
	if len(target.Via) > 0 {
		return nil
	}
	// ssh_config(5): of ProxyJump and ProxyCommand the first prevents the other.
	switch config.firstOf("proxyjump", "proxycommand") {
	case "proxyjump":
		expanded, err := expand(config.first("proxyjump"), s.tokens(c.options.Home))
		if err != nil {
			return fmt.Errorf("ProxyJump %w", err)
		}
		if !strings.EqualFold(expanded, "none") {
			s.proxyJump = expanded
		}
	case "proxycommand":
		s.proxyCommand = !strings.EqualFold(config.first("proxycommand"), "none")
	}
	return nil
}

func (c *Client) resolveKnownHosts(s *settings, _ Target, config *configReader) error {
	s.keyAlias = config.first("hostkeyalias")
	s.hashNames = isYes(config.first("hashknownhosts"))
	s.acceptNew = c.options.AcceptNew
	switch strings.ToLower(config.first("stricthostkeychecking")) {
	// A changed key is refused with "no" as well: that part of OpenSSH's "no"
	// is what makes it dangerous.
	case "accept-new", "no", "off":
		s.acceptNew = true
	}
	if len(c.options.KnownHosts) > 0 {
		s.knownHosts = c.options.KnownHosts
		return nil
	}
	user, err := c.expandFiles(s, config.first("userknownhostsfile"), "~/.ssh/known_hosts ~/.ssh/known_hosts2")
	if err != nil {
		return fmt.Errorf("UserKnownHostsFile %w", err)
	}
	global, err := c.expandFiles(s, config.first("globalknownhostsfile"), "/etc/ssh/ssh_known_hosts /etc/ssh/ssh_known_hosts2")
	if err != nil {
		return fmt.Errorf("GlobalKnownHostsFile %w", err)
	}
	s.knownHosts = append(user, global...)
	return nil
}

func (c *Client) expandFiles(s *settings, configured, standard string) ([]string, error) {
	if configured == "" {
		configured = standard
	}
	if strings.EqualFold(configured, "none") {
		return nil, nil
	}
	var files []string
	for _, word := range words(configured) {
		file, err := expandPath(word, c.options.Home, s.tokens(c.options.Home))
		if err != nil {
			return nil, err
		}
		files = append(files, file)
	}
	return files, nil
}

func (c *Client) resolveIdentities(s *settings, target Target, config *configReader) error {
	s.identitiesOnly = isYes(config.first("identitiesonly"))
	if target.IdentityFile != "" {
		s.identityFiles = append(s.identityFiles, target.IdentityFile)
	}
	s.identityFiles = append(s.identityFiles, config.all("identityfile")...)
	if len(s.identityFiles) == 0 {
		s.defaults = true
		for _, name := range defaultIdentities {
			s.identityFiles = append(s.identityFiles, c.sshFile(name))
		}
	}
	var files []string
	for _, name := range s.identityFiles {
		if strings.EqualFold(name, "none") {
			continue
		}
		if !s.defaults {
			expanded, err := expandPath(name, c.options.Home, s.tokens(c.options.Home))
			if err != nil {
				return fmt.Errorf("IdentityFile %w", err)
			}
			name = expanded
		}
		files = append(files, name)
	}
	s.identityFiles = files
	return c.resolveAgent(s, config)
}

func (c *Client) resolveAgent(s *settings, config *configReader) error {
	s.agentSocket = c.options.AgentSocket
	if s.agentSocket == "" {
		s.agentSocket = config.first("identityagent")
	}
	if s.agentSocket == "" || s.agentSocket == "SSH_AUTH_SOCK" {
		s.agentSocket = os.Getenv("SSH_AUTH_SOCK")
	}
	if strings.EqualFold(s.agentSocket, "none") {
		s.agentSocket = ""
	}
	if strings.HasPrefix(s.agentSocket, "$") && !strings.HasPrefix(s.agentSocket, "${") {
		s.agentSocket = os.Getenv(s.agentSocket[1:])
	}
	socket, err := expandPath(s.agentSocket, c.options.Home, s.tokens(c.options.Home))
	if err != nil {
		return fmt.Errorf("IdentityAgent %w", err)
	}
	s.agentSocket = socket
	return nil
}

// tokens are those of ssh_config(5) that do not need the peer.
func (s *settings) tokens(home string) map[byte]string {
	local, _ := localUser()
	hostname, _ := os.Hostname()
	short, _, _ := strings.Cut(hostname, ".")
	alias := s.keyAlias
	if alias == "" {
		alias = s.alias
	}
	return map[byte]string{
		'd': home, 'h': s.name, 'i': strconv.Itoa(os.Getuid()), 'k': alias, 'L': short, 'l': hostname,
		'n': s.alias, 'p': strconv.Itoa(s.port), 'r': s.user, 'u': local, 'j': s.proxyJump,
	}
}

func isYes(value string) bool {
	return strings.EqualFold(value, "yes") || strings.EqualFold(value, "true")
}

// endpoint is where the machine listens.
func (s *settings) endpoint() string {
	return net.JoinHostPort(s.address, strconv.Itoa(s.port))
}

// display is how errors call the machine: the typed name, and the address
// where that is another one.
func (s *settings) display() string {
	endpoint := s.endpoint()
	if s.address == s.alias && s.port == 22 {
		return s.alias
	}
	if s.address == s.alias {
		return endpoint
	}
	return fmt.Sprintf("%s (%s)", s.alias, endpoint)
}

// keyName is under what name a new key is noted in known_hosts.
func (s *settings) keyName() string {
	return knownhosts.Normalize(s.keyAddress())
}

// keyAddress is keyName as host:port. HostKeyAlias stands without a port.
func (s *settings) keyAddress() string {
	if s.keyAlias != "" {
		return net.JoinHostPort(strings.ToLower(s.keyAlias), "22")
	}
	return net.JoinHostPort(s.name, strconv.Itoa(s.port))
}
