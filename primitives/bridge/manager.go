package bridge

// Manager is a program of the system that sets up networks and knows a bridge:
// what it knows it may do again, while the bridge is dissolved.
type Manager struct {
	Name    string   // "NetworkManager", "systemd-networkd", "ifupdown"
	Running bool     // it runs and can act of itself
	Seen    []string // by what it was recognised, files first
	// FightsBack: it runs and the bridge is in its hands, so it may put the port
	// back or take the addresses from it.
	FightsBack bool
	Advice     string // what the operator can do
}
