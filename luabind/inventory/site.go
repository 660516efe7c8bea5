package inventory

import (
	"time"
)

const siteOp = "site.load"

// Site is what a site.lua says: how this site likes things done. What a
// request or a machine's row says comes before it. A setting that the file
// does not have is its default.
type Site struct {
	Path string // empty for DefaultSite

	Deadline   time.Duration // for a guest's shutdown, seconds above 0; 180 s
	AtDeadline string        // "destroy", "stop", or empty where the site does not say

	MaxTargets int // how many targets may lose power without --yes; 20

	PingTrials    int           // 40
	PingWait      time.Duration // after each that failed; 3 s
	SSHPingTrials int           // 20
	SSHPingWait   time.Duration // 3 s

	PoweroffDelay time.Duration // between announcement and power-off; 30 s
	AnnounceDelay time.Duration // the same for every other method; 20 s
	Resend        time.Duration // between magic packets while waiting; 10 s

	Limit              int // tasks at once; 0 means that the script decides
	LimitPerHost       int // guests of one machine at once; 0: as many as there are
	LimitPerHypervisor int // guests of one hypervisor at once; 0: Limit

	// Extra holds the site's own keys, as in Row.
	Extra map[string]any
}

var siteKeys = []string{
	"deadline", "at_deadline", "max_targets",
	"ping_trials", "ping_wait", "sshping_trials", "sshping_wait",
	"poweroff_delay", "announce_delay", "resend", "limit", "limit_per_host", "limit_per_hypervisor",
}

// DefaultSite is the site that has written nothing.
func DefaultSite() *Site {
	return &Site{
		Deadline:      180 * time.Second,
		MaxTargets:    20,
		PingTrials:    40,
		PingWait:      3 * time.Second,
		SSHPingTrials: 20,
		SSHPingWait:   3 * time.Second,
		PoweroffDelay: 30 * time.Second,
		AnnounceDelay: 20 * time.Second,
		Resend:        10 * time.Second,
		Extra:         map[string]any{},
	}
}

// LoadSite reads a site.lua; errors as with Load.
func LoadSite(path string) (*Site, error) {
	text, err := readFile(siteOp, path)
	if err != nil {
		return nil, err
	}
	return ParseSite(path, text)
}

// ParseSite reads the text of a site.lua; name is what errors call it.
func ParseSite(name string, text []byte) (*Site, error) {
	src := source{siteOp, name}
	root, err := evaluate(src, text)
	if err != nil {
		return nil, err
	}
	f := start(src, "site", root, siteKeys)
	site := DefaultSite()
	site.Path = name
	f.setSpan("deadline", &site.Deadline, maxDeadline, true)
	site.AtDeadline = f.choice("at_deadline", "destroy", "stop")
	f.setCount("max_targets", &site.MaxTargets, 1, maxExpanded)
	f.setCount("ping_trials", &site.PingTrials, 1, 100_000)
	f.setSpan("ping_wait", &site.PingWait, 3600, false)
	f.setCount("sshping_trials", &site.SSHPingTrials, 1, 100_000)
	f.setSpan("sshping_wait", &site.SSHPingWait, 3600, false)
	f.setSpan("poweroff_delay", &site.PoweroffDelay, maxDeadline, false)
	f.setSpan("announce_delay", &site.AnnounceDelay, maxDeadline, false)
	f.setSpan("resend", &site.Resend, 3600, true)
	f.setCount("limit", &site.Limit, 1, 100_000)
	f.setCount("limit_per_host", &site.LimitPerHost, 1, 100_000)
	f.setCount("limit_per_hypervisor", &site.LimitPerHypervisor, 1, 100_000)
	site.Extra = f.extra()
	return site, f.err
}

// Values gives every setting under its name in the file, durations as seconds,
// and the site's own keys beside them. A setting without a value (at_deadline,
// limit, limit_per_host, limit_per_hypervisor) is not in it.
func (s *Site) Values() map[string]any {
	values := map[string]any{}
	for key, value := range s.Extra {
		values[key] = value
	}
	for key, span := range map[string]time.Duration{
		"deadline": s.Deadline, "ping_wait": s.PingWait, "sshping_wait": s.SSHPingWait,
		"poweroff_delay": s.PoweroffDelay, "announce_delay": s.AnnounceDelay, "resend": s.Resend,
	} {
		values[key] = span.Seconds()
	}
	for key, count := range map[string]int{
		"max_targets": s.MaxTargets, "ping_trials": s.PingTrials, "sshping_trials": s.SSHPingTrials,
		"limit": s.Limit, "limit_per_host": s.LimitPerHost, "limit_per_hypervisor": s.LimitPerHypervisor,
	} {
		if count > 0 {
			values[key] = float64(count)
		}
	}
	if s.AtDeadline != "" {
		values["at_deadline"] = s.AtDeadline
	}
	return values
}

// setSpan reads seconds into a setting that has its default.
func (f *fields) setSpan(key string, setting *time.Duration, high float64, open bool) {
	if n, found := f.number(key, "seconds", 0, high, open); found {
		*setting = inSeconds(n)
	}
}

func (f *fields) setCount(key string, setting *int, low, high int) {
	if n, found := f.whole(key, "a number", low, high); found {
		*setting = n
	}
}
