package primitives

// Machine is what a power needs to know of a machine: the part of an inventory
// row that Go code reads. A row's further keys belong to scripts.
type Machine struct {
	Name        string
	Address     string // name or IP address; empty where unknown
	MAC         MAC
	UUID        string   // canonical lower case with dashes; empty where unknown
	Parent      string   // name of the machine that carries this one
	Hypervisors []string // that it has; nil where unknown, empty where it carries nothing
	Become      string   // none, sudo, doas or ksu
}
