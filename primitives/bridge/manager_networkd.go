package bridge

import (
	"path"
	"slices"
	"strconv"
	"strings"
)

// unitFolders are systemd-networkd's, those that count first at the front
// (systemd.network(5)).
var unitFolders = []string{"/etc/systemd/network", "/run/systemd/network", "/usr/local/lib/systemd/network", "/usr/lib/systemd/network"}

// networkd is recognised by its units that name the bridge or a port, and by
// its state of each link.
func networkd(system files, bridge Snapshot) Manager {
	found := Manager{Name: "systemd-networkd", Running: system.runs("systemd-networkd"), Seen: units(system, bridge)}
	named := len(found.Seen) > 0
	inHand, leftAlone := 0, 0
	for _, link := range bridge.links() {
		file := "/run/systemd/netif/links/" + strconv.Itoa(link.Index)
		state := entries(system.read(file))
		switch administered := value(state, "", "ADMIN_STATE"); administered {
		case "":
		case "unmanaged":
			leftAlone++
		default:
			inHand++
			found.Seen = append(found.Seen, strings.TrimSpace(file+": "+link.Name+" is "+administered+" "+value(state, "", "NETWORK_FILE")))
		}
	}
	found.FightsBack = found.Running && (inHand > 0 || named && leftAlone < len(bridge.links()))
	switch {
	case found.FightsBack:
		found.Advice = "it sets links up again when their carrier comes back; before, stop it, which leaves the network as it is: systemctl stop systemd-networkd.socket systemd-networkd.service, and afterwards start them"
	case found.Running:
		found.Advice = "it leaves the bridge and its ports alone"
	default:
		found.Advice = "it does not run"
	}
	return found
}

// units are the files that set up the bridge or a port. One of the same name in
// a folder further back does not count.
func units(system files, bridge Snapshot) []string {
	var found, names []string
	for _, folder := range unitFolders {
		for _, file := range append(system.list(folder+"/*.network"), system.list(folder+"/*.netdev")...) {
			if slices.Contains(names, path.Base(file)) {
				continue
			}
			names = append(names, path.Base(file))
			if configures(entries(system.read(file)), bridge) {
				found = append(found, file)
			}
		}
	}
	return found
}

func configures(unit []entry, bridge Snapshot) bool {
	for _, one := range unit {
		switch {
		case one.section == "NetDev" && one.key == "Name" && one.value == bridge.Bridge.Name,
			one.section == "Network" && one.key == "Bridge" && one.value == bridge.Bridge.Name,
			one.section == "Match" && one.key == "Name" && slices.ContainsFunc(strings.Fields(one.value), bridge.matches):
			return true
		}
	}
	return false
}
