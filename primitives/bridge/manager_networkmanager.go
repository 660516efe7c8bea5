package bridge

import "strconv"

// connectionFiles are NetworkManager's (nm-settings-keyfile(5),
// nm-settings-ifcfg-rh(5)).
var connectionFiles = []string{
	"/etc/NetworkManager/system-connections/*",
	"/run/NetworkManager/system-connections/*",
	"/usr/lib/NetworkManager/system-connections/*",
	"/etc/sysconfig/network-scripts/ifcfg-*",
}

// networkManager is recognised by its connections that name the bridge or a
// port, and by its state of each device.
func networkManager(system files, bridge Snapshot) Manager {
	found := Manager{Name: "NetworkManager", Running: system.runs("NetworkManager")}
	named := false
	for _, pattern := range connectionFiles {
		for _, path := range system.list(pattern) {
			if connects(entries(system.read(path)), bridge) {
				named = true
				found.Seen = append(found.Seen, path)
			}
		}
	}
	inHand, leftAlone := 0, 0
	for _, link := range bridge.links() {
		path := "/run/NetworkManager/devices/" + strconv.Itoa(link.Index)
		switch value(entries(system.read(path)), "device", "managed") {
		case "true":
			inHand++
			found.Seen = append(found.Seen, path+": it manages "+link.Name)
		case "false":
			leftAlone++
		}
	}
	found.FightsBack = found.Running && (inHand > 0 || named && leftAlone < len(bridge.links()))
	switch name := bridge.Bridge.Name; {
	case found.FightsBack:
		found.Advice = "it activates its connections again; before, take the bridge and its ports from it: nmcli device set " + name +
			" managed no, the same for each port, and afterwards managed yes"
	case found.Running:
		found.Advice = "it leaves the bridge and its ports alone"
	default:
		found.Advice = "it does not run"
	}
	return found
}

// connects tells whether a connection is that of the bridge or a port.
func connects(connection []entry, bridge Snapshot) bool {
	for _, one := range connection {
		switch {
		case one.section == "connection" && one.key == "interface-name" && bridge.has(one.value),
			one.section == "connection" && (one.key == "master" || one.key == "controller") && one.value == bridge.Bridge.Name,
			one.section == "" && one.key == "DEVICE" && bridge.has(one.value),
			one.section == "" && one.key == "BRIDGE" && one.value == bridge.Bridge.Name:
			return true
		}
	}
	return false
}
