package stack

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"sync"

	"ctys/primitives"
)

// xlDomain is one line of "xl list".
type xlDomain struct {
	id    int
	name  string
	uuid  string // empty in the form without -v
	state State
	cause string
}

// xlLine is a line of "xl list", or of "xl list -v" with UUID, reason and more
// behind.
var xlLine = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^(.*?)\s+(\d+)\s+(\d+)\s+(\d+)\s+(\S+)\s+(\d+\.\d+)(?:\s+([0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}).*)?\s*$`)
})

// parseXLList reads the table of "xl list" or "xl list -v". A line that is no
// domain's is an error: it could be the guest that is looked for. So is a table
// without Domain-0, which runs on every host that has one to show.
func parseXLList(text string) ([]xlDomain, error) {
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	if !strings.HasPrefix(lines[0], "Name ") {
		return nil, fmt.Errorf("xl list begins with %q and not with its heading", lines[0])
	}
	var domains []xlDomain
	control := false
	for _, line := range lines[1:] {
		found := xlLine().FindStringSubmatch(line)
		if found == nil {
			return nil, fmt.Errorf("xl list has the line %q, which is no domain's", line)
		}
		id, err := strconv.Atoi(found[2])
		if err != nil {
			return nil, fmt.Errorf("xl list has the id %q", found[2])
		}
		domain := xlDomain{id: id, name: found[1], uuid: strings.ToLower(found[7])}
		domain.state, domain.cause = xlState(found[5])
		control = control || id == 0
		domains = append(domains, domain)
	}
	if !control {
		return nil, fmt.Errorf("xl list shows no Domain-0")
	}
	return domains, nil
}

// xlColumn is the state column: running, blocked, paused, shut down, why it shut
// down (reboot, suspend, crash, watchdog, Soft reset), dying.
// Source: list_domains in Xen's tools/xl/xl_list.c.
var xlColumn = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[r-][b-][p-][s-][-rscwS][d-]$`) })

// xlState reads the state column. A domain that has shut down, or is dying,
// still holds its memory until the toolstack has cleaned it up ("--ps--"), and
// is Off only when it is gone. One without a letter is ready to run and has no
// processor at the moment.
func xlState(column string) (State, string) {
	if !xlColumn().MatchString(column) {
		return Unknown, fmt.Sprintf("xl's state %q is not known", column)
	}
	paused, shut, reason, dying := column[2] != '-', column[3] != '-', column[4], column[5] != '-'
	switch {
	case reason == 'c' && !dying:
		return Crashed, ""
	case shut, dying:
		return ShuttingDown, ""
	case paused:
		return Paused, ""
	}
	return Running, ""
}

// xlConfig is what "xl list -l" says of a domain that this package reads.
type xlConfig struct {
	id   int
	name string
	uuid string
	macs []primitives.MAC
}

// parseXLConfig reads the JSON of "xl list -l". A domain without a UUID is left
// out: only its line in the table can identify it.
// Source: libxl_domain_config in Xen's tools/libs/light/libxl_types.idl.
func parseXLConfig(text string) ([]xlConfig, error) {
	var read []struct {
		ID     int `json:"domid"`
		Config struct {
			Info struct {
				Name string `json:"name"`
				UUID string `json:"uuid"`
			} `json:"c_info"`
			NICs []struct {
				MAC string `json:"mac"`
			} `json:"nics"`
		} `json:"config"`
	}
	if err := json.Unmarshal([]byte(text), &read); err != nil {
		return nil, fmt.Errorf("xl list -l cannot be read: %w", err)
	}
	var configs []xlConfig
	for _, entry := range read {
		id, err := parseUUID(entry.Config.Info.UUID)
		if err != nil {
			continue
		}
		config := xlConfig{id: entry.ID, name: entry.Config.Info.Name, uuid: id.String()}
		for _, nic := range entry.Config.NICs {
			if mac, err := primitives.ParseMAC(nic.MAC); err == nil && !mac.IsZero() {
				config.macs = append(config.macs, mac)
			}
		}
		configs = append(configs, config)
	}
	return configs, nil
}
